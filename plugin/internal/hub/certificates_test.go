package hub

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

// secured is a hub on TCP with the authority's certificates in dir.
func secured(t *testing.T, a *enforcertest.Authority, dir string) (h *Hub, target string) {
	t.Helper()
	certs, err := LoadCertificates(a.Write(dir, "coredns"))
	if err != nil {
		t.Fatal(err)
	}
	h = New(newClock().Now, discard{})
	lease, err := h.Open(Endpoint{Network: "tcp", Address: "127.0.0.1:0"}, &Access{Certificates: certs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lease.Release)
	return h, lease.Addr().String()
}

// handshake returns the error of a TLS connection, which TLS 1.3 shows at the
// first read only.
func handshake(t *testing.T, target string, config *tls.Config) error {
	t.Helper()
	conn, err := tls.Dial("tcp", target, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	return err
}

// TestMutualTLS proves N16 for TCP.
func TestMutualTLS(t *testing.T) {
	authority, stranger := enforcertest.NewAuthority(t), enforcertest.NewAuthority(t)
	h, target := secured(t, authority, t.TempDir())
	if err := handshake(t, target, authority.Client(authority)); err != nil {
		t.Errorf("an enforcer of ours was refused: %v", err)
	}
	old := authority.Client(authority)
	old.MaxVersion = tls.VersionTLS12
	tests := []struct {
		name   string
		config *tls.Config
	}{
		{"no certificate", authority.Client(nil)},
		{"a certificate of another authority", authority.Client(stranger)},
		{"an older TLS", old},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := handshake(t, target, tt.config); err == nil {
				t.Error("was admitted")
			}
			enforcertest.Await(t, "the refusal is counted", func() bool { return h.Stats().Refused.Load() == uint64(i+1) })
		})
	}
}

// TestCertificatesFollowTheirFiles proves N16's reload: new connections are
// judged by the files as they are, those that exist go on, and a broken file
// leaves the last good one in force.
func TestCertificatesFollowTheirFiles(t *testing.T) {
	before, after := enforcertest.NewAuthority(t), enforcertest.NewAuthority(t)
	dir := t.TempDir()
	h, target := secured(t, before, dir)
	connected := enforcertest.Dial(t, target, "node-a", before.DialOption(before))

	_, _, ca := after.Write(dir, "renewed coredns")
	future := time.Now().Add(time.Minute)
	if err := os.Chtimes(ca, future, future); err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, target, after.Client(before)); err == nil {
		t.Error("the replaced authority is still good")
	}
	enforcertest.Dial(t, target, "node-b", after.Node("node-b"))
	connected.Watch(pod.String(), "example.org")
	enforcertest.Await(t, "the old session lives", func() bool { return h.Watched() == 1 })

	if err := os.WriteFile(filepath.Join(dir, "tls.key"), []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	enforcertest.Dial(t, target, "node-c", after.Node("node-c"))
}

// TestLoadCertificatesErrors proves S5: the file is named.
func TestLoadCertificatesErrors(t *testing.T) {
	dir := t.TempDir()
	cert, key, ca := enforcertest.NewAuthority(t).Write(dir, "coredns")
	missing := filepath.Join(dir, "missing")
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		files [3]string
		says  string
	}{
		{"no certificate", [3]string{missing, key, ca}, "certificate: open " + missing},
		{"no key", [3]string{cert, missing, ca}, "key: open " + missing},
		{"no authority", [3]string{cert, key, missing}, "certificate authority: open " + missing},
		{"junk for a certificate", [3]string{junk, key, ca}, "certificate " + junk},
		{"junk for an authority", [3]string{cert, key, junk}, "certificate authority " + junk + ": no PEM certificate"},
		{"certificate and key swapped", [3]string{key, cert, ca}, "certificate " + key + " with key " + cert},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadCertificates(tt.files[0], tt.files[1], tt.files[2])
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got error %v, want one that says %q", err, tt.says)
			}
		})
	}
}
