package main

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/nameward/nameward/hack/certs/ca"
)

// authority signs the certificates of one run: one for CoreDNS, and one for
// each node, which names it in both of the ways that are in use.
type authority struct{ *ca.Authority }

// newAuthority makes one that lives for as long as a run can take.
func newAuthority() (authority, error) {
	a, err := ca.New("bench authority", time.Now(), time.Hour)
	return authority{a}, err
}

// save and loadAuthority hand an authority to another process of the run.
func (a authority) save(folder string) error {
	_, err := a.Save(folder, "authority", a.Own)
	return err
}

func loadAuthority(folder string) (authority, error) {
	a, err := ca.Load(folder, "authority")
	return authority{a}, err
}

// server writes what directive tls wants into the folder.
func (a authority) server(folder string) (ca.Files, error) {
	c, err := a.Server("bench CoreDNS", "127.0.0.1")
	if err != nil {
		return ca.Files{}, err
	}
	return a.Save(folder, "tls", c)
}

// node is the client's half of mutual TLS for one node.
func (a authority) node(name string) (*tls.Config, error) {
	c, err := a.Client(ca.SystemNode(name), "bench.example", name)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.Own.Leaf)
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "127.0.0.1", RootCAs: roots, Certificates: []tls.Certificate{c}}, nil
}
