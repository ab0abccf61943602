package dns

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Credentials are the files that prove who each side of a TCP session is, PEM
// each but for the token. They are read again for every connection, so what is
// renewed is in use from the next one on. CA is always needed; besides, a
// certificate with its key, or a token, or all three.
type Credentials struct {
	Cert, Key, CA string
	// Token is a file with a bearer token, as Kubernetes projects it into a pod.
	Token string
}

var (
	// ErrNoCertificate is returned where a file holds no certificate.
	ErrNoCertificate = errors.New("no PEM certificate in it")
	// ErrNoToken is returned where a file holds no token.
	ErrNoToken = errors.New("no token in it; want one line")
)

// Config reads the files for one connection to a server that proves to be
// serverName, a DNS name or an address.
func (c Credentials) Config(serverName string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: serverName, RootCAs: x509.NewCertPool()}
	if c.Cert != "" || c.Key != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("load certificate %s with key %s: %w", c.Cert, c.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	text, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("load CA: %w", err)
	}
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("load CA %s: %w", c.CA, ErrNoCertificate)
	}
	return config, nil
}

// bearer is a token that travels with the request that opens a session.
type bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials (RFC 6750).
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: who sees
// the token can pose as this node.
func (bearer) RequireTransportSecurity() bool { return true }

// ReadToken reads the token; without a file it is empty.
func (c Credentials) ReadToken() (string, error) {
	if c.Token == "" {
		return "", nil
	}
	text, err := os.ReadFile(c.Token)
	if err != nil {
		return "", fmt.Errorf("load token: %w", err)
	}
	token := bytes.TrimSpace(text)
	if len(token) == 0 || bytes.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("load token %s: %w", c.Token, ErrNoToken)
	}
	return string(token), nil
}

// dial reads the files for one connection.
func (c Credentials) dial(serverName string) ([]grpc.DialOption, error) {
	config, err := c.Config(serverName)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(config))}
	token, err := c.ReadToken()
	if err != nil {
		return nil, err
	}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	return options, nil
}

// Expiry is when the certificates of a file end to be valid.
type Expiry struct {
	File          string
	Begins, Until time.Time
}

// Expiries lists the certificate files, as they are now: a chain ends with its
// first certificate that ends, a set of CAs with its last. Files that cannot be
// read are left out; the sessions say why.
func (c Credentials) Expiries() (all []Expiry) {
	for _, f := range []struct {
		path  string
		chain bool
	}{{c.Cert, true}, {c.CA, false}} {
		text, err := os.ReadFile(f.path)
		if err != nil {
			continue
		}
		if e := expiry(text, f.chain); !e.Until.IsZero() {
			e.File = f.path
			all = append(all, e)
		}
	}
	return all
}

func expiry(text []byte, chain bool) (e Expiry) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err == nil && (e.Until.IsZero() || cert.NotAfter.Before(e.Until) == chain) {
			e.Begins, e.Until = cert.NotBefore, cert.NotAfter
		}
	}
	return e
}

// Due reports whether it should have been renewed by now: less than a week is
// left, or less than a quarter of a short life.
func (e Expiry) Due(now time.Time) bool {
	return e.Until.Sub(now) < min(7*24*time.Hour, e.Until.Sub(e.Begins)/4)
}
