package enforcertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Authority signs certificates for tests.
type Authority struct {
	tb   testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// NewAuthority makes a certificate authority.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{tb: tb}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	a.key = a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		tb.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func (a *Authority) newKey() *ecdsa.PrivateKey {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.tb.Fatal(err)
	}
	return key
}

// Sign makes a certificate and its key, in PEM, for localhost and 127.0.0.1.
func (a *Authority) Sign(name string) (cert, key []byte) { return a.Issue(Claims{CommonName: name}) }

// Claims are what a certificate says.
type Claims struct {
	CommonName string
	URIs       []string
	NotAfter   time.Time // default: in an hour
}

// Issue makes a certificate and its key, in PEM, for localhost and 127.0.0.1.
func (a *Authority) Issue(claims Claims) (cert, key []byte) {
	a.tb.Helper()
	private := a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: claims.CommonName},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if !claims.NotAfter.IsZero() {
		template.NotAfter = claims.NotAfter
	}
	for _, text := range claims.URIs {
		uri, err := url.Parse(text)
		if err != nil {
			a.tb.Fatal(err)
		}
		template.URIs = append(template.URIs, uri)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		a.tb.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

// Write puts tls.crt, tls.key and ca.crt into dir, as a mounted Secret has them.
func (a *Authority) Write(dir, name string) (cert, key, ca string) {
	a.tb.Helper()
	certPEM, keyPEM := a.Sign(name)
	cert, key, ca = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "ca.crt")
	for path, content := range map[string][]byte{cert: certPEM, key: keyPEM, ca: a.pem} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			a.tb.Fatal(err)
		}
	}
	return cert, key, ca
}

// Client returns a client's half of mutual TLS: it trusts the authority and
// shows a certificate of signer for node-a, or none if that is nil.
func (a *Authority) Client(signer *Authority) *tls.Config {
	a.tb.Helper()
	return a.ClientWith(signer, Claims{CommonName: "system:node:node-a"})
}

// ClientWith is Client with another certificate.
func (a *Authority) ClientWith(signer *Authority, claims Claims) *tls.Config {
	a.tb.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, NextProtos: []string{"h2"}}
	if signer != nil {
		pair, err := tls.X509KeyPair(signer.Issue(claims))
		if err != nil {
			a.tb.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

// DialOption is Client for gRPC.
func (a *Authority) DialOption(signer *Authority) grpc.DialOption {
	return grpc.WithTransportCredentials(credentials.NewTLS(a.Client(signer)))
}

// Node is what an enforcer of that node dials with.
func (a *Authority) Node(name string) grpc.DialOption {
	config := a.ClientWith(a, Claims{URIs: []string{"spiffe://example.org/node/" + name}})
	return grpc.WithTransportCredentials(credentials.NewTLS(config))
}

// Bearer is a token that travels as the enforcer's does.
type Bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b Bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (Bearer) RequireTransportSecurity() bool { return true }

// Token is what an enforcer dials with that has a token and no certificate.
func (a *Authority) Token(token string) []grpc.DialOption {
	return []grpc.DialOption{a.DialOption(nil), grpc.WithPerRPCCredentials(Bearer(token))}
}
