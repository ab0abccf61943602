package dns

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Credentials are the files of mutual TLS, PEM each. They are read again for
// every connection, so a renewed certificate is in use from the next one on.
type Credentials struct {
	Cert, Key, CA string
}

// ErrNoCertificate is returned where a CA file holds no certificate.
var ErrNoCertificate = errors.New("no PEM certificate in it")

// Config reads the files for one connection to a server that proves to be
// serverName, a DNS name or an address.
func (c Credentials) Config(serverName string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s with key %s: %w", c.Cert, c.Key, err)
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("load CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("load CA %s: %w", c.CA, ErrNoCertificate)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		ServerName:   serverName,
		Certificates: []tls.Certificate{pair},
		RootCAs:      roots,
	}, nil
}
