package report

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	coordination "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// electionName is the Lease whose holder writes for the cluster.
	electionName = "nameward-report"
	// term is how long a holder that is not heard of keeps its office.
	term = 15 * time.Second
	// resign is when a holder that cannot renew stops acting; the rest of the
	// term covers a clock that runs slow.
	resign = 10 * time.Second
	// renewal is how often the holder renews.
	renewal = 4 * time.Second
	// renewalTimeout lets a holder try twice before it resigns.
	renewalTimeout = 3 * time.Second
)

// step is what a candidate does next.
type step uint8

const (
	stepWait step = iota
	stepCreate
	stepTake
	stepRenew
)

// candidate is one enforcer's view of the election. Times are its own clock's:
// what others wrote into the Lease only counts as different or the same, so
// that clocks need not agree.
type candidate struct {
	me    string
	last  *coordination.Lease // as seen last
	since time.Time           // when it was first seen like that
}

// look takes what the API server has, nil for none, and decides.
func (c *candidate) look(l *coordination.Lease, now time.Time) step {
	if l == nil {
		c.last = nil
		return stepCreate
	}
	if c.last == nil || c.last.ResourceVersion != l.ResourceVersion {
		c.last, c.since = l, now
	}
	switch holder := holderOf(l); {
	case holder == c.me:
		return stepRenew
	case holder == "" || now.Sub(c.since) >= term:
		return stepTake
	}
	return stepWait
}

func holderOf(l *coordination.Lease) string {
	if l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}

// claim is the Lease with me as holder; last is the one it replaces, or nil.
func claim(namespace, me string, last *coordination.Lease, now time.Time) *coordination.Lease {
	l := &coordination.Lease{
		TypeMeta:   meta.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
		ObjectMeta: meta.ObjectMeta{Namespace: namespace, Name: electionName, Labels: map[string]string{partLabel: partElection}},
	}
	at := meta.NewMicroTime(now)
	seconds, transitions := int32(term/time.Second), int32(0)
	l.Spec.AcquireTime = &at
	if last != nil {
		l.ObjectMeta = last.ObjectMeta
		if last.Spec.LeaseTransitions != nil {
			transitions = *last.Spec.LeaseTransitions
		}
		if holderOf(last) == me {
			l.Spec.AcquireTime = last.Spec.AcquireTime
		} else {
			transitions++
		}
	}
	l.Spec.HolderIdentity, l.Spec.RenewTime = &me, &at
	l.Spec.LeaseDurationSeconds, l.Spec.LeaseTransitions = &seconds, &transitions
	return l
}

// pollEvery is how often a candidate looks: with thousands of nodes seldom, so
// that waiting for an office does not cost more than the office.
func pollEvery(nodes int) time.Duration {
	return min(time.Minute, max(2*time.Second, time.Duration(nodes)*10*time.Millisecond))
}

// election runs for the office again and again.
type election struct {
	api       *api
	namespace string
	candidate candidate
	clock     func() time.Time
	nodes     func() int
	log       *slog.Logger
	away      streak
}

// run calls act while this enforcer is elected. act must return when its context
// ends.
func (e *election) run(ctx context.Context, act func(context.Context)) {
	for ctx.Err() == nil {
		won, asked := e.try(ctx)
		if won {
			e.hold(ctx, asked, act)
		}
		pause := pollEvery(e.nodes())
		sleep(ctx, pause/2+rand.N(pause/2+1))
	}
}

// try looks once and takes the office if it is free. asked is when, before the
// request that won it.
func (e *election) try(ctx context.Context) (won bool, asked time.Time) {
	ctx, cancel := context.WithTimeout(ctx, renewalTimeout)
	defer cancel()
	l, err := e.api.lease(ctx, e.namespace, electionName)
	if errors.IsNotFound(err) {
		l, err = nil, nil
	}
	if err != nil {
		e.away.tell(e.log, "cannot see who writes the cluster's conditions", err)
		return false, asked
	}
	e.away.over(e.log, "can see again who writes the cluster's conditions")
	asked = e.clock()
	next := e.candidate.look(l, asked)
	mine := claim(e.namespace, e.candidate.me, l, asked)
	switch next {
	case stepCreate:
		l, err = e.api.createLease(ctx, mine)
	case stepTake, stepRenew:
		l, err = e.api.updateLease(ctx, mine)
	default:
		return false, asked
	}
	if err != nil {
		// Somebody else was faster, mostly; the next look will tell.
		e.log.Debug("did not win the election of the one that writes conditions", "error", err)
		return false, asked
	}
	e.candidate.last, e.candidate.since = l, asked
	return true, asked
}

// hold renews until that fails for too long, then gives the office back.
func (e *election) hold(ctx context.Context, renewed time.Time, act func(context.Context)) {
	e.log.Info("elected to write the cluster's conditions and Events on policies")
	office, leave := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		act(office)
	}()
	for e.clock().Sub(renewed) < resign {
		// A timer beside the loop: a request that hangs must not outlast the office.
		late := time.AfterFunc(resign-e.clock().Sub(renewed), leave)
		sleep(office, renewal)
		if office.Err() != nil {
			late.Stop()
			break
		}
		asked := e.clock()
		lost, err := e.renew(office, asked)
		late.Stop()
		if lost {
			break
		}
		if err == nil {
			renewed = asked
		}
	}
	leave()
	<-done
	e.log.Info("no longer the one that writes the cluster's conditions")
	e.giveBack(ctx)
}

// renew says whether the office is lost for certain.
func (e *election) renew(ctx context.Context, now time.Time) (lost bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, renewalTimeout)
	defer cancel()
	l, err := e.api.updateLease(ctx, claim(e.namespace, e.candidate.me, e.candidate.last, now))
	switch {
	case errors.IsConflict(err), errors.IsNotFound(err):
		return true, err
	case err != nil:
		return false, err
	}
	e.candidate.last, e.candidate.since = l, now
	return false, nil
}

// giveBack lets the next one start at once. It is tried once, also when ctx has
// ended: the program is about to.
func (e *election) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewalTimeout)
	defer cancel()
	l, err := e.api.lease(ctx, e.namespace, electionName)
	if err != nil || holderOf(l) != e.candidate.me {
		return
	}
	nobody := ""
	l.Spec.HolderIdentity = &nobody
	if _, err := e.api.updateLease(ctx, l); err != nil {
		e.log.Debug("did not give back the election's Lease; it runs out by itself", "error", err)
	}
}

// sleep ends early with ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// streak tells of a run of failures once, and of its end.
type streak struct{ failing bool }

func (s *streak) tell(log *slog.Logger, message string, err error) {
	if !s.failing {
		log.Warn(message, "error", err)
	}
	s.failing = true
}

func (s *streak) over(log *slog.Logger, message string) {
	if s.failing {
		log.Info(message)
	}
	s.failing = false
}
