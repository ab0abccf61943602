package nameward

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	enforcer "github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

// pod is what the following tests' enforcers watch.
var pod = netip.MustParseAddr("127.0.0.1")

// node is an enforcer's own client of the stream, which acknowledges all it
// learns.
type node struct {
	*enforcer.Client
	learned chan enforcer.Learned
	end     func()
}

// run starts an enforcer that knows its policy from the first session on.
func run(t *testing.T, target string, watches ...enforcer.Watch) *node {
	t.Helper()
	to, err := enforcer.ParseTarget(target)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{learned: make(chan enforcer.Learned, 100)}
	n.Client, err = enforcer.New(enforcer.Config{
		Targets: []enforcer.Target{to}, Node: "node-a", Log: slog.New(slog.DiscardHandler),
		Learned: func(l enforcer.Learned) (time.Duration, bool) { n.learned <- l; return time.Hour, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	if watches != nil {
		n.Subscribe(watches)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	n.end = func() { cancel(); running.Wait() }
	t.Cleanup(n.end)
	return n
}

func wants(patterns ...string) enforcer.Watch {
	return enforcer.Watch{Addresses: []netip.Addr{pod}, Patterns: patterns}
}

// place subscribes to one watch and waits until the plugin has told all that it
// had of it.
func (n *node) place(t *testing.T, w enforcer.Watch) {
	t.Helper()
	passing := enforcer.Watch{Addresses: []netip.Addr{netip.MustParseAddr(nobody)}, Patterns: []string{"none.example"}}
	n.Subscribe([]enforcer.Watch{w, passing})
	enforcertest.Await(t, "both are watched", func() bool { return process.Watched() == 2 })
	n.Subscribe([]enforcer.Watch{w})
	enforcertest.Await(t, "the pod alone is watched", func() bool { return process.Watched() == 1 })
}

// replayed waits for an answer from the journal and checks that no more of its
// TTL is left than was, less the time since at least.
func (n *node) replayed(t *testing.T, name, address string, ttl, since time.Duration) {
	t.Helper()
	select {
	case l := <-n.learned:
		if !l.Replayed || l.Name != name || len(l.Addresses) != 1 || l.Addresses[0].IP.String() != address {
			t.Fatalf("learned %+v, want %s with %s from the journal", l, name, address)
		}
		if left := l.Addresses[0].TTL; left > ttl-since || left < ttl-since-30*time.Second {
			t.Errorf("%s: got %v left, want about %v", name, left, ttl-since)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s is not replayed", name)
	}
}

// TestComeback proves N12 with CoreDNS and the enforcer's own client: whatever
// came too late, the pod's grant follows by itself.
func TestComeback(t *testing.T) {
	const life = 300 * time.Second
	start := func(t *testing.T) *server {
		u := newUpstream(t, map[string]string{"example.org.": organisation, "other.org.": "other.org. 300 IN A 192.0.2.2"})
		return start(t, forwarding(u, "hold 5s"))
	}
	ask := func(s *server, name, address string) {
		s.t.Helper()
		s.expect(s.ask(name, query{}), "NOERROR "+address)
	}
	t.Run("the policy came after the answer", func(t *testing.T) {
		s := start(t)
		n := run(t, s.socket, wants("other.org"))
		enforcertest.Await(t, "the pod is watched", func() bool { return process.Watched() == 1 })
		ask(s, "example.org.", "192.0.2.1")
		time.Sleep(1100 * time.Millisecond) // a TTL counts in seconds
		n.Subscribe([]enforcer.Watch{wants("other.org", "example.org")})
		n.replayed(t, "example.org", "192.0.2.1", life, time.Second)
	})
	t.Run("the enforcer came after the answer", func(t *testing.T) {
		s := start(t)
		ask(s, "example.org.", "192.0.2.1")
		run(t, s.socket, wants("example.org")).replayed(t, "example.org", "192.0.2.1", life, 0)
	})
	t.Run("the answer came while the stream was cut", func(t *testing.T) {
		s := start(t)
		wire := newWire(t, strings.TrimPrefix(s.socket, "unix://"))
		n := run(t, wire.target, wants("example.org"))
		enforcertest.Await(t, "the pod is watched", func() bool { return process.Watched() == 1 })
		wire.cut(true)
		enforcertest.Await(t, "the stream is gone", func() bool { return process.Watched() == 0 })
		ask(s, "example.org.", "192.0.2.1")
		wire.cut(false)
		n.replayed(t, "example.org", "192.0.2.1", life, 0)
	})
	t.Run("the answer came while the enforcer was restarted", func(t *testing.T) {
		s := start(t)
		first := run(t, s.socket, wants("example.org"))
		enforcertest.Await(t, "the pod is watched", func() bool { return process.Watched() == 1 })
		first.end()
		enforcertest.Await(t, "the enforcer is gone", func() bool { return process.Watched() == 0 })
		ask(s, "example.org.", "192.0.2.1")
		run(t, s.socket, wants("example.org")).replayed(t, "example.org", "192.0.2.1", life, 0)
	})
	t.Run("the policy allows private addresses after the answer", func(t *testing.T) {
		s := start(t)
		n := run(t, s.socket)
		n.place(t, wants("example.org"))
		ask(s, "example.org.", "192.0.2.1")
		if l := <-n.learned; l.Replayed {
			t.Fatalf("learned %+v, want the answer itself first", l)
		}
		again := wants("example.org")
		again.Revision = 1
		n.Subscribe([]enforcer.Watch{again})
		n.replayed(t, "example.org", "192.0.2.1", life, 0)
	})
}

// TestOtherNodesAreNotTold proves N13 and N2: an answer is told to the node of the
// pod that asked, and to no other.
func TestOtherNodesAreNotTold(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	s := start(t, forwarding(u, "hold 5s servfail"))
	b := s.enforcer("node-b")
	b.Watch("127.0.0.2", "example.org")
	enforcertest.Await(t, "the other node watches", func() bool { return process.Watched() == 1 })
	n := run(t, s.socket, wants("example.org"))
	enforcertest.Await(t, "both watch", func() bool { return process.Watched() == 2 })
	s.expect(s.ask("example.org.", query{}), "NOERROR 192.0.2.1")
	if l := <-n.learned; l.Client != pod {
		t.Errorf("learned for %v, want %v", l.Client, pod)
	}
	r := s.ask("example.org.", query{client: "127.0.0.2"})
	if m := b.Learned(); m.GetSeq() != 1 || net.IP(m.GetClient()).String() != "127.0.0.2" {
		t.Errorf("the other node has learnt %v, want only its own pod's answer", m)
	} else {
		b.Ack(m.GetSeq(), time.Hour)
	}
	s.expect(r, "NOERROR 192.0.2.1")
}
