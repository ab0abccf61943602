package fleet

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/nameward/nameward/hack/certs/ca"
)

func read(t *testing.T, id ca.Files, usage x509.ExtKeyUsage) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(id.Cert, id.Key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(id.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
		t.Errorf("verify %s: %v", id.Cert, err)
	}
	return leaf
}

// TestIdentities (N16): an enforcer's certificate names its node, a replica's
// the address that is dialled.
func TestIdentities(t *testing.T) {
	i, err := newIssuer(filepath.Join(t.TempDir(), "tls"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := i.node("node-b")
	if err != nil {
		t.Fatal(err)
	}
	leaf := read(t, id, x509.ExtKeyUsageClientAuth)
	if got, want := leaf.Subject.CommonName, "system:node:node-b"; got != want {
		t.Errorf("common name: got %q, want %q", got, want)
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != "spiffe://fleet.example/node/node-b" {
		t.Errorf("URIs: got %v, want spiffe://fleet.example/node/node-b", leaf.URIs)
	}
	at := replicaAddress(2)
	if id, err = i.replica("coredns-2", at); err != nil {
		t.Fatal(err)
	}
	leaf = read(t, id, x509.ExtKeyUsageServerAuth)
	if err := leaf.VerifyHostname(at.V4.String()); err != nil {
		t.Error(err)
	}
}
