package ca

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newAuthority(t *testing.T, now time.Time) *Authority {
	t.Helper()
	a, err := New("test", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func verify(a *Authority, c tls.Certificate, at time.Time, host string, usage x509.ExtKeyUsage) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.Own.Leaf)
	_, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

// TestWhatIsSignedServesOneSide proves N16's helper: certificates are for one
// side of mutual TLS, for its names, and for as long as the authority lives.
func TestWhatIsSignedServesOneSide(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := newAuthority(t, now)
	server, err := a.Server("coredns", "dns.example", "192.0.2.1", "fd00::1")
	if err != nil {
		t.Fatal(err)
	}
	client, err := a.Client(SystemNode("a"), "trust.example", "a")
	if err != nil {
		t.Fatal(err)
	}
	const toServe, toAsk = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	tests := []struct {
		sentence string
		of       tls.Certificate
		host     string
		usage    x509.ExtKeyUsage
		after    time.Duration
		says     string
	}{
		{"a server by its name", server, "dns.example", toServe, 0, ""},
		{"a server by its IPv4 address", server, "192.0.2.1", toServe, 0, ""},
		{"a server by its IPv6 address", server, "fd00::1", toServe, 0, ""},
		{"a server by another's name", server, "other.example", toServe, 0, "not other.example"},
		{"a server as a client", server, "", toAsk, 0, "incompatible key usage"},
		{"a client as a server", client, "", toServe, 0, "incompatible key usage"},
		{"a client where clocks are behind", client, "", toAsk, -30 * time.Second, ""},
		{"a client before its time", client, "", toAsk, -2 * time.Minute, "not yet valid"},
		{"a client at its end", client, "", toAsk, 59 * time.Minute, ""},
		{"a client after its end", client, "", toAsk, 61 * time.Minute, "has expired"},
	}
	for _, test := range tests {
		t.Run(test.sentence, func(t *testing.T) {
			err := verify(a, test.of, now.Add(test.after), test.host, test.usage)
			if test.says == "" && err != nil {
				t.Errorf("got %v, want it trusted", err)
			}
			if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
	if got, want := client.Leaf.NotAfter, now.Add(time.Hour); !got.Equal(want) {
		t.Errorf("end: got %v, want %v", got, want)
	}
	if got, want := client.Leaf.Subject.String(), "CN=system:node:a,O=system:nodes"; got != want {
		t.Errorf("subject: got %s, want %s", got, want)
	}
	if got, want := client.Leaf.URIs[0].String(), "spiffe://trust.example/node/a"; got != want {
		t.Errorf("URI: got %s, want %s", got, want)
	}
}

// TestLoadedAuthorityIsTheSame: whoever trusts the first trusts what is signed
// by the one that was read back.
func TestLoadedAuthorityIsTheSame(t *testing.T) {
	now := time.Now()
	a, folder := newAuthority(t, now), t.TempDir()
	if _, err := a.Save(folder, "own", a.Own); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(folder, "own")
	if err != nil {
		t.Fatal(err)
	}
	client, err := loaded.Client(SystemNode("a"), "trust.example", "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(a, client, now, "", x509.ExtKeyUsageClientAuth); err != nil {
		t.Errorf("got %v, want it trusted", err)
	}
	none := filepath.Join(folder, "none.crt")
	if _, err := Load(folder, "none"); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("got %v, want an error that names %s", err, none)
	}
}
