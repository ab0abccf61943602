package hub

import (
	"net/netip"
	"testing"
	"time"

	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

// lock is a whole word of an enforcer: these pods, locked down, and no others.
func lock(pattern string, clients ...string) *stream.Subscription {
	sub := watches(pattern, clients...)
	for _, w := range sub.Watches {
		w.Lockdown = stream.Watch_ON
	}
	return sub
}

func (r *remote) locked(client string) bool {
	return r.LockedDown(netip.MustParseAddr(client)) == LockdownOn
}

// N9, N16: with verification, an enforcer that comes back finds the lockdown of
// its pods as it was, before the API server has said anything, and changes it.
func TestKeptLockdownNeedsNoListing(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(apitest.Pod("node-a", pod.String()))
	first := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	first.Subscribe(lock("example.org", pod.String()))
	enforcertest.Await(t, "the pod is locked down", func() bool { return r.locked(pod.String()) })
	first.Close()
	enforcertest.Await(t, "its lockdown is kept", func() bool { return r.Kept() == 1 && r.Watched() == 0 })

	r.api.Fail(true)
	second := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	second.Subscribe(lock("example.com", pod.String(), other))
	enforcertest.Await(t, "the new word is in force", func() bool { return r.Kept() == 0 && r.Watched() == 1 })
	if got := r.Lockdown(pod, "example.com"); got != LockdownOff {
		t.Errorf("a name of the new rules: got %d, want it answered", got)
	}
	if got := r.Lockdown(pod, "example.org"); got != LockdownOn {
		t.Errorf("a name of the old rules: got %d, want it refused", got)
	}
	// An address that nobody has verified is nobody's to lock down.
	if r.locked(other) || r.Waiting() != 1 {
		t.Errorf("an unverified address: locked %v, %d wait; want it left out", r.locked(other), r.Waiting())
	}
	r.api.Fail(false)
	enforcertest.Await(t, "it is verified and goes on", func() bool { return r.Stats().Unverified.Load() == 1 })
	if !r.locked(pod.String()) || r.locked(other) {
		t.Errorf("verified: the pod is locked %v, the other address %v; want true and false", r.locked(pod.String()), r.locked(other))
	}
}

// N9, N16: what was kept and turns out to be no pod of the node's any more is let
// go, and not kept again when the session ends.
func TestKeptLockdownOfALostAddressEnds(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(apitest.Pod("node-a", pod.String()))
	first := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	first.Subscribe(lock("example.org", pod.String()))
	enforcertest.Await(t, "the pod is locked down", func() bool { return r.locked(pod.String()) })
	// Until a list has failed, the last one speaks for a moment longer.
	r.api.Fail(true)
	first.Subscribe(lock("example.org", pod.String(), other))
	enforcertest.Await(t, "a list has failed", func() bool { return r.Stats().APIFailures.Lists.Load() > 0 })
	first.Close()
	enforcertest.Await(t, "its lockdown is kept", func() bool { return r.Kept() == 1 })

	r.api.Run(apitest.Pod("node-b", pod.String()))
	second := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	second.Subscribe(lock("example.org", pod.String()))
	enforcertest.Await(t, "the new word is in force", func() bool { return r.Kept() == 0 && r.Watched() == 1 })
	r.api.Fail(false)
	enforcertest.Await(t, "it is no pod of the node's", func() bool { return r.Watched() == 0 && r.Waiting() == 1 })
	if r.locked(pod.String()) || r.Kept() != 0 {
		t.Errorf("locked %v, %d kept; want it free", r.locked(pod.String()), r.Kept())
	}
	second.Close()
	enforcertest.Await(t, "the session is over", func() bool { return r.Sessions() == 0 })
	if r.locked(pod.String()) || r.Kept() != 0 {
		t.Errorf("after the session: locked %v, %d kept; want it free", r.locked(pod.String()), r.Kept())
	}
}

// N9, N16: an address that has moved to another node while its own was away is
// free of the old node's lockdown as soon as the new one's word is verified.
func TestVerifiedAddressIsFreeOfAnotherNodesLockdown(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(apitest.Pod("node-a", pod.String()), apitest.Pod("node-a", other))
	first := enforcertest.Dial(t, r.target, "node-a", r.authority.Node("node-a"))
	first.Subscribe(lock("example.org", pod.String(), other))
	enforcertest.Await(t, "both are locked down", func() bool { return r.locked(pod.String()) && r.locked(other) })
	first.Close()
	enforcertest.Await(t, "the lockdown is kept", func() bool { return r.Kept() == 2 })

	liar := enforcertest.Dial(t, r.target, "node-b", r.authority.Node("node-b"))
	liar.Watch(pod.String(), "example.net")
	enforcertest.Await(t, "the claim is refused", func() bool { return r.Stats().Unverified.Load() == 1 })
	if !r.locked(pod.String()) {
		t.Error("a claim that is not verified has ended another node's lockdown")
	}
	r.api.Run(apitest.Pod("node-b", pod.String()), apitest.Pod("node-a", other))
	enforcertest.Await(t, "the claim is verified", func() bool { return r.Watched() == 1 })
	if r.locked(pod.String()) || !r.locked(other) || r.Kept() != 1 {
		t.Errorf("the moved pod is locked %v, the other one %v, %d kept; want false, true and 1", r.locked(pod.String()), r.locked(other), r.Kept())
	}
	held := ask(r.Hub, pod, answer("example.net", 60, "192.0.2.1"), forever)
	acknowledge(liar, time.Hour)
	expect(t, held, Acknowledged)
}
