package hub

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

func unixEndpoint(t *testing.T) Endpoint {
	return Endpoint{Network: "unix", Address: filepath.Join(t.TempDir(), "dns.sock")}
}

func open(t *testing.T, h *Hub, e Endpoint) *Lease {
	t.Helper()
	lease, err := h.Open(e, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lease.Release)
	return lease
}

// TestLeasesOverlap proves N17 for the listener: the new instance comes before
// the old one goes, and the enforcer sees neither.
func TestLeasesOverlap(t *testing.T) {
	h := New(newClock().Now, discard{})
	endpoint := unixEndpoint(t)
	before := open(t, h, endpoint)
	e := enforcertest.Dial(t, endpoint.String(), "node-a")
	after := open(t, h, endpoint)
	before.Release()
	before.Release()
	e.Watch(pod.String(), "example.org")
	enforcertest.Await(t, "the session lives", func() bool { return h.Watched() == 1 })
	after.Release()
	e.Ended()
	if _, err := os.Stat(endpoint.Address); err == nil {
		t.Error("the socket file is left behind")
	}
}

// TestReleaseSince proves N17 for a Corefile that fails to start: what its
// instance had opened is closed, and the old instance keeps its own.
func TestReleaseSince(t *testing.T) {
	h := New(newClock().Now, discard{})
	kept, lost := unixEndpoint(t), unixEndpoint(t)
	old := open(t, h, kept)
	mark := h.Mark()
	open(t, h, kept)
	open(t, h, lost)
	h.ReleaseSince(mark)
	if _, err := os.Stat(lost.Address); err == nil {
		t.Error("the endpoint of the failed instance is still open")
	}
	enforcertest.Dial(t, kept.String(), "node-a")
	if !old.Serving() {
		t.Error("the old instance does not serve any more")
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	endpoint := unixEndpoint(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: endpoint.Address, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	open(t, New(newClock().Now, discard{}), endpoint)
	enforcertest.Dial(t, endpoint.String(), "node-a")
}

// TestListenErrors proves S5: each says what is wrong and what would be right.
func TestListenErrors(t *testing.T) {
	busy := unixEndpoint(t)
	open(t, New(newClock().Now, discard{}), busy)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("keep me"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		endpoint Endpoint
		says     string
	}{
		{"somebody listens", busy, "another process listens there"},
		{"the file is none of ours", Endpoint{"unix", file}, "is not a socket"},
		{"the directory is missing", Endpoint{"unix", filepath.Join(t.TempDir(), "no", "dns.sock")}, "create or mount it"},
		{"the address is not of this machine", Endpoint{"tcp", "192.0.2.1:1"}, "listen on tcp://192.0.2.1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(newClock().Now, discard{}).Open(tt.endpoint, nil)
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), tt.endpoint.Address) {
				t.Errorf("got error %v, want one that says %q and names the endpoint", err, tt.says)
			}
		})
	}
	if content, err := os.ReadFile(file); string(content) != "keep me" {
		t.Errorf("the file that is no socket was touched: %q, %v", content, err)
	}
}

func TestSocketIsPrivate(t *testing.T) {
	endpoint := unixEndpoint(t)
	open(t, New(newClock().Now, discard{}), endpoint)
	info, err := os.Stat(endpoint.Address)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("got mode %v, want 0600", got)
	}
}
