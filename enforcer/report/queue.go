package report

import (
	"cmp"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/nameward/nameward/enforcer/policy"
)

// settle is how long an unfinished state may wait for the other nodes, so that
// "1 of 3" need not be written for the moment that the other two take.
const settle = 500 * time.Millisecond

// tempo follows from the number of nodes, since each of them watches policies:
// what is written once arrives as often as there are nodes.
type tempo struct {
	// rate is how many statuses are written in a second.
	rate float64
	// words is how often one object's message may follow a count.
	words time.Duration
	// gather is how long after a conclusion the next may be drawn: many Leases
	// change at once.
	gather time.Duration
}

// tempoOf keeps what arrives at the nodes below 50,000 a second, and the
// writing between 5 and 100 a second.
func tempoOf(nodes int) tempo {
	n := max(nodes, 1)
	return tempo{
		rate:   min(100, max(5, 50_000/float64(n))),
		words:  min(time.Minute, max(time.Second, time.Duration(n)*10*time.Millisecond)),
		gather: min(time.Second, max(100*time.Millisecond, time.Duration(n)*100*time.Microsecond)),
	}
}

// item is one policy's status: what it should say, what it says.
type item struct {
	wanted
	have    []meta.Condition
	version version // of the object that has them
	// looked says that have was read or written here.
	looked bool
	// busy says that a request about it is on its way.
	busy    bool
	lack    lack
	changed time.Time // when wanted did
	written time.Time
	// retry is when, after failures, it may be tried again.
	retry    time.Time
	failures int
}

// queue holds what the elected enforcer knows of the statuses. It belongs to one
// goroutine.
type queue struct {
	items map[types.UID]*item
}

func newQueue() *queue { return &queue{items: map[types.UID]*item{}} }

// want replaces what all statuses should say.
func (q *queue) want(all []wanted, now time.Time) {
	seen := make(map[types.UID]struct{}, len(all))
	for i := range all {
		w := &all[i]
		seen[w.policy.UID] = struct{}{}
		it := q.items[w.policy.UID]
		if it == nil {
			it = &item{}
			q.items[w.policy.UID] = it
		}
		if it.policy == nil || it.accepted != w.accepted || it.enforced != w.enforced || it.policy.Generation != w.policy.Generation {
			it.changed = now
		}
		it.wanted = *w
		it.reconsider()
		it.judge()
	}
	for uid := range q.items {
		if _, ok := seen[uid]; !ok {
			delete(q.items, uid)
		}
	}
}

// reconsider forgets what somebody has written over since, perhaps the status.
func (it *item) reconsider() {
	if v := parseVersion(it.policy.ResourceVersion); it.looked && v != it.version && v.covers(it.version) {
		it.looked = false
	}
}

func (it *item) judge() {
	if !it.looked {
		it.lack = lackUnknown
		return
	}
	it.lack = it.compare(it.have)
}

// due is when an item may be worked on, and whether ever.
func (it *item) due(t tempo) (time.Time, bool) {
	at := it.changed
	switch {
	case it.lack == lackNothing:
		return time.Time{}, false
	case it.enforced.status != meta.ConditionTrue && it.lack != lackWords:
		at = at.Add(settle)
	case it.lack == lackWords:
		at = at.Add(settle)
		if next := it.written.Add(t.words); next.After(at) {
			at = next
		}
	}
	if it.retry.After(at) {
		at = it.retry
	}
	return at, true
}

// next is the item whose turn it is, or nil and when there may be one; the zero
// time means that there is nothing to do. Newest generations go first: somebody
// waits for them.
func (q *queue) next(now time.Time, t tempo) (*item, time.Time) {
	var first *item
	var soonest time.Time
	for _, it := range q.items {
		at, ever := it.due(t)
		switch {
		case !ever, it.busy:
		case at.After(now):
			if soonest.IsZero() || at.Before(soonest) {
				soonest = at
			}
		case first == nil || before(it, first):
			first = it
		}
	}
	return first, soonest
}

func before(a, b *item) bool {
	return cmp.Or(b.since.compare(a.since), comparePolicies(a.policy.Ref, b.policy.Ref)) < 0
}

func comparePolicies(a, b policy.PolicyRef) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// saw notes what an object's status says.
func (it *item) saw(v version, have []meta.Condition) {
	it.version, it.have, it.looked = v, have, true
	it.judge()
}

// wrote notes what a write has left. A State may have told of a later one while
// the write was on its way.
func (it *item) wrote(v version, have []meta.Condition, now time.Time) {
	it.written, it.failures, it.retry = now, 0, time.Time{}
	it.saw(v, have)
	it.reconsider()
	it.judge()
}

// conflicted notes that somebody else has written in between. The object is
// looked at again at once, but not for ever: two writers that undo each other's
// work would do nothing else.
func (it *item) conflicted(now time.Time) {
	it.looked = false
	it.failed(now, 100*time.Millisecond)
	it.judge()
}

// failed notes a failure; a policy that is gone falls out with the next State.
func (it *item) failed(now time.Time, first time.Duration) {
	wait := min(time.Minute, first<<min(it.failures, 10))
	it.failures++
	it.retry = now.Add(wait)
}
