package hub

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/plugin/names"
	"github.com/nameward/nameward/plugin/stream"
)

// speaker is a session without its stream.
func (h *Hub) speaker(t interface{ Fatal(...any) }, node string) *session {
	s := newSession(h, node)
	if err := h.admit(s, &stream.Hello{Node: node}); err != nil {
		t.Fatal(err)
	}
	return s
}

func locking(s *session, l Lockdown, pattern string, addrs ...netip.Addr) *watch {
	var patterns []names.Pattern
	if pattern != "" {
		p, err := names.Parse(pattern)
		if err != nil {
			panic(err)
		}
		patterns = append(patterns, p)
	}
	return &watch{session: s, patterns: names.NewSet(patterns), addresses: addrs, lockdown: l}
}

func say(t interface{ Fatal(...any) }, s *session, c step) {
	if err := s.hub.subscribe(s, c); err != nil {
		t.Fatal(err)
	}
}

// hangUp ends a session as its stream's end does.
func (s *session) hangUp() {
	s.end(nil)
	s.hub.dismiss(s)
}

// N9: who speaks for a pod, and what stands while nobody does.
func TestLockdown(t *testing.T) {
	clock := newClock()
	h := New(clock.Now, discard{})
	other := netip.MustParseAddr("10.0.0.2")
	is := func(when string, client netip.Addr, name string, want Lockdown) {
		t.Helper()
		if got := h.Lockdown(client, name); got != want {
			t.Errorf("%s: lockdown of %s for %q is %d, want %d", when, client, name, got, want)
		}
	}
	first := h.speaker(t, "a")
	say(t, first, step{reset: true, watches: []*watch{locking(first, LockdownOn, "a.org", pod), locking(first, LockdownAudit, "", other)}})
	is("a name of the rules", pod, "A.org", LockdownOff)
	is("another name", pod, "b.org", LockdownOn)
	is("on trial", other, "b.org", LockdownAudit)
	is("nobody's pod", netip.MustParseAddr("10.0.0.3"), "b.org", LockdownOff)

	first.hangUp()
	is("the stream is lost", pod, "b.org", LockdownOn)
	is("the stream is lost", pod, "a.org", LockdownOff)
	is("the stream is lost", other, "b.org", LockdownAudit)
	if got := h.Kept(); got != 2 || h.Watched() != 0 {
		t.Errorf("%d kept and %d watched, want 2 and 0", got, h.Watched())
	}

	// Another node that has the address now speaks for it.
	foreign := h.speaker(t, "b")
	say(t, foreign, step{reset: true, watches: []*watch{locking(foreign, LockdownOff, "c.org", other)}})
	is("the address moved to another node", other, "b.org", LockdownOff)
	is("the rest of the first node's stays", pod, "b.org", LockdownOn)

	next := h.speaker(t, "a")
	is("the next enforcer has said Hello", pod, "b.org", LockdownOn)
	say(t, next, step{reset: true, watches: []*watch{locking(next, LockdownOn, "b.org", other)}, more: true})
	is("the next enforcer has not said all", pod, "b.org", LockdownOn)
	say(t, next, step{})
	is("it has said nothing of the pod", pod, "b.org", LockdownOff)
	is("two nodes watch the address", other, "c.org", LockdownOn)

	next.hangUp()
	clock.Advance(lockdownKept - 1)
	is("just before the end", other, "c.org", LockdownOn)
	clock.Advance(1)
	is("nobody came back", other, "c.org", LockdownOff)
	if got := h.Kept(); got != 0 {
		t.Errorf("%d kept, want none", got)
	}
	h.speaker(t, "c")
	if len(h.kept) != 0 {
		t.Errorf("what is kept takes room after its end: %v", h.kept)
	}
}

// A session that ends late takes nothing from one that began after it (N9).
func TestLockdownOfStaleSession(t *testing.T) {
	h := New(newClock().Now, discard{})
	stale := h.speaker(t, "a")
	say(t, stale, step{reset: true, watches: []*watch{locking(stale, LockdownOn, "", netip.MustParseAddr("10.0.0.2"))}})
	fresh := h.speaker(t, "a")
	say(t, fresh, step{reset: true, watches: []*watch{locking(fresh, LockdownOn, "", pod)}})
	fresh.hangUp()
	stale.hangUp()
	if got := h.LockedDown(pod); got != LockdownOn {
		t.Errorf("got %d, want the newer session's word", got)
	}
	say(t, h.speaker(t, "a"), step{reset: true})
	if got := h.LockedDown(pod); got != LockdownOff {
		t.Errorf("got %d after a word for the node; want nothing left of the one before", got)
	}
	old := h.speaker(t, "a")
	say(t, old, step{reset: true, watches: []*watch{locking(old, LockdownOn, "", pod)}})
	open := h.speaker(t, "a")
	say(t, open, step{reset: true})
	old.hangUp()
	if got := h.LockedDown(pod); got != LockdownOff {
		t.Errorf("got %d: a newer session says that the pod is free", got)
	}
}

// A lockdown that the plugin does not know is the strictest.
func TestUnknownLockdown(t *testing.T) {
	if got := lockdownOf(99); got != LockdownOn {
		t.Errorf("got %d", got)
	}
}

// node is what a model knows of the enforcers of one node.
type node struct {
	name     string
	index    byte
	sessions []*session
	speaker  *session  // who had the last word; nil if nobody had
	lost     time.Time // when the speaker ended; zero while it lives
	on       [3]bool   // its word, by pod
}

func (n *node) pod(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, n.index, byte(i)}) }

// speak says something of all pods, with the last message or without.
func (n *node) speak(t *rapid.T, s *session, whole bool) {
	var on [3]bool
	c := step{reset: true, more: !whole}
	for i := range on {
		l := Lockdown(rapid.IntRange(0, 2).Draw(t, "lockdown"))
		on[i] = l == LockdownOn
		c.watches = append(c.watches, locking(s, l, "", n.pod(i)))
	}
	say(t, s, c)
	if whole {
		n.speaker, n.lost, n.on = s, time.Time{}, on
	}
}

// end ends a session.
func (n *node) end(i int, now time.Time) {
	gone := n.sessions[i]
	n.sessions = append(n.sessions[:i:i], n.sessions[i+1:]...)
	gone.hangUp()
	if gone == n.speaker {
		n.lost = now
	}
}

// N9: whatever enforcers do, the lockdown of a pod whose node last said ON is ON
// until the node says otherwise or ten minutes have passed without it.
func TestLockdownNeverLapses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := newClock()
		h := New(clock.Now, discard{})
		nodes := []*node{{name: "a"}, {name: "b", index: 1}}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n := rapid.SampledFrom(nodes).Draw(t, "node")
			action := rapid.SampledFrom([]string{"connect", "speak", "speak", "half", "end", "time"}).Draw(t, "action")
			which := rapid.IntRange(0, max(0, len(n.sessions)-1)).Draw(t, "which")
			switch {
			case action == "connect" && len(n.sessions) < 3:
				n.sessions = append(n.sessions, h.speaker(t, n.name))
			case action == "time":
				clock.Advance(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second)
			case len(n.sessions) == 0:
			case action == "end":
				n.end(which, clock.Now())
			default:
				n.speak(t, n.sessions[which], action != "half")
			}
			for _, n := range nodes {
				if n.speaker == nil || !n.lost.IsZero() && clock.Now().Sub(n.lost) >= lockdownKept {
					continue
				}
				for i, on := range n.on {
					if got := h.LockedDown(n.pod(i)); on && got != LockdownOn {
						t.Fatalf("lockdown of %s is %d; the last word of node %s is ON", n.pod(i), got, n.name)
					} else if !on && got == LockdownOn && n.lost.IsZero() && len(n.sessions) == 1 {
						t.Fatalf("lockdown of %s is ON; its only enforcer says that it is not", n.pod(i))
					}
				}
			}
		}
	})
}
