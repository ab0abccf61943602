package hub

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// Certificates are the files of one mutual TLS identity. They are read again
// when they change, as a certificate that is renewed must not need a restart.
type Certificates struct {
	cert, key, ca string

	mu     sync.Mutex
	stamp  [3]stamp    // guarded by mu
	config *tls.Config // guarded by mu; what it points to is immutable
}

// stamp tells one content of a file from the next.
type stamp struct {
	modified time.Time
	size     int64
}

// LoadCertificates reads the files: the server's certificate chain and key, and
// the certificate authorities that sign the enforcers. The error names the file.
func LoadCertificates(cert, key, ca string) (*Certificates, error) {
	c := &Certificates{cert: cert, key: key, ca: ca}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// current returns the configuration of the files as they are now. If they have
// become unreadable it is the last good one, and an error, once for each change.
func (c *Certificates) current() (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stamps() == c.stamp {
		return c.config, nil
	}
	err := c.load()
	return c.config, err
}

func (c *Certificates) stamps() (s [3]stamp) {
	for i, path := range []string{c.cert, c.key, c.ca} {
		if info, err := os.Stat(path); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// load takes the stamps first: a file that changes while it is read is read
// again the next time.
func (c *Certificates) load() error {
	c.stamp = c.stamps()
	certPEM, err := os.ReadFile(c.cert)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(c.key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	caPEM, err := os.ReadFile(c.ca)
	if err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.cert, c.key, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(caPEM) {
		return fmt.Errorf("certificate authority %s: no PEM certificate in it", c.ca)
	}
	c.config = &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    roots,
		NextProtos:   []string{"h2"},
		// A resumed session would outlive a change of the authorities.
		SessionTicketsDisabled: true,
	}
	return nil
}

// tlsCredentials ask at each handshake for the files' present content.
func (h *Hub) tlsCredentials(l *listener) credentials.TransportCredentials {
	return countedCredentials{hub: h, endpoint: l.endpoint, TransportCredentials: credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			certs := l.certs.Load()
			if certs == nil {
				return nil, errors.New("no certificates")
			}
			config, err := certs.current()
			if err != nil {
				h.log.Errorf("keep the last good certificates of %s: %v", l.endpoint, err)
			}
			return config, nil
		},
	})}
}

// countedCredentials make refusals visible on this side too: the peer that is
// refused may be the one that cannot tell why.
type countedCredentials struct {
	credentials.TransportCredentials
	hub      *Hub
	endpoint Endpoint
}

// ServerHandshake implements credentials.TransportCredentials.
func (c countedCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := c.TransportCredentials.ServerHandshake(conn)
	// A connection that just closes is a probe of the port.
	if err != nil && !errors.Is(err, io.EOF) {
		c.hub.stats.Refused.Add(1)
		c.hub.log.Warningf("refused a peer on %s: %s: %v", c.endpoint, conn.RemoteAddr(), err)
	}
	return secured, info, err
}

// Clone implements credentials.TransportCredentials.
func (c countedCredentials) Clone() credentials.TransportCredentials {
	c.TransportCredentials = c.TransportCredentials.Clone()
	return c
}
