package dns

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/nameward/nameward/plugin/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	pod1, pod2 = netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("2001:db8::2")
	node       = netip.MustParseAddr("10.0.0.9")
	web        = netip.MustParseAddr("192.0.2.10")
)

func config(t Target) Config {
	return Config{Targets: []Target{t}, Node: "node-1", NodeAddresses: func() []netip.Addr { return []netip.Addr{node} }, Log: slog.New(slog.DiscardHandler), Learned: func(Learned) (time.Duration, bool) { return 0, false }}
}

// eventually waits for what no channel announces: a state that other
// goroutines reach.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not in time: %s", what)
		}
	}
}

func TestSessionGreetsSubscribesAndFollowsChanges(t *testing.T) {
	path, target := socketPath(t)
	srv := listenUnix(t, path, nil)
	c := start(t, config(target), Watch{Addresses: []netip.Addr{pod1}, Patterns: []string{"example.com"}})

	s := srv.accept(t)
	hello := &stream.Hello{Version: stream.Version, Node: "node-1", NodeAddresses: [][]byte{node.AsSlice()}}
	if !proto.Equal(s.hello, hello) {
		t.Errorf("hello: got %v, want %v", s.hello, hello)
	}
	first := &stream.Subscription{Reset_: true, Watches: []*stream.Watch{{Addresses: [][]byte{pod1.AsSlice()}, Patterns: []string{"example.com"}}}}
	if got := s.next().GetSubscription(); !proto.Equal(got, first) {
		t.Errorf("first subscription: got %v, want %v", got, first)
	}
	c.Subscribe([]Watch{{Addresses: []netip.Addr{pod2}, Patterns: []string{"*.example.org", "a.example"}}})
	second := &stream.Subscription{
		Removed: [][]byte{pod1.AsSlice()},
		Watches: []*stream.Watch{{Addresses: [][]byte{pod2.AsSlice()}, Patterns: []string{"*.example.org", "a.example"}}},
	}
	if got := s.next().GetSubscription(); !proto.Equal(got, second) {
		t.Errorf("change: got %v, want %v", got, second)
	}
	want := []State{{Target: target, Address: path, Connected: true, Instance: "replica-1"}}
	eventually(t, "connected", func() bool { return slices.Equal(want, c.States()) })
}

func TestLearnedReachesTheHandlerAndIsAcknowledged(t *testing.T) {
	path, target := socketPath(t)
	srv := listenUnix(t, path, nil)
	cfg, got := config(target), make(chan Learned, 1)
	cfg.Learned = func(l Learned) (time.Duration, bool) { got <- l; return 90 * time.Second, true }
	start(t, cfg)
	s := srv.accept(t)
	s.next()
	s.learned(&stream.Learned{
		Seq: 7, Client: pod1.AsSlice(), Name: "example.com", Replayed: true,
		Addresses: []*stream.Address{{Ip: web.AsSlice(), Ttl: 30}, {Ip: []byte{1, 2, 3}, Ttl: 30}},
	})
	l := <-got
	l.Session, l.Seq = nil, 0
	want := Learned{Client: pod1, Name: "example.com", Replayed: true, Addresses: []Address{{IP: web, TTL: 30 * time.Second}}}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("learned, without the address of 3 bytes: got %+v, want %+v", l, want)
	}
	ack := s.next().GetAck()
	if ack.GetSeq() != 7 || ack.GetValidMs() != 90_000 {
		t.Errorf("ack: got %v, want seq 7 valid for 90,000 ms", ack)
	}
}

// N12, N13: whatever happens to the stream, the next session begins with
// everything.
func TestReconnectSubscribesAgainInFull(t *testing.T) {
	path, target := socketPath(t)
	srv := listenUnix(t, path, nil)
	c := start(t, config(target), Watch{Addresses: []netip.Addr{pod1}, Patterns: []string{"example.com"}})
	s := srv.accept(t)
	first := s.next()

	s.end <- errors.New("server had enough")
	again := srv.accept(t)
	if got := again.next(); !proto.Equal(got, first) {
		t.Errorf("after the session ended: got %v, want %v", got, first)
	}

	srv.stop()
	eventually(t, "disconnected, with a reason", func() bool { st := c.States()[0]; return !st.Connected && st.Err != nil })
	srv = listenUnix(t, path, nil)
	if got := srv.accept(t).next(); !proto.Equal(got, first) {
		t.Errorf("after the server was started again: got %v, want %v", got, first)
	}
}

func TestSocketThatAppearsLaterIsFound(t *testing.T) {
	path, target := socketPath(t)
	c := start(t, config(target))
	eventually(t, "first attempt refused", func() bool { return len(c.States()) == 1 && c.States()[0].Err != nil })
	listenUnix(t, path, nil).accept(t)
}

func TestServerOfAnotherVersionIsRefused(t *testing.T) {
	path, target := socketPath(t)
	listenUnix(t, path, &server{version: stream.Version + 1})
	c := start(t, config(target))
	eventually(t, "refused because of its version", func() bool {
		st := c.States()
		return len(st) == 1 && !st[0].Connected && st[0].Err != nil && strings.Contains(st[0].Err.Error(), "protocol version")
	})
}

// A handler that is stuck holds up its own session and nothing else: changes
// are still sent, and the client still ends.
func TestSlowHandlerHoldsUpOnlyItsDeliveries(t *testing.T) {
	path, target := socketPath(t)
	srv := listenUnix(t, path, nil)
	cfg, entered, release := config(target), make(chan struct{}, 1), make(chan struct{})
	cfg.Learned = func(l Learned) (time.Duration, bool) { entered <- struct{}{}; <-release; return 0, true }
	c := start(t, cfg)
	s := srv.accept(t)
	s.next()
	s.learned(&stream.Learned{Seq: 1, Client: pod1.AsSlice(), Name: "example.com"})
	<-entered
	c.Subscribe([]Watch{{Addresses: []netip.Addr{pod1}, Patterns: []string{"example.com"}}})
	if s.next().GetSubscription() == nil {
		t.Error("want a subscription while the handler is stuck")
	}
	close(release)
	if s.next().GetAck() == nil {
		t.Error("want the acknowledgement when the handler is done")
	}
}

func TestServerThatDoesNotReadIsLeft(t *testing.T) {
	cancelled := make(chan error, 1)
	l := &link{acks: make(chan ack, 1), cancel: func(err error) { cancelled <- err }}
	l.Acknowledge(1, 0)
	l.Acknowledge(2, 0)
	if err := <-cancelled; !errors.Is(err, errSlowPeer) {
		t.Errorf("got %v, want %v", err, errSlowPeer)
	}
}

// N9: who does not know yet what it wants says nothing: CoreDNS would take it for
// the word that ends the lockdown it keeps.
func TestNothingIsSaidBeforeThePolicyIsKnown(t *testing.T) {
	path, target := socketPath(t)
	srv := listenUnix(t, path, nil)
	cfg := config(target)
	cfg.Learned = func(l Learned) (time.Duration, bool) { l.Ack(0); return 0, false }
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	defer func() { cancel(); running.Wait() }()
	s := srv.accept(t)
	s.learned(&stream.Learned{Seq: 1, Client: pod1.AsSlice(), Name: "example.com"})
	if got := s.next(); got.GetAck().GetSeq() != 1 {
		t.Errorf("before the first policy: got %v, want nothing but the acknowledgement", got)
	}
	c.Subscribe([]Watch{{Addresses: []netip.Addr{pod1}, Lockdown: LockdownOn}})
	first := &stream.Subscription{Reset_: true, Watches: []*stream.Watch{{Addresses: [][]byte{pod1.AsSlice()}, Lockdown: stream.Watch_ON}}}
	if got := s.next().GetSubscription(); !proto.Equal(got, first) {
		t.Errorf("first word: got %v, want %v", got, first)
	}
}

func TestChangesThatComeQuicklyAreSentAsOne(t *testing.T) {
	path, target := socketPath(t)
	srv := listenUnix(t, path, nil)
	c := start(t, config(target))
	s := srv.accept(t)
	s.next()
	for range 100 {
		c.Subscribe([]Watch{{Addresses: []netip.Addr{pod1}, Patterns: []string{"old.example"}}})
	}
	c.Subscribe([]Watch{{Addresses: []netip.Addr{pod1}, Patterns: []string{"example.com"}}})
	for {
		if w := s.next().GetSubscription().GetWatches(); len(w) == 1 && w[0].GetPatterns()[0] == "example.com" {
			return
		}
	}
}
