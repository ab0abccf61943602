package hub

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// Certificates are the files of one TLS identity. They are read again when they
// change, as a certificate that is renewed must not need a restart.
type Certificates struct {
	cert, key, ca string // ca may be empty

	mu      sync.Mutex
	files   [3]fs.FileInfo // guarded by mu
	config  *tls.Config    // guarded by mu; what it points to is immutable
	expires []Expiry       // guarded by mu; immutable
}

// Expiry is when what a file holds ends to be valid.
type Expiry struct {
	File          string
	Begins, Until time.Time
}

// LoadCertificates reads the files: the server's certificate chain and key, and
// the certificate authorities that sign the enforcers. Without authorities,
// clients are asked for no certificate. The error names the file.
func LoadCertificates(cert, key, ca string) (*Certificates, error) {
	c := &Certificates{cert: cert, key: key, ca: ca}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Authenticating reports whether clients have to show a certificate.
func (c *Certificates) Authenticating() bool { return c.ca != "" }

// current returns the configuration of the files as they are now. If they have
// become unreadable it is the last good one, and an error, once for each change.
func (c *Certificates) current() (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.follow()
	return c.config, err
}

// expiries are those of the files that are in force.
func (c *Certificates) expiries() ([]Expiry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.follow()
	return c.expires, err
}

func (c *Certificates) follow() error {
	if sameFiles(c.stat(), c.files) {
		return nil
	}
	return c.load()
}

// stat follows links: of a Secret that Kubernetes mounts, only the link ..data
// changes, and leads to other files.
func (c *Certificates) stat() (files [3]fs.FileInfo) {
	for i, path := range []string{c.cert, c.key, c.ca} {
		if info, err := os.Stat(path); err == nil {
			files[i] = info
		}
	}
	return files
}

func sameFiles(a, b [3]fs.FileInfo) bool {
	for i := range a {
		if a[i] == nil || b[i] == nil {
			if a[i] != b[i] {
				return false
			}
			continue
		}
		if !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()) {
			return false
		}
	}
	return true
}

// load notes the files first: one that changes while it is read is read again
// the next time.
func (c *Certificates) load() error {
	c.files = c.stat()
	certPEM, err := os.ReadFile(c.cert)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(c.key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.cert, c.key, err)
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2"},
		// A resumed session would outlive a change of the authorities.
		SessionTicketsDisabled: true,
	}
	begins, until := validity509(certPEM, true)
	expires := []Expiry{{File: c.cert, Begins: begins, Until: until}}
	if c.ca != "" {
		caPEM, err := os.ReadFile(c.ca)
		if err != nil {
			return fmt.Errorf("certificate authority: %w", err)
		}
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(caPEM) {
			return fmt.Errorf("certificate authority %s: no PEM certificate in it", c.ca)
		}
		begins, until := validity509(caPEM, false)
		expires = append(expires, Expiry{File: c.ca, Begins: begins, Until: until})
	}
	c.config, c.expires = config, expires
	return nil
}

// validity509 reads when a file of certificates begins and ends to be of use: a
// chain with the first that ends, a set of authorities with the last.
func validity509(text []byte, chain bool) (begins, until time.Time) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		if until.IsZero() || cert.NotAfter.Before(until) == chain {
			begins, until = cert.NotBefore, cert.NotAfter
		}
	}
	return begins, until
}

// tlsCredentials ask at each handshake for the files' present content.
func (h *Hub) tlsCredentials(l *listener) credentials.TransportCredentials {
	return guestCredentials{hub: h, listener: l, TransportCredentials: credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			access := l.access.Load()
			if access == nil || access.Certificates == nil {
				return nil, errors.New("no certificates")
			}
			config, err := access.Certificates.current()
			if err != nil {
				h.log.Errorf("keep the last good certificates of %s: %v", l.endpoint, err)
			}
			return config, nil
		},
	})}
}

// guestCredentials make refusals visible on this side too, as the peer that is
// refused may be the one that cannot tell why, and lead from a stream to its
// connection.
type guestCredentials struct {
	credentials.TransportCredentials
	hub      *Hub
	listener *listener
}

// ServerHandshake implements credentials.TransportCredentials.
func (c guestCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := c.TransportCredentials.ServerHandshake(conn)
	if err != nil {
		// A connection that just closes is a probe of the port.
		if !errors.Is(err, io.EOF) {
			c.hub.refuse(ReasonHandshake, "refused a peer on %s: %s: %v", c.listener.endpoint, conn.RemoteAddr(), err)
		}
		return secured, info, err
	}
	g := guest{listener: c.listener}
	g.TLSInfo, _ = info.(credentials.TLSInfo)
	g.visit, _ = conn.(*visit)
	return secured, g, nil
}

// Clone implements credentials.TransportCredentials.
func (c guestCredentials) Clone() credentials.TransportCredentials {
	c.TransportCredentials = c.TransportCredentials.Clone()
	return c
}
