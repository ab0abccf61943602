package nameward

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/internal/hub"
)

// BenchmarkServeDNS measures what the plugin adds to one answer with four
// addresses; "without" is the same chain with nothing to add.
func BenchmarkServeDNS(b *testing.B) {
	const pod = "10.240.0.1" // test.ResponseWriter's
	tests := []struct {
		name    string
		journal int
		watched bool
		valid   time.Duration
	}{
		{"nobody watches, no journal", 0, false, 0},
		{"nobody watches", 256, false, 0},
		{"acknowledged name", 256, true, time.Hour},
		{"held name", 256, true, 0},
	}
	reply := new(dns.Msg).SetReply(new(dns.Msg).SetQuestion("example.org.", dns.TypeA))
	for i := range 4 {
		reply.Answer = append(reply.Answer, test.A(fmt.Sprintf("example.org. 60 IN A 192.0.2.%d", i+1)))
	}
	next := test.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
		return dns.RcodeSuccess, w.WriteMsg(reply)
	})
	ask := new(dns.Msg).SetQuestion("example.org.", dns.TypeA)
	client := &silent{}
	b.Run("without", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			next.ServeDNS(b.Context(), client, ask)
		}
	})
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			n := &Nameward{Next: next, hub: hub.New(time.Now, log), hold: 5 * time.Second, servfail: true}
			n.hub.SetJournal(tt.journal)
			if tt.watched {
				connect(b, n.hub, pod, tt.valid)
			}
			n.ServeDNS(b.Context(), client, ask)
			b.ReportAllocs()
			for b.Loop() {
				if code, err := n.ServeDNS(b.Context(), client, ask); code != dns.RcodeSuccess {
					b.Fatal(err)
				}
			}
		})
	}
}

// silent is a client that ignores what it gets.
type silent struct{ test.ResponseWriter }

func (*silent) WriteMsg(*dns.Msg) error { return nil }

// connect joins an enforcer over a real socket that acknowledges all it hears.
func connect(b *testing.B, h *hub.Hub, pod string, valid time.Duration) {
	b.Helper()
	e := hub.Endpoint{Network: "unix", Address: filepath.Join(b.TempDir(), "dns.sock")}
	lease, err := h.Open(e, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(lease.Release)
	enforcer := enforcertest.Dial(b, e.String(), "node-a")
	enforcer.Watch(netip.MustParseAddr(pod).String(), "example.org", "*.example.net")
	enforcertest.Await(b, "the watch is placed", func() bool { return h.Watched() == 1 })
	enforcer.AckAll(valid)
}
