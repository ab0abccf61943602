package nameward

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin"
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
		{"nobody watches, 2000 names", 256, false, 0},
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
			asks := []*dns.Msg{ask}
			if strings.Contains(tt.name, "2000") {
				asks, n.Next = many(b, 2000)
			}
			n.ServeDNS(b.Context(), client, asks[0])
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if code, err := n.ServeDNS(b.Context(), client, asks[i%len(asks)]); code != dns.RcodeSuccess {
					b.Fatal(err)
				}
			}
		})
	}
}

// raceDetector is whether the tests run under it.
var raceDetector bool

// TestNobodyWatchesAllocatesNothing: the clients of a cluster without name rules
// pay nothing for them, however many names they ask for. (N12, N18)
func TestNobodyWatchesAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector empties pools at random")
	}
	tests := []struct {
		name    string
		journal int
		names   int
	}{
		{"without a journal", 0, 1},
		{"one name again and again", 256, 1},
		{"more names than the journal keeps", 64, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := &Nameward{hub: hub.New(time.Now, log), hold: time.Second}
			n.hub.SetJournal(tt.journal)
			asks, next := many(t, tt.names)
			n.Next = next
			client := &silent{}
			round := func() {
				for _, ask := range asks {
					n.ServeDNS(t.Context(), client, ask)
				}
			}
			round()
			// One in perSheaf is what the queries of one sheaf share, see sheaf.
			if got, want := testing.AllocsPerRun(20, round), float64(tt.names)/perSheaf+1; got > want {
				t.Errorf("%v allocations for %d queries, want at most %v", got, tt.names, want)
			}
			if got, want := n.hub.Journaled(), min(tt.journal, 1); got != want {
				t.Errorf("%d clients in the journal, want %d", got, want)
			}
		})
	}
}

// many is questions for as many names, and a plugin that answers them.
func many(tb testing.TB, names int) (asks []*dns.Msg, next plugin.Handler) {
	tb.Helper()
	replies := make(map[string]*dns.Msg, names)
	for i := range names {
		ask := new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.example.org.", i), dns.TypeA)
		reply := new(dns.Msg).SetReply(ask)
		for i := range 4 {
			reply.Answer = append(reply.Answer, test.A(fmt.Sprintf("%s 60 IN A 192.0.2.%d", ask.Question[0].Name, i+1)))
		}
		asks = append(asks, ask)
		replies[ask.Question[0].Name] = reply
	}
	return asks, test.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		return dns.RcodeSuccess, w.WriteMsg(replies[r.Question[0].Name])
	})
}

// silent is a client that ignores what it gets.
type silent struct{ test.ResponseWriter }

var silentAddr = &net.UDPAddr{IP: net.IPv4(10, 240, 0, 1), Port: 40212}

func (*silent) RemoteAddr() net.Addr    { return silentAddr }
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
