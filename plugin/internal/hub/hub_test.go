package hub

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// discard is a logger for tests.
type discard struct{}

func (discard) Infof(string, ...any)    {}
func (discard) Warningf(string, ...any) {}
func (discard) Errorf(string, ...any)   {}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_700_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// served is a hub on a unix socket.
func served(t testing.TB, clock *clock) (h *Hub, target string) {
	t.Helper()
	h = New(clock.Now, discard{})
	h.SetJournal(256)
	e := Endpoint{Network: "unix", Address: filepath.Join(t.TempDir(), "dns.sock")}
	lease, err := h.Open(e, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lease.Release)
	return h, e.String()
}

// forever is a hold that no test outlives: an answer that is not released is a
// test that fails.
const forever = time.Minute

func answer(name string, ttl uint32, ips ...string) Answer {
	a := Answer{Names: []string{name}}
	for _, ip := range ips {
		a.Addresses = append(a.Addresses, Address{IP: netip.MustParseAddr(ip), TTL: ttl})
	}
	return a
}

var pod = netip.MustParseAddr("10.0.0.1")

// ask passes an answer to the hub and returns where the outcome will appear.
func ask(h *Hub, client netip.Addr, a Answer, hold time.Duration) <-chan Outcome {
	outcome := make(chan Outcome, 1)
	go func() {
		result, _ := h.Answer(context.Background(), client, a, hold)
		outcome <- result
	}()
	return outcome
}

func expect(t *testing.T, outcome <-chan Outcome, want Outcome) {
	t.Helper()
	if got := <-outcome; got != want {
		t.Fatalf("got outcome %d, want %d", got, want)
	}
}

// acknowledge takes the next answer that somebody waits for. One that crosses
// with a new watch may be told from the journal as well, and first.
func acknowledge(e *enforcertest.Enforcer, valid time.Duration) {
	m := e.Learned()
	for m.GetReplayed() {
		e.Ack(m.GetSeq(), 0)
		m = e.Learned()
	}
	e.Ack(m.GetSeq(), valid)
}

func describe(m *stream.Learned) string {
	s := fmt.Sprintf("%d %s %s", m.GetSeq(), netip.AddrFrom4([4]byte(m.GetClient())), m.GetName())
	for _, a := range m.GetAddresses() {
		ip, _ := netip.AddrFromSlice(a.GetIp())
		s += fmt.Sprintf(" %v/%d", ip, a.GetTtl())
	}
	if m.GetReplayed() {
		s += " replayed"
	}
	return s
}

func learned(t *testing.T, e *enforcertest.Enforcer, want string) *stream.Learned {
	t.Helper()
	m := e.Learned()
	if got := describe(m); got != want {
		t.Fatalf("learned %q, want %q", got, want)
	}
	return m
}

// watching is a hub with an enforcer that watches pod.
func watching(t *testing.T, clock *clock, patterns ...string) (*Hub, *enforcertest.Enforcer) {
	t.Helper()
	h, target := served(t, clock)
	e := enforcertest.Dial(t, target, "node-a")
	e.Watch(pod.String(), patterns...)
	// A second change comes after the first one's replay has begun, which an
	// answer of the test must not cross.
	e.Watch("10.255.255.255", "none.example")
	e.Subscribe(&stream.Subscription{Removed: [][]byte{enforcertest.Bytes("10.255.255.255")}})
	enforcertest.Await(t, "the watch is placed, and its journal told", func() bool {
		return h.directory.lookup(pod) != nil && h.Watched() == 1 && h.idle()
	})
	return h, e
}

// idle reports whether the session that watches pod has nothing to replay: a
// word after the first has come, and the sender has ended.
func (h *Hub) idle() bool {
	h.mu.Lock()
	words := h.words
	h.mu.Unlock()
	s := h.directory.lookup(pod)[0].session
	s.mu.Lock()
	defer s.mu.Unlock()
	return words >= 3 && len(s.backlog) == 0 && !s.sender
}

// TestHold proves N3: the answer waits for the acknowledgement, and not when the
// enforcer is known to have it.
func TestHold(t *testing.T) {
	clock := newClock()
	h, e := watching(t, clock, "example.org")
	first := ask(h, pod, answer("example.org", 300, "192.0.2.1"), forever)
	m := learned(t, e, "1 10.0.0.1 example.org 192.0.2.1/300")
	select {
	case o := <-first:
		t.Fatalf("released before the acknowledgement, with %d", o)
	default:
	}
	e.Ack(m.GetSeq(), 360*time.Second)
	expect(t, first, Acknowledged)

	expect(t, ask(h, pod, answer("example.org", 300, "192.0.2.1"), forever), Known)
	clock.Advance(20 * time.Second)
	expect(t, ask(h, pod, answer("example.org", 300, "192.0.2.1"), forever), Known)
	// 360 - 40 is less than 300 + 60/2: time to extend, none to wait.
	clock.Advance(20 * time.Second)
	expect(t, ask(h, pod, answer("example.org", 300, "192.0.2.1"), forever), Published)
	m = learned(t, e, "2 10.0.0.1 example.org 192.0.2.1/300")
	e.Ack(m.GetSeq(), 360*time.Second)
	enforcertest.Await(t, "the extension is remembered", func() bool {
		got, _ := h.Answer(t.Context(), pod, answer("example.org", 300, "192.0.2.1"), forever)
		return got == Known
	})
	// What counts down in a cache needs no word at all.
	clock.Advance(290 * time.Second)
	expect(t, ask(h, pod, answer("example.org", 10, "192.0.2.1"), forever), Known)
}

func TestNewAddressIsHeld(t *testing.T) {
	h, e := watching(t, newClock(), "example.org")
	first := ask(h, pod, answer("example.org", 60, "192.0.2.1"), forever)
	acknowledge(e, time.Hour)
	expect(t, first, Acknowledged)
	second := ask(h, pod, answer("example.org", 60, "192.0.2.1", "2001:db8::1"), forever)
	m := learned(t, e, "2 10.0.0.1 example.org 192.0.2.1/60 2001:db8::1/60")
	e.Ack(m.GetSeq(), time.Hour)
	expect(t, second, Acknowledged)
}

func TestExpiredAcknowledgementIsHeld(t *testing.T) {
	clock := newClock()
	h, e := watching(t, clock, "example.org")
	for seq := uint64(1); seq <= 2; seq++ {
		outcome := ask(h, pod, answer("example.org", 5, "192.0.2.1"), forever)
		acknowledge(e, 90*time.Second)
		expect(t, outcome, Acknowledged)
		clock.Advance(90 * time.Second)
	}
}

func TestRefusedGrantIsNotRemembered(t *testing.T) {
	h, e := watching(t, newClock(), "example.org")
	for range 2 {
		outcome := ask(h, pod, answer("example.org", 60, "127.0.0.1"), forever)
		acknowledge(e, 0)
		expect(t, outcome, Acknowledged)
	}
}

func TestHoldZeroNeverWaits(t *testing.T) {
	h, e := watching(t, newClock(), "example.org")
	expect(t, ask(h, pod, answer("example.org", 60, "192.0.2.1"), 0), Published)
	learned(t, e, "1 10.0.0.1 example.org 192.0.2.1/60")
}

func TestHoldIsBounded(t *testing.T) {
	h, e := watching(t, newClock(), "example.org")
	expect(t, ask(h, pod, answer("example.org", 60, "192.0.2.1"), time.Millisecond), TimedOut)
	learned(t, e, "1 10.0.0.1 example.org 192.0.2.1/60")
}

func TestCancelledRequestIsNotHeld(t *testing.T) {
	h, _ := watching(t, newClock(), "example.org")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, _ := h.Answer(ctx, pod, answer("example.org", 60, "192.0.2.1"), forever); got != Abandoned {
		t.Errorf("got outcome %d, want %d", got, Abandoned)
	}
}

// TestOnlyTheOneWhoAsked proves the plugin's half of N2.
func TestOnlyTheOneWhoAsked(t *testing.T) {
	h, e := watching(t, newClock(), "example.org", "*.example.net")
	other := netip.MustParseAddr("10.0.0.2")
	expect(t, ask(h, other, answer("example.org", 60, "192.0.2.1"), forever), Unwatched)
	expect(t, ask(h, pod, answer("example.com", 60, "192.0.2.1"), forever), Unwanted)
	expect(t, ask(h, pod, answer("example.net", 60, "192.0.2.1"), forever), Unwanted)
	expect(t, ask(h, pod, answer("a.b.example.net", 60, "192.0.2.1"), 0), Published)
	learned(t, e, "1 10.0.0.1 a.b.example.net 192.0.2.1/60")
}

// TestBrokenStreamReleases proves N18 for a stream that breaks under the hold.
func TestBrokenStreamReleases(t *testing.T) {
	h, e := watching(t, newClock(), "example.org")
	held := ask(h, pod, answer("example.org", 60, "192.0.2.1"), forever)
	learned(t, e, "1 10.0.0.1 example.org 192.0.2.1/60")
	e.Close()
	expect(t, held, Disconnected)
	enforcertest.Await(t, "the watch ends with its session", func() bool { return h.Watched() == 0 && h.Sessions() == 0 })
}

// TestEveryWatcherMustAcknowledge: a pod's address may, for a moment, be watched
// from two nodes; the answer is good only when the right one has it.
func TestEveryWatcherMustAcknowledge(t *testing.T) {
	h, target := served(t, newClock())
	a, b := enforcertest.Dial(t, target, "node-a"), enforcertest.Dial(t, target, "node-b")
	a.Watch(pod.String(), "example.org")
	b.Watch(pod.String(), "example.org")
	enforcertest.Await(t, "both watch", func() bool { return len(h.directory.lookup(pod)) == 2 })
	held := ask(h, pod, answer("example.org", 60, "192.0.2.1"), forever)
	a.Ack(a.Learned().GetSeq(), time.Hour)
	m := b.Learned()
	select {
	case o := <-held:
		t.Fatalf("released with outcome %d before both had acknowledged", o)
	default:
	}
	b.Ack(m.GetSeq(), time.Hour)
	expect(t, held, Acknowledged)
}

// TestStalledSessionEnds: an enforcer that reads and never answers loses its
// TestEveryNameMustBeAcknowledged proves N3 for an answer that counts for several
// names: it waits for all of them, and no longer than for one.
func TestEveryNameMustBeAcknowledged(t *testing.T) {
	h, e := watching(t, newClock(), "example.org", "example.net")
	both := answer("example.org", 60, "192.0.2.1")
	both.Names = append(both.Names, "example.net")
	held := ask(h, pod, both, forever)
	first, second := e.Learned(), e.Learned()
	e.Ack(first.GetSeq(), time.Hour)
	enforcertest.Await(t, "the first is acknowledged", func() bool {
		got, _ := h.Answer(t.Context(), pod, answer("example.org", 60, "192.0.2.1"), 0)
		return got == Known
	})
	if len(held) > 0 {
		t.Fatalf("got outcome %d with one name of two acknowledged, want it held", <-held)
	}
	e.Ack(second.GetSeq(), time.Hour)
	expect(t, held, Acknowledged)

	both.Addresses = answer("", 60, "192.0.2.2").Addresses
	held = ask(h, pod, both, 100*time.Millisecond)
	e.Ack(e.Learned().GetSeq(), time.Hour)
	expect(t, held, TimedOut)
}

// session, or each new name would cost its pods the whole hold for ever.
func TestStalledSessionEnds(t *testing.T) {
	clock := newClock()
	h, e := watching(t, clock, "*.example.org")
	expect(t, ask(h, pod, answer("a.example.org", 60, "192.0.2.1"), time.Millisecond), TimedOut)
	e.Learned()
	clock.Advance(stallAfter + time.Second)
	expect(t, ask(h, pod, answer("b.example.org", 60, "192.0.2.1"), time.Millisecond), TimedOut)
	if got := status.Code(e.Ended()); got != codes.ResourceExhausted {
		t.Errorf("the session ended with %v, want %v", got, codes.ResourceExhausted)
	}
	if got := h.Stats().SlowSessions.Load(); got != 1 {
		t.Errorf("got %d slow sessions, want 1", got)
	}
}

// TestUnreadStreamIsBounded: a peer that reads nothing loses its session before
// its queue costs more than its bound, and whatever it held is released.
func TestUnreadStreamIsBounded(t *testing.T) {
	h, target := served(t, newClock())
	e := enforcertest.Connect(t, target)
	e.Send(enforcertest.Hello(&stream.Hello{Version: stream.Version, Node: "node-a"}))
	e.Watch(pod.String(), "*.example.org")
	pods := make([]netip.Addr, 2*maxPending/podMessages)
	for i := range pods {
		pods[i] = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		e.Watch(pods[i].String(), "*.example.org")
	}
	enforcertest.Await(t, "the watches are placed", func() bool { return h.Watched() == 1+len(pods) })
	held := ask(h, pod, answer("held.example.org", 60, "192.0.2.1"), forever)
	enforcertest.Await(t, "the held answer is told", func() bool { return h.Stats().Live.Load() > 0 })
	for i := 0; h.Sessions() == 1; i++ {
		if i > 10*maxPending {
			t.Fatal("the session goes on")
		}
		h.Answer(t.Context(), pods[i%len(pods)], answer(fmt.Sprintf("n%d.example.org", i), 60, "192.0.2.1"), 0)
	}
	expect(t, held, Disconnected)
	if got := h.Stats().SlowSessions.Load(); got != 1 {
		t.Errorf("got %d slow sessions, want 1", got)
	}
}

// TestFloodIsOfOnePod proves N15: a pod that asks faster than its enforcer learns
// goes without its enforcer's knowledge, and no other pod of the node does.
func TestFloodIsOfOnePod(t *testing.T) {
	h, e := watching(t, newClock(), "*.example.org")
	neighbour := netip.MustParseAddr("10.0.0.2")
	e.Watch(neighbour.String(), "*.example.org")
	enforcertest.Await(t, "both are watched", func() bool { return h.Watched() == 2 })
	counts := make(map[Outcome]int)
	for i := range 2 * maxPending {
		outcome, _ := h.Answer(t.Context(), pod, answer(fmt.Sprintf("n%d.example.org", i), 60, "192.0.2.1"), 0)
		counts[outcome]++
	}
	if counts[Published] != podMessages || counts[Crowded] != 2*maxPending-podMessages {
		t.Errorf("got outcomes %v, want %d told and the others not", counts, podMessages)
	}
	expect(t, ask(h, pod, answer("held.example.org", 60, "192.0.2.1"), forever), Crowded)
	theirs := ask(h, neighbour, answer("held.example.org", 60, "192.0.2.1"), forever)
	for range podMessages {
		e.Learned()
	}
	m := learned(t, e, fmt.Sprintf("%d 10.0.0.2 held.example.org 192.0.2.1/60", podMessages+1))
	e.Ack(m.GetSeq(), time.Minute)
	expect(t, theirs, Acknowledged)
	for seq := range uint64(podMessages) {
		e.Ack(seq+1, time.Minute)
	}
	enforcertest.Await(t, "the pod has room again", func() bool {
		outcome, _ := h.Answer(t.Context(), pod, answer("later.example.org", 60, "192.0.2.1"), 0)
		return outcome == Published
	})
	if h.Stats().SlowSessions.Load() != 0 {
		t.Error("the flood ended the session")
	}
}

// TestIdentityLost proves the plugin's half of N14.
func TestIdentityLost(t *testing.T) {
	h, target := served(t, newClock())
	e := enforcertest.Connect(t, target)
	node := netip.MustParseAddr("192.168.0.1")
	e.Send(enforcertest.Hello(&stream.Hello{
		Version: stream.Version, Node: "node-a", NodeAddresses: [][]byte{node.AsSlice()},
	}))
	e.Welcome()
	e.Subscribe(&stream.Subscription{Reset_: true})
	expect(t, ask(h, node, answer("example.org", 60, "192.0.2.1"), forever), IdentityLost)
	if got := h.Watched(); got != 0 {
		t.Errorf("%d clients are watched, want none: a node is no pod", got)
	}
	e.Close()
	enforcertest.Await(t, "the mark ends with its session", func() bool { return h.directory.lookup(node) == nil })
}
