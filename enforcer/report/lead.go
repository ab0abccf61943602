package report

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// office is what the elected enforcer does, for one term. It is one goroutine's.
type office struct {
	api          *api
	namespace    string
	nodeSelector string
	book         *book
	settings     *atomic.Pointer[Settings]
	recorder     *recorder
	clock        func() time.Time
	log          *slog.Logger
	changed      <-chan struct{} // a new State or new settings
	written      *atomic.Uint64

	audience *audience
	queue    *queue
	tempo    tempo
	budget   bucket
	// told is the ledger whose problems were told, and when.
	told   *ledger
	toldAt time.Time
	away   streak
}

// run acts until ctx ends.
func (o *office) run(ctx context.Context) {
	o.audience, o.queue, o.tempo = newAudience(o.clock, o.log), newQueue(), tempoOf(1)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		o.audience.watch(ctx, o.api.metadata, o.namespace, o.nodeSelector)
	}()
	defer func() { <-watching }()
	known := o.prime(ctx)
	for ctx.Err() == nil {
		next := o.clock().Add(o.tempo.gather)
		o.conclude(known)
		wake := o.work(ctx, next)
		o.wait(ctx, wake, next)
	}
}

// prime reads the statuses that are there, so that a new term does not ask for
// each of them. What it misses is asked for later.
func (o *office) prime(ctx context.Context) map[types.UID]reviewed {
	known := map[types.UID]reviewed{}
	for _, k := range Kinds {
		if !serving[k].status {
			continue
		}
		err := o.api.policies(ctx, k, func(r *reviewed) { known[r.Metadata.UID] = *r })
		if err != nil && !errors.IsNotFound(err) && ctx.Err() == nil {
			o.log.Warn("cannot list policies for their conditions; asking for each", "kind", k.String(), "error", err)
		}
	}
	return known
}

// conclude works out what should be said from what is known now.
func (o *office) conclude(known map[types.UID]reviewed) {
	l := o.book.newest()
	now := o.clock()
	o.tell(l, now)
	nodes, reports, ok := o.audience.present()
	if l == nil || !ok {
		return
	}
	o.tempo = tempoOf(len(nodes))
	l = o.book.lower(proofs(l, reports))
	o.queue.want(aggregate(l, callRoll(nodes, reports, now)), now)
	for uid, r := range known {
		if it := o.queue.items[uid]; it != nil {
			it.saw(parseVersion(r.Metadata.ResourceVersion), r.Status.Conditions)
		}
		delete(known, uid)
	}
}

// tell says what is wrong in policies and settings (P15, S5).
func (o *office) tell(l *ledger, now time.Time) {
	if s := o.settings.Load(); s != nil && len(s.Faults) > 0 {
		o.recorder.say(settingsRefused(*s), again)
	}
	if l == nil || l == o.told && now.Sub(o.toldAt) < time.Minute {
		return
	}
	if o.told == nil || !samePolicies(l.state.Policies, o.told.state.Policies) || now.Sub(o.toldAt) >= time.Minute {
		for i := range l.state.Policies {
			if p := &l.state.Policies[i]; len(p.Problems) > 0 {
				o.recorder.say(partlyClosed(p), again)
			}
		}
		o.toldAt = now
	}
	o.told = l
}

// work writes what is due, until the time given if somebody has news by then. It
// returns when there will be more to do, or the zero time.
func (o *office) work(ctx context.Context, until time.Time) time.Time {
	for ctx.Err() == nil {
		now := o.clock()
		if now.After(until) && (len(o.changed) > 0 || len(o.audience.changed) > 0) {
			return now
		}
		it, wake := o.queue.next(now, o.tempo)
		if it == nil {
			return wake
		}
		if it.lack == lackUnknown {
			o.review(ctx, it)
			continue
		}
		if ok, wait := o.budget.take(now, o.tempo.rate, 2*o.tempo.rate); !ok {
			return now.Add(wait)
		}
		o.write(ctx, it)
	}
	return time.Time{}
}

// review reads an object's status.
func (o *office) review(ctx context.Context, it *item) {
	r, err := o.api.policy(ctx, it.policy.Ref)
	if err != nil {
		o.failed(ctx, it, "read the conditions of "+it.policy.Ref.String(), err)
		return
	}
	if r.Metadata.UID != it.policy.UID { // another one of that name; a State will tell
		it.failed(o.clock(), time.Second)
		return
	}
	o.away.over(o.log, "can read and write conditions again")
	it.saw(parseVersion(r.Metadata.ResourceVersion), r.Status.Conditions)
}

func (o *office) write(ctx context.Context, it *item) {
	now := o.clock()
	r, err := o.api.setConditions(ctx, it.policy, it.version, it.merge(it.have, now))
	switch {
	case errors.IsConflict(err):
		it.conflicted(now)
	case err != nil:
		o.failed(ctx, it, "write the conditions of "+it.policy.Ref.String(), err)
	default:
		o.away.over(o.log, "can read and write conditions again")
		o.written.Add(1)
		it.wrote(parseVersion(r.Metadata.ResourceVersion), r.Status.Conditions, now)
	}
}

// failed waits; a policy that is not there any more falls out with the next State.
func (o *office) failed(ctx context.Context, it *item, what string, err error) {
	it.failed(o.clock(), time.Second)
	if !errors.IsNotFound(err) && ctx.Err() == nil {
		o.away.tell(o.log, "cannot "+what, err)
	}
}

// wait returns at wake (zero: a while), or with news, but not before earliest.
func (o *office) wait(ctx context.Context, wake, earliest time.Time) {
	sleep(ctx, earliest.Sub(o.clock()))
	d := 10 * time.Second // silence makes no noise: somebody has to look
	if !wake.IsZero() {
		d = min(d, wake.Sub(o.clock()))
	}
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-o.changed:
	case <-o.audience.changed:
	case <-timer.C:
	}
}
