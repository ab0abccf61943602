package report

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	events "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// eventRate and eventBurst bound all Events of one enforcer, by the second.
	eventRate, eventBurst = 5.0, 50.0
	// objectRate and objectBurst bound those about one object.
	objectRate, objectBurst = 1.0 / 60, 5.0
	// mostSeries and mostOfObject bound what is remembered.
	mostSeries, mostOfObject = 2048, 16
	// countEvery is the shortest time between two writes of one series.
	countEvery = 30 * time.Second
	// again is when something that lasts is told again: Events are gone after
	// an hour, by the API server's default.
	again = 30 * time.Minute
	// forgetAfter ends a series of which nothing more was heard.
	forgetAfter = 2 * again
)

// series is one Event object and what it does not say yet.
type series struct {
	object  types.UID
	event   *event // while something is pending
	pending int32
	first   time.Time // of what is pending
	seen    time.Time
	sent    time.Time
	count   int32 // of the object, as last written here; 0 = not written yet
}

// subject is an object that events are about.
type subject struct {
	budget bucket
	series int
}

// records is the memory of the recorder: pure but for the lock around it.
type records struct {
	overall  bucket
	series   map[eventKey]*series
	subjects map[types.UID]*subject
	swept    time.Time
	dropped  uint64
}

func newRecords() *records {
	return &records{series: map[eventKey]*series{}, subjects: map[types.UID]*subject{}}
}

// note takes e. What was told within quiet is not news.
func (r *records) note(e event, quiet time.Duration, now time.Time) (news bool) {
	key := e.key()
	s := r.series[key]
	if s == nil {
		if now.Sub(r.swept) >= time.Minute { // a pass over all is too dear for each
			r.sweep(now)
		}
		of := r.subjects[e.regarding.UID]
		if of == nil {
			of = &subject{}
		}
		if len(r.series) >= mostSeries || of.series >= mostOfObject {
			r.dropped++
			return false
		}
		of.series++
		r.subjects[e.regarding.UID] = of
		s = &series{object: e.regarding.UID}
		r.series[key] = s
	} else if now.Sub(s.seen) < quiet {
		return false
	}
	if s.pending == 0 {
		s.first = now
		s.event = &e
	}
	s.pending++
	s.seen = now
	return true
}

// sweep forgets series that have ended.
func (r *records) sweep(now time.Time) {
	r.swept = now
	for key, s := range r.series {
		if now.Sub(s.seen) < forgetAfter {
			continue
		}
		delete(r.series, key)
		of := r.subjects[s.object]
		if of.series--; of.series == 0 && of.budget.full(now, objectRate, objectBurst) {
			delete(r.subjects, s.object)
		}
	}
	for uid, of := range r.subjects {
		if of.series == 0 && of.budget.full(now, objectRate, objectBurst) {
			delete(r.subjects, uid)
		}
	}
}

// next is the series to write, the one that waits longest, or nil and how long
// to wait; 0 means until there is news.
func (r *records) next(now time.Time) (*series, time.Duration) {
	var first *series
	var soonest time.Duration
	for _, s := range r.series {
		if s.pending == 0 {
			continue
		}
		wait := s.wait(now)
		if of := r.subjects[s.object]; wait <= 0 {
			of.budget.fill(now, objectRate, objectBurst)
			wait = of.budget.wait(objectRate)
		}
		switch {
		case wait > 0:
			if soonest == 0 || wait < soonest {
				soonest = wait
			}
		case first == nil || s.first.Before(first.first):
			first = s
		}
	}
	if first == nil {
		return nil, soonest
	}
	if ok, wait := r.overall.take(now, eventRate, eventBurst); !ok {
		return nil, wait
	}
	r.subjects[first.object].budget.take(now, objectRate, objectBurst)
	return first, 0
}

func (s *series) wait(now time.Time) time.Duration {
	if s.sent.IsZero() {
		return 0
	}
	return s.sent.Add(countEvery).Sub(now)
}

// recorder writes Events. Its memory is bounded, and what does not fit is counted.
type recorder struct {
	api      *api
	instance string
	clock    func() time.Time
	log      *slog.Logger
	changed  chan struct{} // capacity 1

	mu      sync.Mutex
	records *records

	away     streak
	failures int
}

// say never blocks. quiet is for how long e is no news; 0 counts every time.
func (r *recorder) say(e event, quiet time.Duration) {
	r.mu.Lock()
	news := r.records.note(e, quiet, r.clock())
	r.mu.Unlock()
	if news {
		wake(r.changed)
	}
}

func (r *recorder) droppedSoFar() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records.dropped
}

// run writes until ctx ends.
func (r *recorder) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := r.turn(ctx)
		if wait < 0 {
			continue
		}
		if wait == 0 {
			wait = time.Hour
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-r.changed:
		case <-timer.C:
		}
		timer.Stop()
		if r.failures > 0 {
			sleep(ctx, backoff(r.failures))
		}
	}
}

func backoff(failures int) time.Duration {
	wait := min(30*time.Second, time.Second<<min(failures-1, 5))
	return wait/2 + rand.N(wait/2)
}

// turn writes one Event. It returns how long to wait, 0 for any time, or a
// negative number where there may be more to do.
func (r *recorder) turn(ctx context.Context) time.Duration {
	now := r.clock()
	r.mu.Lock()
	s, wait := r.records.next(now)
	if s == nil {
		r.mu.Unlock()
		return wait
	}
	e, pending, count := *s.event, s.pending, s.count
	r.mu.Unlock()

	count, err := r.write(ctx, e, count, pending, now)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !hopeless(err) {
		r.failures++
		if ctx.Err() == nil {
			r.away.tell(r.log, "cannot write Events", err)
		}
		return time.Nanosecond
	}
	if err != nil {
		r.records.dropped++
		r.log.Warn("an Event was refused", "namespace", e.namespace(), "name", e.name(), "note", e.note, "error", err)
	} else {
		r.away.over(r.log, "can write Events again")
	}
	r.failures = 0
	s.sent, s.count = now, count
	if s.pending -= pending; s.pending == 0 {
		s.event = nil
	}
	return -1
}

// hopeless says that trying again will not help: the namespace is gone, or the
// request is not what this API server wants.
func hopeless(err error) bool {
	return errors.IsNotFound(err) || errors.IsForbidden(err) || errors.IsInvalid(err) || errors.IsBadRequest(err)
}

// write tells of e, which happened pending times since the object said count.
func (r *recorder) write(ctx context.Context, e event, count, pending int32, now time.Time) (int32, error) {
	if count == 0 {
		err := r.api.createEvent(ctx, e.object(r.instance, now))
		if err == nil && pending == 1 {
			return 1, nil
		}
		switch {
		case err == nil:
			count, pending = 1, pending-1
		case errors.IsAlreadyExists(err):
			have, err := r.api.patchEvent(ctx, e.namespace(), e.name(), nil)
			if err != nil {
				return 0, err
			}
			count = 1
			if have.Series != nil {
				count = max(1, have.Series.Count)
			}
		default:
			return 0, err
		}
	}
	_, err := r.api.patchEvent(ctx, e.namespace(), e.name(), &events.EventSeries{Count: count + pending, LastObservedTime: meta.NewMicroTime(now)})
	if errors.IsNotFound(err) {
		return r.write(ctx, e, 0, 1, now) // it has expired
	}
	if err != nil {
		return count, err
	}
	return count + pending, nil
}
