package hub

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

func subscription(s *stream.Subscription) *stream.ClientMessage {
	return &stream.ClientMessage{Message: &stream.ClientMessage_Subscription{Subscription: s}}
}

func TestHelloIsChecked(t *testing.T) {
	tests := []struct {
		name  string
		first *stream.ClientMessage
		code  codes.Code
		says  string
	}{
		{"another version is named", enforcertest.Hello(&stream.Hello{Version: 99, Node: "n"}), codes.FailedPrecondition, "version 99, this plugin 1"},
		{"a node without a name", enforcertest.Hello(&stream.Hello{Version: stream.Version}), codes.InvalidArgument, "Hello.node is empty"},
		{"no Hello", subscription(&stream.Subscription{}), codes.InvalidArgument, "first message must be Hello"},
		{"an address of three bytes", enforcertest.Hello(&stream.Hello{
			Version: stream.Version, Node: "n", NodeAddresses: [][]byte{{1, 2, 3}},
		}), codes.InvalidArgument, "address of 3 bytes"},
		{"too many addresses", enforcertest.Hello(&stream.Hello{
			Version: stream.Version, Node: "n", NodeAddresses: make([][]byte, stream.MaxNodeAddresses+1),
		}), codes.InvalidArgument, "want at most 1024"},
	}
	h, target := served(t, newClock())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := enforcertest.Connect(t, target)
			e.Send(tt.first)
			err := e.Refusal()
			if status.Code(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("refused with %v, want %v and %q", err, tt.code, tt.says)
			}
		})
	}
	if got := h.Sessions(); got != 0 {
		t.Errorf("got %d sessions, want none", got)
	}
}

// TestSubscriptionIsWholeOrRefused: a message with one bad field changes nothing
// but ends the session, so that the enforcer hears of it.
func TestSubscriptionIsWholeOrRefused(t *testing.T) {
	good := &stream.Watch{Addresses: [][]byte{enforcertest.Bytes("10.0.0.1")}, Patterns: []string{"example.org"}}
	tests := []struct {
		name string
		sub  *stream.Subscription
		says string
	}{
		{"a pattern outside the grammar", &stream.Subscription{Watches: []*stream.Watch{good, {Patterns: []string{"a.*.example.org"}}}}, "watches[1]: patterns"},
		{"an address of no family", &stream.Subscription{Watches: []*stream.Watch{good, {Addresses: [][]byte{{1}}}}}, "watches[1]: addresses: address of 1 bytes"},
		{"a removed address of no family", &stream.Subscription{Watches: []*stream.Watch{good}, Removed: [][]byte{{1}}}, "removed: address of 1 bytes"},
		{"too many patterns", &stream.Subscription{Watches: []*stream.Watch{good, {Patterns: make([]string, stream.MaxPatterns+1)}}}, "want at most 65536"},
	}
	h, target := served(t, newClock())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := enforcertest.Dial(t, target, "node-a")
			e.Subscribe(tt.sub)
			err := e.Ended()
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("ended with %v, want %q", err, tt.says)
			}
			if got := h.Watched(); got != 0 {
				t.Errorf("%d clients are watched, want none", got)
			}
		})
	}
}

func TestSubscriptionChanges(t *testing.T) {
	h, target := served(t, newClock())
	e := enforcertest.Dial(t, target, "node-a")
	watched := func() string {
		var out []string
		for i := range 4 {
			addr := fmt.Sprintf("10.0.0.%d", i+1)
			for _, w := range h.directory.lookup(netip.MustParseAddr(addr)) {
				for _, name := range []string{"a.example", "b.example"} {
					if w.patterns.Matches(name) {
						out = append(out, addr+"="+name)
					}
				}
			}
		}
		return strings.Join(out, " ")
	}
	watch := func(pattern string, addrs ...string) *stream.Watch {
		w := &stream.Watch{Patterns: []string{pattern}}
		for _, a := range addrs {
			w.Addresses = append(w.Addresses, enforcertest.Bytes(a))
		}
		return w
	}
	steps := []struct {
		name string
		sub  *stream.Subscription
		want string
	}{
		{"a watch covers all its addresses", &stream.Subscription{Reset_: true, Watches: []*stream.Watch{watch("a.example", "10.0.0.1", "10.0.0.2")}},
			"10.0.0.1=a.example 10.0.0.2=a.example"},
		{"a mapped address is the v4 address", &stream.Subscription{Watches: []*stream.Watch{watch("a.example", "::ffff:10.0.0.3")}},
			"10.0.0.1=a.example 10.0.0.2=a.example 10.0.0.3=a.example"},
		{"a watch replaces another by address", &stream.Subscription{Watches: []*stream.Watch{watch("b.example", "10.0.0.2")}},
			"10.0.0.1=a.example 10.0.0.2=b.example 10.0.0.3=a.example"},
		{"removed goes before added", &stream.Subscription{Removed: [][]byte{enforcertest.Bytes("10.0.0.1"), enforcertest.Bytes("10.0.0.3")},
			Watches: []*stream.Watch{watch("b.example", "10.0.0.3")}}, "10.0.0.2=b.example 10.0.0.3=b.example"},
		{"reset forgets the rest", &stream.Subscription{Reset_: true, Watches: []*stream.Watch{watch("a.example", "10.0.0.4")}}, "10.0.0.4=a.example"},
		{"an empty reset forgets all", &stream.Subscription{Reset_: true}, ""},
	}
	for _, step := range steps {
		e.Subscribe(step.sub)
		enforcertest.Await(t, step.name, func() bool { return watched() == step.want })
	}
}

// TestSubscriptionAfterTheEnd: what the receiver had read when the session ended
// changes nothing any more.
func TestSubscriptionAfterTheEnd(t *testing.T) {
	h := New(newClock().Now, discard{})
	s := newSession(h, "node-a")
	s.mark = &watch{session: s, node: true}
	s.end(nil)
	h.dismiss(s)
	for _, reset := range []bool{false, true} {
		err := s.subscribe(&stream.Subscription{Reset_: reset, Watches: []*stream.Watch{
			{Addresses: [][]byte{enforcertest.Bytes("10.0.0.1")}, Patterns: []string{"example.org"}},
		}})
		if err != nil || h.Watched() != 0 {
			t.Errorf("reset %v: got %v and %d watched clients, want none", reset, err, h.Watched())
		}
	}
}

// TestReplay proves N12: what a pod was told before anyone watched it is told to
// the enforcer as soon as it asks, once for each name, with what is left.
func TestReplay(t *testing.T) {
	clock := newClock()
	h, target := served(t, clock)
	for _, a := range []Answer{
		answer("example.org", 60, "192.0.2.1"),
		answer("example.org", 120, "2001:db8::1"),
		answer("example.com", 60, "192.0.2.3"),
		{Names: []string{"x.shop.svc.cluster.local", "www.example.org"}, Addresses: answer("", 20, "192.0.2.4").Addresses},
	} {
		expect(t, ask(h, pod, a, forever), Unwatched)
	}
	clock.Advance(50 * time.Second)
	e := enforcertest.Dial(t, target, "node-a")
	e.Watch(pod.String(), "example.org", "*.example.org")
	got := map[string]bool{}
	for range 2 {
		m := e.Learned()
		if !m.GetReplayed() {
			t.Errorf("%v is not marked as replayed", m)
		}
		for _, a := range m.GetAddresses() {
			got[fmt.Sprintf("%s %x/%d", m.GetName(), a.GetIp(), a.GetTtl())] = true
		}
		e.Ack(m.GetSeq(), time.Minute)
	}
	for _, want := range []string{
		"example.org c0000201/10",
		"example.org 20010db8000000000000000000000001/70",
		"www.example.org c0000204/0", // past its TTL, within the usual grace
	} {
		if !got[want] {
			t.Errorf("no %s among %v", want, got)
		}
	}
	// What was acknowledged in the replay counts as acknowledged.
	enforcertest.Await(t, "the replay is acknowledged", func() bool {
		got, _ := h.Answer(t.Context(), pod, answer("example.org", 10, "192.0.2.1"), 0)
		return got == Known
	})
}

// TestReplayIsPaced: a long journal waits for acknowledgements and never stands
// before an answer on hold.
func TestReplayIsPaced(t *testing.T) {
	h, target := served(t, newClock())
	h.SetJournal(2 * replayWindow)
	for i := range 2 * replayWindow {
		ask(h, pod, answer(fmt.Sprintf("n%d.example.org", i), 60, "192.0.2.1"), forever)
	}
	enforcertest.Await(t, "all is in the journal", func() bool {
		return len(h.journal.replay(pod, 0, func(string) bool { return true })) == 2*replayWindow
	})
	e := enforcertest.Dial(t, target, "node-a")
	e.Watch(pod.String(), "*.example.org")
	for range replayWindow {
		e.Learned()
	}
	held := ask(h, pod, answer("live.example.org", 60, "192.0.2.1"), forever)
	m := learned(t, e, fmt.Sprintf("%d 10.0.0.1 live.example.org 192.0.2.1/60", replayWindow+1))
	for seq := range m.GetSeq() {
		e.Ack(seq+1, time.Hour)
	}
	expect(t, held, Acknowledged)
	for range replayWindow {
		e.Ack(e.Learned().GetSeq(), time.Hour)
	}
}

// TestRepeatedWatchStartsAnew: an enforcer that lost grants says so by asking
// again.
func TestRepeatedWatchStartsAnew(t *testing.T) {
	h, e := watching(t, newClock(), "example.org")
	held := ask(h, pod, answer("example.org", 60, "192.0.2.1"), forever)
	e.Ack(e.Learned().GetSeq(), time.Hour)
	expect(t, held, Acknowledged)
	e.Watch(pod.String(), "example.org")
	m := learned(t, e, "2 10.0.0.1 example.org 192.0.2.1/60 replayed")
	held = ask(h, pod, answer("example.org", 60, "192.0.2.1"), forever)
	again := learned(t, e, "3 10.0.0.1 example.org 192.0.2.1/60")
	e.Ack(m.GetSeq(), time.Hour)
	e.Ack(again.GetSeq(), time.Hour)
	expect(t, held, Acknowledged)
}

// TestCrossing proves N12 where an answer and the watch for its client cross:
// whichever comes first, the enforcer hears of it.
func TestCrossing(t *testing.T) {
	h, target := served(t, newClock())
	e := enforcertest.Dial(t, target, "node-a")
	client := netip.MustParseAddr("10.1.0.0")
	for range 500 {
		client = client.Next()
		outcome := ask(h, client, answer("example.org", 60, "192.0.2.1"), 0)
		e.Watch(client.String(), "example.org")
		m := e.Learned()
		if got, _ := netip.AddrFromSlice(m.GetClient()); got != client {
			// The last one may come twice: on its way, and from the journal.
			if m = e.Learned(); netip.AddrFrom4([4]byte(m.GetClient())) != client {
				t.Fatalf("learned %v, want %v", m, client)
			}
		}
		<-outcome
		e.Ack(m.GetSeq(), time.Hour)
	}
}

// TestUnfinishedChangeIsBounded: a change in endless parts keeps what is left of
// it, and nobody sees it before its end.
func TestUnfinishedChangeIsBounded(t *testing.T) {
	h := New(newClock().Now, discard{})
	s := h.speaker(t, "a")
	part := &stream.Subscription{More: true, Watches: []*stream.Watch{
		{Addresses: [][]byte{enforcertest.Bytes("10.0.0.1")}, Patterns: []string{"a.org"}},
	}}
	for range 100 {
		if err := s.subscribe(part); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.unplayed) != 1 || h.Watched() != 0 {
		t.Errorf("%d watches wait and %d clients are watched, want 1 and 0", len(s.unplayed), h.Watched())
	}
	s.sender = true // as one that waits for its peer to read
	if err := s.subscribe(&stream.Subscription{}); err != nil {
		t.Fatal(err)
	}
	if len(s.backlog) != 1 || h.Watched() != 1 {
		t.Errorf("%d watches are to be replayed and %d clients watched, want 1 and 1", len(s.backlog), h.Watched())
	}
}
