package hub

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

// TestSessionsOfOneNode: the newest are those that live; nobody else notices.
func TestSessionsOfOneNode(t *testing.T) {
	h, target := served(t, newClock())
	neighbour := enforcertest.Dial(t, target, "node-b")
	var all []*enforcertest.Enforcer
	for range maxNodeSessions + 1 {
		all = append(all, enforcertest.Dial(t, target, "node-a"))
	}
	err := all[0].Ended()
	if status.Code(err) != codes.Aborted || !strings.Contains(err.Error(), "node node-a has 3 newer sessions") {
		t.Errorf("the oldest ended with %v", err)
	}
	enforcertest.Await(t, "the others stay", func() bool { return h.Sessions() == maxNodeSessions+1 })
	neighbour.Watch(pod.String(), "example.org")
	all[1].Watch(other, "example.org")
	enforcertest.Await(t, "they work", func() bool { return h.Watched() == 2 })
	if got := h.Stats().Superseded.Load(); got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
}

// TestSessionsInAll: beyond the limit nobody is admitted, and told why.
func TestSessionsInAll(t *testing.T) {
	h, target := served(t, newClock())
	h.mu.Lock()
	for range maxSessions {
		h.sessions[&session{}] = true
	}
	h.mu.Unlock()
	e := enforcertest.Connect(t, target)
	e.Send(enforcertest.Hello(&stream.Hello{Version: stream.Version, Node: "node-a"}))
	if err := e.Refusal(); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "10000 enforcers are connected") {
		t.Errorf("refused with %v", err)
	}
	if got := h.Stats().Refused.Of(ReasonLimit); got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
}

// TestPatternsOfASession: the sum is bounded, whatever its parts.
func TestPatternsOfASession(t *testing.T) {
	many := func(n, size int) []string {
		out := make([]string, n)
		for i := range out {
			name := fmt.Sprintf("p%d.", i)
			for len(name) < size {
				name += strings.Repeat("x", min(60, size-len(name))) + "."
			}
			out[i] = name + "example.org"
		}
		return out
	}
	tests := []struct {
		name     string
		patterns []string
		pods     int
		same     bool // all pods have the same
		refused  bool
	}{
		{"as many as may be", many(stream.MaxPatterns, 0), stream.MaxSessionPatterns / stream.MaxPatterns, false, false},
		{"one pod more", many(stream.MaxPatterns, 0), stream.MaxSessionPatterns/stream.MaxPatterns + 1, false, true},
		{"one pod more, and all of the same rules, which share them", many(stream.MaxPatterns, 0), stream.MaxSessionPatterns/stream.MaxPatterns + 1, true, false},
		{"few, and long", many(8000, 230), 10, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, target := served(t, newClock())
			e := enforcertest.Dial(t, target, "node-a")
			for i := range tt.pods {
				if !tt.same {
					tt.patterns[0] = fmt.Sprintf("own%d.example.org", i)
				}
				e.Offer(subscription(&stream.Subscription{Watches: []*stream.Watch{
					{Addresses: [][]byte{{10, 0, 0, byte(i)}}, Patterns: tt.patterns},
				}}))
			}
			if !tt.refused {
				enforcertest.Await(t, "all are watched", func() bool { return h.Watched() == tt.pods })
				// Saying the same again is no more than before.
				e.Subscribe(&stream.Subscription{Watches: []*stream.Watch{{Addresses: [][]byte{{10, 0, 0, 0}}, Patterns: tt.patterns}}})
				e.Watch("10.1.0.1")
				enforcertest.Await(t, "that one too", func() bool { return h.Watched() == tt.pods+1 })
				return
			}
			if err := e.Ended(); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "in all watches; want at most 262144 of 16777216") {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// TestLargeMessagesAreRefused: memory is bounded before a message is read.
func TestLargeMessagesAreRefused(t *testing.T) {
	_, target := served(t, newClock())
	e := enforcertest.Dial(t, target, "node-a")
	e.Offer(subscription(&stream.Subscription{Watches: []*stream.Watch{{Patterns: []string{strings.Repeat("x", stream.MaxMessage)}}}}))
	if err := e.Ended(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("ended with %v, want ResourceExhausted", err)
	}
}

// silent is a connection whose reading stops when the test says so: a real peer
// whose receive window fills up.
type silent struct {
	net.Conn
	gate *sync.RWMutex
}

func (s silent) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.gate.RLock()
	defer s.gate.RUnlock()
	return n, err
}

// TestPeerThatStopsReading proves N16's bounds: it costs bounded memory, delays
// nobody else's answers, and loses its session, whose answers then go out.
func TestPeerThatStopsReading(t *testing.T) {
	r := newRemote(t, how{})
	var gate sync.RWMutex
	deaf := enforcertest.Dial(t, r.target, "node-b", r.authority.Node("node-b"),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			return silent{conn, &gate}, err
		}))
	var victims []netip.Addr
	for i := range 4 * maxLoad / podBytes {
		victims = append(victims, netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}))
		deaf.Watch(victims[i].String(), "*.example.org")
	}
	good := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	good.Watch(pod.String(), "*.example.org")
	good.AckAll(time.Hour)
	enforcertest.Await(t, "both watch", func() bool { return r.Watched() == 1+len(victims) })
	r.SetJournal(0)
	gate.Lock()
	defer gate.Unlock()

	before, most := heap(), uint64(0)
	large := make([]string, 4000)
	for i := range large {
		large[i] = fmt.Sprintf("2001:db8::%x", i+1)
	}
	for i := range 2000 {
		// 128 kB each, 256 MB in all.
		r.Answer(t.Context(), victims[i%len(victims)], answer(fmt.Sprintf("n%d.example.org", i), 60, large...), 0)
		if i%50 == 0 {
			expect(t, ask(r.Hub, pod, answer(fmt.Sprintf("n%d.example.org", i), 60, "192.0.2.1"), forever), Acknowledged)
			most = max(most, heap())
		}
	}
	enforcertest.Await(t, "its session is over", func() bool { return r.Stats().SlowSessions.Load() == 1 && r.Sessions() == 1 })
	expect(t, ask(r.Hub, victims[0], answer("late.example.org", 60, "192.0.2.1"), forever), Unwatched)
	if grown := int64(most) - int64(before); grown > 32<<20 {
		t.Errorf("the heap has grown by %d MB meanwhile, want less than 32", grown>>20)
	}
}

// heap is what lives, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLoadIsGivenBack: what is acknowledged makes room, so that a session that
// keeps up lives on for ever.
func TestLoadIsGivenBack(t *testing.T) {
	h, target := served(t, newClock())
	e := enforcertest.Dial(t, target, "node-a")
	e.Watch(pod.String(), "*.example.org")
	e.AckAll(time.Hour)
	enforcertest.Await(t, "it watches", func() bool { return h.Watched() == 1 })
	ips := make([]string, 4000)
	for i := range ips {
		ips[i] = fmt.Sprintf("2001:db8::%x", i+1)
	}
	for i := range 3 * maxLoad / (28 * len(ips)) {
		expect(t, ask(h, pod, answer(fmt.Sprintf("n%d.example.org", i), 60, ips...), forever), Acknowledged)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.mu.Lock()
		if s.weight != 0 || s.waiting != 0 {
			t.Errorf("%d bytes are unacknowledged and %d wait, want none", s.weight, s.waiting)
		}
		s.mu.Unlock()
	}
}

// TestSilentPeers: who connects and proves nothing is bounded in number for each
// source, and in time; others come in meanwhile.
func TestSilentPeers(t *testing.T) {
	t.Parallel()
	r := newRemote(t, how{})
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	var all []net.Conn
	for range maxVisitsFrom {
		conn, err := from.Dial("tcp", r.target)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		all = append(all, conn)
	}
	excess, err := from.Dial("tcp", r.target)
	if err != nil {
		t.Fatal(err)
	}
	defer excess.Close()
	hungUp := func(conn net.Conn) {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("got %v, want the end of the connection", err)
		}
	}
	hungUp(excess)
	if got := r.Stats().Refused.Of(ReasonLimit); got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
	enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	for _, conn := range all {
		hungUp(conn)
	}
	d := r.lease.listener.socket.(*door)
	enforcertest.Await(t, "the door forgets them", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.visits == 0 && len(d.from) == 0
	})
}

// TestSourceIsANetwork: with IPv6 a host has more addresses than there are bounds.
func TestSourceIsANetwork(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":           "192.0.2.1",
		"::ffff:192.0.2.1":    "192.0.2.1",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::",
		"fe80::1%eth0":        "fe80::",
		"2001:db8:1:2:ffff::": "2001:db8:1:2::",
	} {
		ip, zone, _ := strings.Cut(text, "%")
		got := sourceOf(addressed{remote: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1, Zone: zone}})
		if got.String() != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

type addressed struct {
	net.Conn
	remote net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.remote }

// TestPaceBounds: a burst costs nothing, what goes on waits, and an end ends it.
func TestPaceBounds(t *testing.T) {
	var p pace
	never := make(chan struct{})
	for range paceBurst {
		p.wait(never)
	}
	if ahead := time.Until(p.free); ahead > paceBurst*paceEvery {
		t.Errorf("the burst is %v ahead, want at most %v", ahead, paceBurst*paceEvery)
	}
	p.free = time.Now().Add(time.Hour)
	done := make(chan struct{})
	close(done)
	if p.wait(done) {
		t.Error("an hour ahead, got a turn at once")
	}
}

// TestQuietLog: strangers do not fill the log, and what is left out is told.
func TestQuietLog(t *testing.T) {
	clock, log := newClock(), &book{}
	q := &quietLog{clock: clock.Now, log: log}
	for i := range 3 * quietBurst {
		q.Warningf("message %d", i)
	}
	if got := len(log.lines); got != quietBurst {
		t.Errorf("got %d messages, want %d", got, quietBurst)
	}
	clock.Advance(quietEvery)
	q.Warningf("the last")
	if want := "the last (and 40 messages before that were left out)"; !log.says(want) {
		t.Errorf("got %q, want %q", log.lines[len(log.lines)-1], want)
	}
}
