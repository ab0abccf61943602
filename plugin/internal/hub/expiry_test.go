package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

// mounted is a folder as Kubernetes mounts a Secret: files are links into
// ..data, which is a link to a folder of the present content.
type mounted struct {
	t       *testing.T
	dir     string
	version int
}

func (m *mounted) publish(a *enforcertest.Authority) (cert, key, ca string) {
	m.t.Helper()
	m.version++
	content := fmt.Sprintf("..content_%d", m.version)
	if err := os.Mkdir(filepath.Join(m.dir, content), 0o700); err != nil {
		m.t.Fatal(err)
	}
	a.Write(filepath.Join(m.dir, content), "coredns")
	// The times of the new files are those of the old ones: only their place
	// tells them apart.
	past := time.Unix(1_700_000_000, 0)
	var paths []string
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		if err := os.Chtimes(filepath.Join(m.dir, content, name), past, past); err != nil {
			m.t.Fatal(err)
		}
		path := filepath.Join(m.dir, name)
		if m.version == 1 {
			if err := os.Symlink(filepath.Join("..data", name), path); err != nil {
				m.t.Fatal(err)
			}
		}
		paths = append(paths, path)
	}
	next := filepath.Join(m.dir, "..data_tmp")
	if err := os.Symlink(content, next); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(m.dir, "..data")); err != nil {
		m.t.Fatal(err)
	}
	return paths[0], paths[1], paths[2]
}

// TestMountedSecretIsFollowed proves N16's reload as Kubernetes does it.
func TestMountedSecretIsFollowed(t *testing.T) {
	before, after := enforcertest.NewAuthority(t), enforcertest.NewAuthority(t)
	m := &mounted{t: t, dir: t.TempDir()}
	certs, err := LoadCertificates(m.publish(before))
	if err != nil {
		t.Fatal(err)
	}
	r := newRemote(t, how{})
	r.lease.listener.access.Store(&Access{Certificates: certs})
	if err := handshake(t, r.target, before.Client(before)); err != nil {
		t.Fatal(err)
	}
	m.publish(after)
	if err := handshake(t, r.target, before.Client(before)); err == nil {
		t.Error("the old content is still in force")
	}
	if err := handshake(t, r.target, after.Client(after)); err != nil {
		t.Errorf("the new content is not in force: %v", err)
	}
}

// TestExpiries proves S2 for certificates: each file is shown, a chain with the
// first end of it and authorities with the last.
func TestExpiries(t *testing.T) {
	a := enforcertest.NewAuthority(t)
	dir := t.TempDir()
	cert, key, ca := a.Write(dir, "coredns")
	soon, late := time.Now().Add(10*time.Minute).Truncate(time.Second), time.Now().Add(50*time.Minute).Truncate(time.Second)
	leaf, private := a.Issue(enforcertest.Claims{CommonName: "coredns", NotAfter: late})
	intermediate, _ := a.Issue(enforcertest.Claims{CommonName: "intermediate", NotAfter: soon})
	for path, content := range map[string][]byte{cert: append(leaf, intermediate...), key: private, ca: append(leaf, intermediate...)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certs, err := LoadCertificates(cert, key, ca)
	if err != nil {
		t.Fatal(err)
	}
	h := New(time.Now, discard{})
	e := Endpoint{Network: "tcp", Address: "127.0.0.1:0"}
	lease, err := h.Open(e, &Access{Certificates: certs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lease.Release)
	open(t, h, unixEndpoint(t))
	got := h.Expiries()
	if len(got) != 2 || got[0].Endpoint != e || got[0].File != cert || got[1].File != ca || !got[0].Until.Equal(soon) || !got[1].Until.Equal(late) {
		t.Errorf("got %v, want %s until %v and %s until %v", got, cert, soon, ca, late)
	}
}

func TestDue(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Unix(1_700_000_000, 0)
	tests := []struct {
		name       string
		life, left time.Duration
		want       bool
	}{
		{"a year, with a month left", 365 * day, 30 * day, false},
		{"a year, with six days left", 365 * day, 6 * day, true},
		{"90 days, at the time of its renewal", 90 * day, 30 * day, false},
		{"a day, with eight hours left", day, 8 * time.Hour, false},
		{"a day, with five hours left", day, 5 * time.Hour, true},
		{"a day, and over", day, -time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := Expiry{Begins: now.Add(tt.left - tt.life), Until: now.Add(tt.left)}
			if got := e.due(now); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestExpiryIsSaidOnceADay proves S2: early enough, and not at every check.
func TestExpiryIsSaidOnceADay(t *testing.T) {
	r := newRemote(t, how{})
	clock := r.time // long before the certificates begin
	said := make(map[string]time.Time)
	// Not the hub that listens, which looks by itself as well.
	log := new(book)
	teller := New(clock.Now, log)
	teller.warnOfExpiry(r.lease.listener, said)
	if len(log.lines) > 0 {
		t.Errorf("said %q, want nothing yet", log.lines)
	}
	clock.Advance(time.Until(clock.Now()) * -1)
	clock.Advance(50 * time.Minute) // of the hour that is left
	for range 3 {
		teller.warnOfExpiry(r.lease.listener, said)
	}
	if len(log.lines) != 2 || !log.says("tls.crt of tcp://127.0.0.1:0 expires at") {
		t.Errorf("said %q, want one message for each file", log.lines)
	}
	clock.Advance(expiryRepeat)
	teller.warnOfExpiry(r.lease.listener, said)
	if len(log.lines) != 4 || !log.says("has expired at") {
		t.Errorf("said %q, want one message more for each file", log.lines)
	}
}
