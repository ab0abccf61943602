package dns

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nameward/nameward/plugin/stream"
)

// authority issues certificates for a test.
type authority struct {
	tb   testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{tb: tb}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must(x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key))
	a.cert = must(x509.ParseCertificate(der))
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// issue returns a certificate for name and its key, PEM.
func (a *authority) issue(name string) (cert, key []byte) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key))
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(private))})
}

// server is a configuration that demands a client certificate of a.
func (a *authority) server(name string) *tls.Config {
	cert, key := a.issue(name)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{must(tls.X509KeyPair(cert, key))},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}
}

// write puts a client's files into dir.
func (a *authority) write(dir string) Credentials {
	a.tb.Helper()
	cert, key := a.issue("enforcer")
	c := Credentials{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}
	for path, content := range map[string][]byte{c.Cert: cert, c.Key: key, c.CA: a.pem} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			a.tb.Fatal(err)
		}
	}
	return c
}

func listenTCP(tb testing.TB, addr, instance string, config *tls.Config) *server {
	tb.Helper()
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	return listen(tb, lis, &server{version: stream.Version, instance: instance}, config)
}

// N13: a host name stands for every replica behind it, now and later. N16:
// both sides prove who they are.
func TestEveryReplicaBehindANameGetsASession(t *testing.T) {
	ca := newAuthority(t)
	port := freePort(t, "127.0.0.1", "127.0.0.2")
	first := listenTCP(t, "127.0.0.1:"+port, "replica-1", ca.server("dns.example"))
	second := listenTCP(t, "127.0.0.2:"+port, "replica-2", ca.server("dns.example"))

	target, err := ParseTarget("tcp://dns.example:" + port)
	if err != nil {
		t.Fatal(err)
	}
	var known atomic.Pointer[[]netip.Addr]
	known.Store(&[]netip.Addr{netip.MustParseAddr("127.0.0.1")})
	cfg := config(target)
	cfg.Credentials, cfg.Refresh = ca.write(t.TempDir()), time.Millisecond
	cfg.Lookup = func(context.Context, string) ([]netip.Addr, error) { return *known.Load(), nil }
	c := start(t, cfg)
	first.accept(t)
	known.Store(&[]netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")})
	s := second.accept(t)
	eventually(t, "two sessions", func() bool { return connected(c) == 2 })

	known.Store(&[]netip.Addr{netip.MustParseAddr("127.0.0.1")})
	eventually(t, "the connected session outlives its address", func() bool { return connected(c) == 2 })
	second.stop()
	<-s.gone
	eventually(t, "the lost one is not tried again", func() bool { return len(c.States()) == 1 })
}

// N13: a Service stands for its endpoints, as soon as the API server tells; its
// certificate is for the Service's name (N16).
func TestEveryEndpointOfAServiceGetsASession(t *testing.T) {
	ca := newAuthority(t)
	port := freePort(t, "127.0.0.1", "127.0.0.2")
	first := listenTCP(t, "127.0.0.1:"+port, "replica-1", ca.server("dns.kube-system.svc"))
	second := listenTCP(t, "127.0.0.2:"+port, "replica-2", ca.server("dns.kube-system.svc"))
	target := must(ParseTarget("service://kube-system/dns:" + port))
	var known atomic.Pointer[[]netip.Addr]
	known.Store(&[]netip.Addr{netip.MustParseAddr("127.0.0.1")})
	cfg := config(target)
	cfg.Credentials, cfg.Refresh = ca.write(t.TempDir()), time.Hour
	cfg.Lookup = func(context.Context, string) ([]netip.Addr, error) { panic("nobody asks DNS for a Service") }
	cfg.Endpoints = func(namespace, service string) ([]netip.Addr, error) {
		if namespace != "kube-system" || service != "dns" {
			t.Errorf("got %s/%s, want kube-system/dns", namespace, service)
		}
		return *known.Load(), nil
	}
	c := start(t, cfg)
	first.accept(t)
	known.Store(&[]netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")})
	c.Moved()
	second.accept(t)
	eventually(t, "two sessions", func() bool { return connected(c) == 2 })
}

// N13: a dual-stack replica whose families become known one after the other keeps
// one session in the end, and is never without one meanwhile.
func TestFamiliesThatComeOneAfterTheOther(t *testing.T) {
	ca := newAuthority(t)
	port := freePort(t, "::1", "127.0.0.1")
	six := listenTCP(t, "[::1]:"+port, "replica", ca.server("dns.kube-system.svc"))
	target := must(ParseTarget("service://kube-system/dns:" + port))
	first, then := netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")
	var known atomic.Pointer[[]netip.Addr]
	known.Store(&[]netip.Addr{first})
	cfg := config(target)
	cfg.Credentials, cfg.Refresh, cfg.handover = ca.write(t.TempDir()), time.Millisecond, time.Millisecond
	var looks atomic.Int32
	cfg.Endpoints = func(string, string) ([]netip.Addr, error) { looks.Add(1); return *known.Load(), nil }
	c := start(t, cfg)
	old := six.accept(t)
	eventually(t, "a session", func() bool { return connected(c) == 1 })
	known.Store(&[]netip.Addr{first, then})
	eventually(t, "a session that cannot be yet", func() bool { return len(c.States()) == 2 && c.States()[0].Err != nil })
	for until := looks.Load() + 20; looks.Load() < until; {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-old.gone:
		t.Error("the session with the first family ended before there was another")
	default:
	}
	listenTCP(t, "127.0.0.1:"+port, "replica", ca.server("dns.kube-system.svc")).accept(t)
	eventually(t, "one session", func() bool { return len(c.States()) == 1 && connected(c) == 1 })
	if got := c.States()[0].Address; got != "127.0.0.1:"+port {
		t.Errorf("got a session with %s, want 127.0.0.1", got)
	}
}

func TestServiceWithoutClusterIsRefused(t *testing.T) {
	cfg := config(must(ParseTarget("service://kube-system/dns:7353")))
	cfg.Credentials = newAuthority(t).write(t.TempDir())
	if _, err := New(cfg); !errors.Is(err, errNoCluster) {
		t.Errorf("got %v, want %v", err, errNoCluster)
	}
}

func address(s *server) string { return s.lis.Addr().String() }

func connected(c *Client) (n int) {
	for _, s := range c.States() {
		if s.Connected {
			n++
		}
	}
	return n
}

func TestNameThatDoesNotResolveIsAState(t *testing.T) {
	ca := newAuthority(t)
	target, _ := ParseTarget("tcp://dns.example:9")
	cfg := config(target)
	cfg.Credentials, cfg.Refresh = ca.write(t.TempDir()), time.Millisecond
	broken := errors.New("no such host")
	cfg.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, broken }
	c := start(t, cfg)
	eventually(t, "a state with the reason", func() bool {
		st := c.States()
		return len(st) == 1 && errors.Is(st[0].Err, broken) && !st[0].Connected
	})
}

// N16: files are read again for each connection.
func TestRenewedCertificatesAreUsed(t *testing.T) {
	old, renewed := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	srv := listenTCP(t, "127.0.0.1:0", "replica-1", renewed.server("127.0.0.1"))
	target, err := ParseTarget("tcp://" + address(srv))
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(target)
	cfg.Credentials = old.write(dir)
	c := start(t, cfg)
	eventually(t, "the server's certificate is refused", func() bool {
		st := c.States()
		return len(st) == 1 && st[0].Err != nil && strings.Contains(st[0].Err.Error(), "certificate")
	})
	cfg.Credentials = renewed.write(dir)
	srv.accept(t)
}

func TestTCPWithoutCredentialsIsRefused(t *testing.T) {
	target, _ := ParseTarget("tcp://dns.example:9")
	if _, err := New(config(target)); !errors.Is(err, errNoCredentials) {
		t.Errorf("got %v, want %v", err, errNoCredentials)
	}
}

func TestCredentialsSayWhichFileIsBad(t *testing.T) {
	good := newAuthority(t).write(t.TempDir())
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		sentence, want string
		c              Credentials
	}{
		{"a certificate that is not there", "load certificate /none", Credentials{Cert: "/none", Key: good.Key, CA: good.CA}},
		{"a key that is not there", "/none", Credentials{Cert: good.Cert, Key: "/none", CA: good.CA}},
		{"a CA that is not there", "load CA: open /none", Credentials{Cert: good.Cert, Key: good.Key, CA: "/none"}},
		{"a CA without a certificate", ErrNoCertificate.Error(), Credentials{Cert: good.Cert, Key: good.Key, CA: empty}},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			if _, err := tt.c.Config("x"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// N16: whoever owns a private directory may serve from it, nobody else.
func TestDirectoryOfTheSocket(t *testing.T) {
	dir := t.TempDir()
	me := uint32(os.Getuid())
	if err := checkDirectory(dir, me); err != nil {
		t.Errorf("the owner of a private directory: got %v, want no error", err)
	}
	if err := checkDirectory(dir, me+1); !errors.Is(err, ErrUntrustedPeer) {
		t.Errorf("somebody else: got %v, want %v", err, ErrUntrustedPeer)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := checkDirectory(dir, me); !errors.Is(err, ErrUntrustedPeer) {
		t.Errorf("the owner of a directory that all may write: got %v, want %v", err, ErrUntrustedPeer)
	}
}
