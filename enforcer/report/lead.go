package report

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// office is what the elected enforcer does, for one term. It is one goroutine's;
// its crew only carries requests.
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
	crew     *crew
	// writes and reads are what requests may be sent.
	writes, reads bucket
	// told is the ledger whose problems were told, and when.
	told   *ledger
	toldAt time.Time
	away   streak
}

// run acts until ctx ends.
func (o *office) run(ctx context.Context) {
	o.audience, o.queue, o.tempo = newAudience(o.clock, o.log), newQueue(), tempoOf(1)
	o.crew = newCrew()
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		o.audience.watch(ctx, o.api.metadata, o.namespace, o.nodeSelector)
	}()
	defer func() { <-watching }()
	defer o.crew.dismiss()
	known := o.prime(ctx)
	for ctx.Err() == nil {
		next := o.clock().Add(o.tempo.gather)
		o.conclude(known)
		o.work(ctx, next)
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

// work has the crew write what is due, and returns when it is time for another
// conclusion: with news, but not before earliest, or after a while.
func (o *office) work(ctx context.Context, earliest time.Time) {
	latest := earliest.Add(10 * time.Second) // silence makes no noise: somebody has to look
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := o.clock()
		until := latest
		if wake := o.send(ctx, now); !wake.IsZero() && wake.Before(until) {
			until = wake
		}
		var news, heard <-chan struct{} // nil until earliest
		if now.Before(earliest) {
			if earliest.Before(until) {
				until = earliest
			}
		} else {
			news, heard = o.changed, o.audience.changed
		}
		timer.Reset(until.Sub(now))
		select {
		case <-ctx.Done():
		case <-news:
			return
		case <-heard:
			return
		case land := <-o.crew.landed:
			o.crew.land(land)
		case <-timer.C:
			if !o.clock().Before(latest) {
				return
			}
		}
	}
}

// send gives the crew what is due, and says when there will be more, or the zero
// time where nothing is waited for but the crew.
func (o *office) send(ctx context.Context, now time.Time) time.Time {
	for o.crew.free() {
		it, wake := o.queue.next(now, o.tempo)
		if it == nil {
			return wake
		}
		// Nobody watches what is read; but nobody needs more of it than that
		// each write be preceded by a read, and a conflict's second one.
		budget, rate, job := &o.reads, 2*o.tempo.rate, o.review
		if it.lack != lackUnknown {
			budget, rate, job = &o.writes, o.tempo.rate, o.write
		}
		if ok, wait := budget.take(now, rate, 2*rate); !ok {
			return now.Add(wait)
		}
		it.busy = true
		o.crew.send(job(ctx, it))
	}
	return time.Time{}
}

// review reads an object's status.
func (o *office) review(ctx context.Context, it *item) job {
	ref, uid := it.policy.Ref, it.policy.UID
	return func() func() {
		r, err := o.api.policy(ctx, ref)
		return func() {
			it.busy = false
			switch {
			case err != nil:
				o.failed(ctx, it, "read the conditions of "+ref.String(), err)
			case r.Metadata.UID != uid: // another one of that name; a State will tell
				it.failed(o.clock(), time.Second)
			default:
				o.away.over(o.log, "can read and write conditions again")
				it.saw(parseVersion(r.Metadata.ResourceVersion), r.Status.Conditions)
			}
		}
	}
}

func (o *office) write(ctx context.Context, it *item) job {
	p, at, conditions := it.policy, it.version, it.merge(it.have, o.clock())
	return func() func() {
		r, err := o.api.setConditions(ctx, p, at, conditions)
		return func() {
			it.busy = false
			now := o.clock()
			switch {
			case errors.IsConflict(err):
				it.conflicted(now)
			case err != nil:
				o.failed(ctx, it, "write the conditions of "+p.Ref.String(), err)
			default:
				o.away.over(o.log, "can read and write conditions again")
				o.written.Add(1)
				it.wrote(parseVersion(r.Metadata.ResourceVersion), r.Status.Conditions, now)
			}
		}
	}
}

// failed waits; a policy that is not there any more falls out with the next State.
func (o *office) failed(ctx context.Context, it *item, what string, err error) {
	it.failed(o.clock(), time.Second)
	if !errors.IsNotFound(err) && ctx.Err() == nil {
		o.away.tell(o.log, "cannot "+what, err)
	}
}
