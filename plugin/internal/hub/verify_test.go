package hub

import (
	"net/netip"
	"testing"
	"time"

	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

const other = "10.0.0.2"

func watches(pattern string, clients ...string) *stream.Subscription {
	sub := &stream.Subscription{Reset_: true}
	for _, c := range clients {
		sub.Watches = append(sub.Watches, &stream.Watch{Addresses: [][]byte{enforcertest.Bytes(c)}, Patterns: []string{pattern}})
	}
	return sub
}

// TestOnlyPodsOfTheNode proves N16: an enforcer hears of its own node's pods
// only, neither of answers to come nor of those in the journal.
func TestOnlyPodsOfTheNode(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(apitest.Pod("node-a", pod.String()), apitest.Pod("node-b", other))
	victim := netip.MustParseAddr(other)
	expect(t, ask(r.Hub, victim, answer("example.org", 60, "192.0.2.7"), forever), Unwatched)

	e := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	// One watch with an address of its own and one of somebody else.
	e.Subscribe(&stream.Subscription{Watches: []*stream.Watch{{
		Addresses: [][]byte{enforcertest.Bytes(other), enforcertest.Bytes(pod.String())}, Patterns: []string{"example.org"},
	}}})
	enforcertest.Await(t, "its own pod is watched, the other one is not", func() bool { return r.Watched() == 1 && r.Waiting() == 1 })
	expect(t, ask(r.Hub, victim, answer("example.org", 60, "192.0.2.7"), forever), Unwatched)
	held := ask(r.Hub, pod, answer("example.org", 60, "192.0.2.1"), forever)
	learned(t, e, "1 10.0.0.1 example.org 192.0.2.1/60")
	e.Ack(1, time.Hour)
	expect(t, held, Acknowledged)
	if got := r.Stats().Unverified.Load(); got != 1 {
		t.Errorf("counted %d addresses, want 1", got)
	}
	if !r.log.says("node node-a asks for the answers to 10.0.0.2, but no pod that runs there has this address (yet)") {
		t.Error("the log does not say what is left out")
	}

	// Both sides claim it: the one whose pod it is gets it.
	owner := enforcertest.Dial(t, r.target, "node-b", r.authority.Node("node-b"))
	owner.Watch(other, "example.org")
	learned(t, owner, "1 10.0.0.2 example.org 192.0.2.7/60 replayed")
	for e.Pending() > 0 {
		if m := e.Learned(); describe(m) != "2 10.0.0.1 example.org 192.0.2.1/60 replayed" {
			t.Errorf("the other node has heard %s", describe(m))
		}
	}
}

// TestPodThatAppearsGetsItsWatch proves N12 where the enforcer knows of a pod
// before the API does.
func TestPodThatAppearsGetsItsWatch(t *testing.T) {
	r := newRemote(t, how{pods: true})
	e := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	e.Watch(pod.String(), "example.org")
	enforcertest.Await(t, "it is left out", func() bool { return r.Stats().Unverified.Load() == 1 })
	expect(t, ask(r.Hub, pod, answer("example.org", 60, "192.0.2.1"), forever), Unwatched)
	r.api.Run(apitest.Pod("node-a", pod.String()))
	learned(t, e, "1 10.0.0.1 example.org 192.0.2.1/60 replayed")
	if r.Waiting() != 0 || r.Stats().Unverified.Load() != 1 {
		t.Errorf("%d wait, %d were counted; want none, and 1", r.Waiting(), r.Stats().Unverified.Load())
	}
	lists := r.api.Lists()
	for range 20 {
		e.Subscribe(watches("other.example", pod.String()))
	}
	e.Subscribe(watches("example.com", pod.String()))
	enforcertest.Await(t, "the change is in force", func() bool {
		list := r.directory.lookup(pod)
		return len(list) == 1 && list[0].patterns.Matches("example.com")
	})
	if got := r.api.Lists(); got != lists {
		t.Errorf("changes of a pod that is known cost %d lists, want none", got-lists)
	}
}

// TestStaleClaimIsDropped proves N16 for an address that has changed hands: the
// older claim is verified anew as soon as the newer one comes.
func TestStaleClaimIsDropped(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(apitest.Pod("node-a", pod.String()))
	old := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	old.Watch(pod.String(), "example.org")
	enforcertest.Await(t, "it is watched", func() bool { return r.Watched() == 1 })

	r.api.Run(apitest.Pod("node-b", pod.String()))
	heir := enforcertest.Dial(t, r.target, "node-b", r.authority.Node("node-b"))
	heir.Watch(pod.String(), "example.org")
	enforcertest.Await(t, "the heir alone watches", func() bool {
		list := r.directory.lookup(pod)
		return len(list) == 1 && list[0].session.node == "node-b"
	})
	if got := r.Stats().Contests.Load(); got != 1 {
		t.Errorf("counted %d contests, want 1", got)
	}
	if r.Contested() != 0 {
		t.Errorf("%d addresses are contested, want none any more", r.Contested())
	}
}

// TestFailureTakesNothingAway proves N18: an API server that is away ends no
// watch that was verified, and begins none that was not.
func TestFailureTakesNothingAway(t *testing.T) {
	t.Parallel()
	r := newRemote(t, how{pods: true})
	r.api.Run(apitest.Pod("node-a", pod.String()))
	e := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	e.Watch(pod.String(), "example.org")
	enforcertest.Await(t, "it is watched", func() bool { return r.Watched() == 1 })
	r.api.Run(apitest.Pod("node-a", pod.String()), apitest.Pod("node-a", other))
	r.api.Fail(true)
	e.Subscribe(watches("example.org", pod.String(), other))
	enforcertest.Await(t, "the failure is counted", func() bool { return r.Stats().APIFailures.Lists.Load() > 0 })
	if r.Watched() != 1 || r.Waiting() != 1 || !r.log.says("needs to list pods") {
		t.Errorf("%d are watched, %d wait; want 1 each, and a message", r.Watched(), r.Waiting())
	}
	r.api.Fail(false)
	enforcertest.Await(t, "both are watched", func() bool { return r.Watched() == 2 })
}

// TestContestedOnTrust: without verification two nodes may claim one address;
// it is shown, and both hear, as nobody can tell who lies.
func TestContestedOnTrust(t *testing.T) {
	r := newRemote(t, how{})
	a := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	again := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	for _, e := range []*enforcertest.Enforcer{a, again} {
		e.Watch(pod.String(), "example.org")
	}
	enforcertest.Await(t, "both watch", func() bool { return len(r.directory.lookup(pod)) == 2 })
	if r.Contested() != 0 || r.Stats().Contests.Load() != 0 {
		t.Error("two sessions of one node are no contest")
	}
	b := enforcertest.Dial(t, r.target, "node-b", r.authority.Node("node-b"))
	b.Watch(pod.String(), "example.org")
	enforcertest.Await(t, "the contest is shown", func() bool { return r.Contested() == 1 })
	if !r.log.says("the nodes node-a and node-b both ask for the answers to 10.0.0.1") {
		t.Error("the log does not say who contests what")
	}
	b.Subscribe(&stream.Subscription{Reset_: true})
	enforcertest.Await(t, "it is over", func() bool { return r.Contested() == 0 })
}
