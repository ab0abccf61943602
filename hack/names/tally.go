package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nameward/nameward/hack/names/fleet"
)

// tally is what came of all attempts of a run. Safe for any number of users.
type tally struct {
	// tried is the sum of the next five.
	tried, opened, blocked, repeated, unanswered, odd atomic.Int64
	// trespasses are attempts at other pods' names: those that opened are
	// leaks.
	trespasses, leaked atomic.Int64

	mu       sync.Mutex
	errors   []string       // guarded by mu; some of what was odd
	lost     []lost         // guarded by mu; some of what was blocked
	answers  map[string]int // guarded by mu; why there was none
	trespass map[string]int // guarded by mu; by kind
}

// lost is an attempt whose SYN did not get through.
type lost struct {
	pod     *fleet.Pod
	attempt fleet.Attempt
}

// listed is how many of a kind are kept to be shown or tried again.
const listed = 1000

// add counts an attempt of a name's owner.
func (t *tally) add(ctx context.Context, pod *fleet.Pod, a fleet.Attempt, outcome fleet.Outcome, err error) {
	if ctx.Err() != nil {
		return // interrupted, so that nothing can be said of it
	}
	t.tried.Add(1)
	switch outcome {
	case fleet.Opened:
		t.opened.Add(1)
	case fleet.Blocked, fleet.Repeated:
		if outcome == fleet.Blocked {
			t.blocked.Add(1)
		} else {
			t.repeated.Add(1)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if len(t.lost) < listed {
			t.lost = append(t.lost, lost{pod, a})
		}
	case fleet.Unanswered:
		t.unanswered.Add(1)
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.answers == nil {
			t.answers = make(map[string]int)
		}
		t.answers[silence(err)]++
	default:
		t.strange(pod, err)
	}
}

// strange notes what neither the product nor a kill explains.
func (t *tally) strange(pod *fleet.Pod, err error) {
	t.odd.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.errors) < 5 {
		t.errors = append(t.errors, fmt.Sprintf("%s: %v", pod, err))
	}
}

// silence says in a word why there was no answer.
func silence(err error) string {
	for text, word := range map[string]string{
		"refused": "refused", "timeout": "no reply", "unreachable": "unreachable",
		"SERVFAIL": "SERVFAIL", "NXDOMAIN": "NXDOMAIN", "REFUSED": "REFUSED",
	} {
		if strings.Contains(err.Error(), text) {
			return word
		}
	}
	return err.Error()
}

// addTrespass counts an attempt at another's name. One that had no answer to go by
// has not been one.
func (t *tally) addTrespass(ctx context.Context, kind string, pod *fleet.Pod, outcome fleet.Outcome, err error) {
	switch {
	case ctx.Err() != nil, outcome == fleet.Unanswered:
		return
	case outcome == fleet.OutcomeUnknown:
		t.strange(pod, err)
		return
	case outcome != fleet.Blocked:
		t.leaked.Add(1)
	}
	t.trespasses.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.trespass == nil {
		t.trespass = make(map[string]int)
	}
	t.trespass[kind]++
}

// firstLost is how many first SYNs of owners brought no connection.
func (t *tally) firstLost() int64 { return t.blocked.Load() + t.repeated.Load() }

// noticed is how many attempts their pods saw blocked, or opened late.
func (t *tally) noticed() int64 { return t.firstLost() + t.trespasses.Load() - t.leaked.Load() }

// oddities are some of what was odd.
func (t *tally) oddities() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.errors, "; ")
}

// unansweredBy says how often DNS was silent, and how.
func (t *tally) unansweredBy() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return counts(t.answers)
}

func (t *tally) trespassesBy() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return counts(t.trespass)
}
