package hub

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	core "k8s.io/api/core/v1"

	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

func awaiting(node, name string) core.Pod { return apitest.Awaiting(node, name, time.Now()) }

func (r *remote) dial(t *testing.T, node string) *enforcertest.Enforcer {
	t.Helper()
	return enforcertest.Dial(t, r.target, node, r.authority.Node(node))
}

func (r *remote) watchedBy(client string) (nodes []string) {
	for _, w := range r.directory.lookup(netip.MustParseAddr(client)) {
		if w.living() {
			nodes = append(nodes, w.session.node)
		}
	}
	return nodes
}

// counts awaits what is watched, what is left out, and what was granted and lost.
func (r *remote) counts(t *testing.T, when string, watched, waiting int, granted, lost uint64) {
	t.Helper()
	got := func() string {
		return fmt.Sprint(r.Watched(), r.Waiting(), r.Stats().Provisional.Load(), r.Stats().ProvisionalLost.Load())
	}
	want := fmt.Sprint(watched, waiting, granted, lost)
	enforcertest.Await(t, when+": watched, left out, granted and lost are "+want, func() bool { return got() == want })
}

// listed awaits so many lists more.
func (r *remote) listed(t *testing.T, lists int) {
	t.Helper()
	before := r.api.Lists()
	enforcertest.Await(t, "it is listed again", func() bool { return r.api.Lists() >= before+lists })
}

// confirmed awaits that nothing is watched in advance any more.
func (r *remote) confirmed(t *testing.T) {
	t.Helper()
	enforcertest.Await(t, "it is confirmed", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.provisions) == 0
	})
}

// TestPodIsHeardBeforeItsAddressIsListed proves N3, N12 and N16 for a pod in its
// first second: its answers wait for its enforcer, and what it asked before is
// replayed.
func TestPodIsHeardBeforeItsAddressIsListed(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "web"))
	expect(t, ask(r.Hub, pod, answer("example.org", 60, "192.0.2.7"), forever), Unwatched)
	e := r.dial(t, "node-a")
	e.Watch(pod.String(), "example.org")
	learned(t, e, "1 10.0.0.1 example.org 192.0.2.7/60 replayed")
	held := ask(r.Hub, pod, answer("example.org", 60, "192.0.2.1"), forever)
	learned(t, e, "2 10.0.0.1 example.org 192.0.2.1/60")
	e.Ack(2, time.Hour)
	expect(t, held, Acknowledged)
	r.counts(t, "it awaits its address", 1, 0, 1, 0)

	r.api.Run(apitest.Pod("node-a", pod.String()))
	r.confirmed(t)
	r.time.Advance(2 * provisionalFor)
	e.Subscribe(watches("example.org", pod.String(), other))
	r.counts(t, "its time is over", 1, 1, 1, 0)
	enforcertest.Await(t, "the other address alone is left out", func() bool { return r.Stats().Unverified.Load() == 1 })
}

// TestProvisionsAreBounded proves N16: each pod that awaits an address vouches
// for one of each family.
func TestProvisionsAreBounded(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "one"), awaiting("node-a", "two"), awaiting("node-b", "three"), apitest.Pod("node-a", "10.0.0.99"))
	e := r.dial(t, "node-a")
	e.Subscribe(watches("example.org", "10.0.0.3", "10.0.0.1", "10.0.0.2", "10.0.0.4", "2001:db8::3", "2001:db8::1", "2001:db8::2"))
	r.counts(t, "two pods", 4, 3, 4, 0)
	for _, client := range []string{"10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"} {
		if len(r.watchedBy(client)) != 1 {
			t.Errorf("%s is not watched; want the first addresses of each family", client)
		}
	}
	r.listed(t, 2)
	r.counts(t, "listed again", 4, 3, 4, 0)
}

// TestSecondPodWaitsForNoList proves N3 for pods that start together: what the
// last list vouches for is granted without another one.
func TestSecondPodWaitsForNoList(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "one"), awaiting("node-a", "two"))
	e := r.dial(t, "node-a")
	e.Watch("10.0.0.1", "example.org")
	r.counts(t, "the first pod", 1, 0, 1, 0)
	r.api.Fail(true)
	e.Watch("10.0.0.2", "example.org")
	r.counts(t, "the second pod", 2, 0, 2, 0)
	e.Watch("10.0.0.3", "example.org")
	r.counts(t, "nobody vouches", 2, 1, 2, 0)
}

// TestOldListVouchesForNobody proves N16: pods that awaited an address a while
// ago have it, or never get it.
func TestOldListVouchesForNobody(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "one"), awaiting("node-a", "two"))
	e := r.dial(t, "node-a")
	e.Watch("10.0.0.1", "example.org")
	r.counts(t, "the first pod", 1, 0, 1, 0)
	r.api.Fail(true)
	r.time.Advance(listingTrust)
	e.Watch("10.0.0.2", "example.org")
	r.counts(t, "the second pod", 1, 1, 1, 0)
}

// TestProvisionEndsInTime proves N16: an address that never comes is heard for a
// minute at most, is told of once, and not granted again.
func TestProvisionEndsInTime(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "web"))
	e := r.dial(t, "node-a")
	e.Watch(pod.String(), "example.org")
	r.counts(t, "it awaits its address", 1, 0, 1, 0)
	r.time.Advance(provisionalFor - 1)
	r.listed(t, 1)
	r.counts(t, "just before the end", 1, 0, 1, 0)
	r.time.Advance(1)
	r.counts(t, "at the end", 0, 1, 1, 1)
	if !r.log.says("node node-a has asked for the answers to 10.0.0.1 in advance, and hears them no more: no pod there got the address in time") {
		t.Error("the log does not say so")
	}
	if got := r.Stats().Unverified.Load(); got != 1 {
		t.Errorf("%d were left out, want 1", got)
	}
	r.api.Run(awaiting("node-a", "web"), awaiting("node-a", "another"))
	r.listed(t, 2)
	r.counts(t, "with another pod", 0, 1, 1, 1)
	r.api.Run(apitest.Pod("node-a", pod.String()))
	r.counts(t, "with the address", 1, 0, 1, 1)
}

// TestProvisionEndsWithItsPod proves N16: a list with fewer pods that await an
// address ends provisions before their time, the oldest first.
func TestProvisionEndsWithItsPod(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "one"), awaiting("node-a", "two"))
	e := r.dial(t, "node-a")
	e.Watch("10.0.0.2", "example.org")
	r.counts(t, "the first pod", 1, 0, 1, 0)
	r.time.Advance(time.Second)
	e.Watch("10.0.0.1", "example.org")
	r.counts(t, "the second pod", 2, 0, 2, 0)
	r.api.Run(awaiting("node-a", "three"))
	r.counts(t, "one of other pods", 1, 1, 2, 1)
	if len(r.watchedBy("10.0.0.1")) != 1 {
		t.Error("the later address has gone; want the earlier")
	}
	r.api.Run()
	r.counts(t, "no pod", 0, 2, 2, 2)
}

// TestVouchersAreFungible proves N12: nobody knows yet which pod gets which
// address, so what one vouched for is confirmed by any.
func TestVouchersAreFungible(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "one"), awaiting("node-a", "two"))
	e := r.dial(t, "node-a")
	e.Watch("10.0.0.2", "example.org") // it is the second's, and the first vouches
	r.counts(t, "the second pod's", 1, 0, 1, 0)
	r.api.Run(awaiting("node-a", "one"), apitest.Pod("node-a", "10.0.0.2"))
	r.confirmed(t)
	e.Watch("10.0.0.1", "example.org")
	r.counts(t, "the first pod's, who vouches again", 2, 0, 2, 0)
	r.api.Run(awaiting("node-a", "three"), apitest.Pod("node-a", "10.0.0.2"), apitest.Pod("node-a", "10.0.0.9"))
	r.listed(t, 2)
	r.counts(t, "the third pod's after all", 2, 0, 2, 0)
}

// TestWithdrawalGivesNoVoucherBack proves N16: who changes its mind hears of no
// second address.
func TestWithdrawalGivesNoVoucherBack(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "web"))
	e := r.dial(t, "node-a")
	for _, step := range []struct {
		client           string
		watched, waiting int
	}{{"10.0.0.1", 1, 0}, {"10.0.0.2", 0, 1}, {"10.0.0.1", 1, 0}} {
		e.Subscribe(watches("example.org", step.client))
		r.counts(t, step.client, step.watched, step.waiting, 1, 0)
	}
	e.Close()
	enforcertest.Await(t, "it is away", func() bool { return r.Sessions() == 0 })
	e = r.dial(t, "node-a")
	e.Subscribe(watches("example.org", "10.0.0.2", "10.0.0.1"))
	r.counts(t, "in another session", 1, 1, 1, 0)
	// What was withdrawn takes nobody's voucher either.
	e.Subscribe(watches("example.org", "10.0.0.2"))
	r.counts(t, "withdrawn again", 0, 1, 1, 0)
	r.api.Run(awaiting("node-a", "next"))
	r.counts(t, "with the next pod", 1, 0, 2, 0)
}

// TestLostAddressAwaitsNothing proves N16: an address whose pod is gone takes no
// voucher of the pod that comes next.
func TestLostAddressAwaitsNothing(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(apitest.Pod("node-a", "10.0.0.1"))
	e := r.dial(t, "node-a")
	e.Watch("10.0.0.1", "example.org")
	r.counts(t, "it is verified", 1, 0, 0, 0)
	r.api.Run()
	e.Watch("10.0.0.9", "example.org")
	r.counts(t, "its pod is gone", 0, 2, 0, 0)
	e.Subscribe(watches("example.org", "10.0.0.1"))
	r.api.Run(awaiting("node-a", "next"))
	r.listed(t, 2)
	r.counts(t, "the next pod is bound", 0, 1, 0, 0)
	e.Watch("10.0.0.2", "example.org")
	r.counts(t, "and has its address", 1, 1, 1, 0)
	if len(r.watchedBy("10.0.0.2")) != 1 {
		t.Error("the old address is watched; want the new one")
	}
}

// TestOutageKeepsProvisions proves N18: while nothing can be confirmed, a pod that
// started just before is heard, in another session too.
func TestOutageKeepsProvisions(t *testing.T) {
	t.Parallel()
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "web"))
	e := r.dial(t, "node-a")
	e.Watch(pod.String(), "example.org")
	r.counts(t, "it awaits its address", 1, 0, 1, 0)
	r.api.Fail(true)
	r.time.Advance(10 * provisionalFor)
	failures := func() uint64 { return r.Stats().APIFailures.Lists.Load() }
	enforcertest.Await(t, "the outage is seen", func() bool { return failures() > 0 })
	r.counts(t, "the outage lasts", 1, 0, 1, 0)
	renewed := r.dial(t, "node-a")
	renewed.Watch(pod.String(), "example.org")
	enforcertest.Await(t, "both sessions watch", func() bool { return len(r.watchedBy(pod.String())) == 2 })
	e.Close()
	enforcertest.Await(t, "the old session is over", func() bool { return r.Sessions() == 1 })
	before := failures()
	enforcertest.Await(t, "the outage is seen again", func() bool { return failures() > before })
	r.counts(t, "the outage still lasts", 1, 0, 1, 0)
	r.api.Fail(false)
	r.counts(t, "the outage is over", 0, 1, 1, 1)
}

// TestLedgersOfGoneNodesAreForgotten: nodes come and go for as long as CoreDNS
// runs.
func TestLedgersOfGoneNodesAreForgotten(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "web"))
	e := r.dial(t, "node-a")
	e.Watch(pod.String(), "example.org")
	r.counts(t, "it awaits its address", 1, 0, 1, 0)
	e.Close()
	enforcertest.Await(t, "the node is gone", func() bool { return r.Sessions() == 0 })
	r.time.Advance(provisionalFor)
	r.dial(t, "node-b")
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ledgers)+len(r.provisions) != 0 {
		t.Errorf("%d ledgers and %d provisions are kept, want none", len(r.ledgers), len(r.provisions))
	}
}
