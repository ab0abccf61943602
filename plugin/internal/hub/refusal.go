package hub

import (
	"sync"
	"sync/atomic"
	"time"
)

// Reason is why a peer was turned away.
type Reason uint8

const (
	ReasonUnknown   Reason = iota
	ReasonHandshake        // TLS, or the process behind a unix socket
	ReasonHello            // no Hello, a bad one, or another protocol version
	ReasonIdentity         // credentials that name no node, or another one
	ReasonReview           // the API server could not be asked
	ReasonLimit            // too many sessions, or connections that prove nothing
	reasons
)

var reasonNames = [reasons]string{"unknown", "handshake", "hello", "identity", "review", "limit"}

func (r Reason) String() string {
	if r >= reasons {
		r = ReasonUnknown
	}
	return reasonNames[r]
}

// Reasons lists those that happen.
func Reasons() []Reason {
	return []Reason{ReasonHandshake, ReasonHello, ReasonIdentity, ReasonReview, ReasonLimit}
}

// Refusals count peers that were turned away before a session.
type Refusals struct{ by [reasons]atomic.Uint64 }

// Load returns the number of all refusals.
func (r *Refusals) Load() (n uint64) {
	for i := range r.by {
		n += r.by[i].Load()
	}
	return n
}

// Of returns the number of refusals for one reason.
func (r *Refusals) Of(why Reason) uint64 { return r.by[why].Load() }

func (h *Hub) refuse(why Reason, format string, v ...any) {
	h.stats.Refused.by[why].Add(1)
	h.quiet.Warningf(format, v...)
}

const (
	// Whoever reaches the port can cause messages: a burst of quietBurst, then
	// one in quietEvery. The counters have them all.
	quietBurst = 20
	quietEvery = 5 * time.Second
)

// quietLog passes on what strangers cause, at a bounded rate, and says how much
// it kept to itself.
type quietLog struct {
	clock func() time.Time
	log   Logger

	mu      sync.Mutex
	budget  time.Duration // guarded by mu: quietEvery for each message
	last    time.Time     // guarded by mu
	omitted int           // guarded by mu
}

func (q *quietLog) Warningf(format string, v ...any) { q.say(q.log.Warningf, format, v) }
func (q *quietLog) Errorf(format string, v ...any)   { q.say(q.log.Errorf, format, v) }

func (q *quietLog) say(write func(string, ...any), format string, v []any) {
	omitted, ok := q.turn()
	if !ok {
		return
	}
	if omitted > 0 {
		format, v = format+" (and %d messages before that were left out)", append(v, omitted)
	}
	write(format, v...)
}

func (q *quietLog) turn() (omitted int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock()
	if q.last.IsZero() {
		q.budget = quietBurst * quietEvery
	} else {
		q.budget = min(q.budget+now.Sub(q.last), quietBurst*quietEvery)
	}
	q.last = now
	if q.budget < quietEvery {
		q.omitted++
		return 0, false
	}
	q.budget -= quietEvery
	omitted, q.omitted = q.omitted, 0
	return omitted, true
}
