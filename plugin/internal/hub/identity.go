package hub

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// identity is what a peer has proven. The zero value has proven to be a process
// of this machine that may say which node this is: the unix socket's.
type identity struct {
	node  string    // "": not proven
	proof string    // "certificate" or "token", for messages
	until time.Time // when the proof ends, and with it the session; zero: never
}

// allows compares what the peer says with what it has proven.
func (i identity) allows(node string) error {
	if i.proof == "" || i.node == node {
		return nil
	}
	return status.Errorf(codes.PermissionDenied,
		"Hello.node is %q, but the %s is of node %q; start the enforcer with --node %s, or with a %s of node %s",
		node, i.proof, i.node, i.node, i.proof, node)
}

// nodeOfCertificate reads the one node that a certificate names.
func nodeOfCertificate(cert *x509.Certificate) (string, error) {
	named := make(map[string]bool)
	if name, ok := strings.CutPrefix(cert.Subject.CommonName, "system:node:"); ok && name != "" {
		named[name] = true
	}
	for _, uri := range cert.URIs {
		if name := nodeOfURI(uri); name != "" {
			named[name] = true
		}
	}
	switch len(named) {
	case 1:
		return slices.Collect(maps.Keys(named))[0], nil
	case 0:
		return "", status.Errorf(codes.PermissionDenied, "the certificate of %q names no node; "+
			"want a URI SAN spiffe://TRUST-DOMAIN/node/NAME or the common name system:node:NAME", cert.Subject.String())
	default:
		return "", status.Errorf(codes.PermissionDenied, "the certificate of %q names the nodes %s; want one",
			cert.Subject.String(), strings.Join(slices.Sorted(maps.Keys(named)), ", "))
	}
}

// nodeOfURI reads spiffe://TRUST-DOMAIN/…/node/NAME. The SPIFFE-ID standard has
// no escapes in paths; with them, one segment could pose as two.
func nodeOfURI(uri *url.URL) string {
	if uri.Scheme != "spiffe" || uri.Host == "" {
		return ""
	}
	segments := strings.Split(uri.EscapedPath(), "/")
	n := len(segments)
	if n < 3 || segments[n-2] != "node" || strings.Contains(segments[n-1], "%") {
		return ""
	}
	return segments[n-1]
}

// identityOfCertificate is that of a verified TLS client.
func identityOfCertificate(state tls.ConnectionState) (identity, error) {
	if len(state.VerifiedChains) == 0 {
		return identity{}, status.Error(codes.Unauthenticated, "no client certificate; start the enforcer with --tls-cert and --tls-key")
	}
	node, err := nodeOfCertificate(state.PeerCertificates[0])
	if err != nil {
		return identity{}, err
	}
	return identity{node: node, proof: "certificate", until: end(state.VerifiedChains)}, nil
}

// end is when the last of the chains does not hold any more.
func end(chains [][]*x509.Certificate) (latest time.Time) {
	for _, chain := range chains {
		ends := chain[0].NotAfter
		for _, cert := range chain {
			ends = earlier(ends, cert.NotAfter)
		}
		if ends.After(latest) {
			latest = ends
		}
	}
	return latest
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// over is closed when the proof has ended, never where it has no end.
func (i identity) over() (<-chan struct{}, func()) {
	if i.until.IsZero() {
		return nil, func() {}
	}
	ended := make(chan struct{})
	timer := time.AfterFunc(time.Until(i.until), func() { close(ended) })
	return ended, func() { timer.Stop() }
}
