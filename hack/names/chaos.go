package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nameward/nameward/hack/names/fleet"
	"github.com/nameward/nameward/hack/names/report"
)

// goal is what healing should take at the most in 99 of 100 cases.
const goal = time.Second

// upheaval is one run of chaos.
type upheaval struct {
	fleet *fleet.Fleet
	// What is restarted is watched by either, by what it is.
	enforcers, replicas *healer

	deeds  sync.WaitGroup
	turns  map[*fleet.Program]*sync.Mutex // one deed at a time for each
	mu     sync.Mutex
	failed []error // guarded by mu
}

func newUpheaval(f *fleet.Fleet, t *tally) *upheaval {
	u := &upheaval{fleet: f, enforcers: newHealer(f, t), replicas: newHealer(f, t), turns: make(map[*fleet.Program]*sync.Mutex)}
	for _, p := range f.Programs() {
		u.turns[p] = new(sync.Mutex)
	}
	return u
}

// run does what is planned and returns once everything runs again.
func (u *upheaval) run(ctx context.Context, events []event) {
	began := time.Now()
	for _, e := range events {
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(began.Add(e.at))):
			u.deeds.Go(func() { u.do(ctx, e) })
		}
	}
	u.deeds.Wait()
}

func (u *upheaval) do(ctx context.Context, e event) {
	switch e.deed {
	case reloadReplica:
		if r := u.fleet.Replicas[e.target]; fleet.Running(r.Life()) {
			u.fail(r.Reload())
		}
	case killReplica:
		r := u.fleet.Replicas[e.target]
		if u.bounce(ctx, r.Program, e.down) {
			u.replicas.measure(ctx, r.Program, u.pairs(nil, r))
		}
	case killEnforcer:
		n := u.fleet.Nodes[e.target]
		if u.bounce(ctx, n.Program, e.down) {
			u.enforcers.measure(ctx, n.Program, u.pairs(n, nil))
		}
	}
}

// bounce kills the program and starts it again.
func (u *upheaval) bounce(ctx context.Context, p *fleet.Program, down time.Duration) bool {
	u.turns[p].Lock()
	defer u.turns[p].Unlock()
	if p.Died() {
		u.fail(fmt.Errorf("%s ended of itself:\n%s", p.Name, p.Tail()))
	}
	p.Kill()
	select {
	case <-ctx.Done():
		return false
	case <-time.After(down):
	}
	err := p.Start()
	u.fail(err)
	return err == nil
}

func (u *upheaval) fail(err error) {
	if err == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failed = append(u.failed, err)
}

// pairs are all running ones of the node, or of the replica.
func (u *upheaval) pairs(of *fleet.Node, with *fleet.Replica) (all []pair) {
	for _, n := range u.fleet.Nodes {
		for _, r := range u.fleet.Replicas {
			if p := (pair{n, r}); (n == of || r == with) && p.running() {
				all = append(all, p)
			}
		}
	}
	return all
}

// chaos is the last part (N12, N13, N17, N18, D8): whatever dies, nobody gets through to
// another's names, and each lost SYN was counted.
func (p *proof) chaos(ctx context.Context, r *report.Report) error {
	if err := p.ready(ctx, r); err != nil {
		return err
	}
	before, err := p.read(ctx)
	if err != nil {
		return err
	}
	events := plan(p.seed, p.lasts)
	r.Note("for %s, seed %d: %s", p.lasts, p.seed, summary(events))
	t := new(tally)
	u := newUpheaval(p.fleet, t)
	p.upset(ctx, u, t, events)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := p.fleet.AwaitReady(ctx); err != nil {
		return err
	}
	opened := int(t.opened.Load() + t.repeated.Load())
	seen := p.fleet.Doors.Await(before.owners+opened) - before.owners
	after, err := p.read(ctx)
	if err != nil {
		return err
	}
	r.Note("%d fresh names: %d open to their first SYN, %d first SYNs lost, %d questions without an answer (%s)", t.tried.Load(),
		t.opened.Load(), t.firstLost(), t.unanswered.Load(), t.unansweredBy())
	r.Check(report.Check{Name: fmt.Sprintf("  of %d connections, unknown to the servers", opened), Want: "0", Got: fmt.Sprint(max(0, opened-seen))})
	p.judge(r, t, before, after)
	u.report(r)
	if err := p.settle(ctx); err != nil {
		return err
	}
	r.Note("after the chaos, once more")
	return p.freshNames(ctx, r, again(p.trials), p.seed+1)
}

// upset lets the crowd ask for as long as the deeds are done.
func (p *proof) upset(ctx context.Context, u *upheaval, t *tally, events []event) {
	until, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	all.Go(func() {
		defer stop()
		u.run(ctx, events)
	})
	c := &crowd{fleet: p.fleet, seed: ^p.seed, tally: t, server: p.anywhere}
	c.run(ctx, until, fleet.Numbers)
	all.Wait()
}

func (u *upheaval) report(r *report.Report) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.fleet.Programs() {
		if p.Died() {
			u.failed = append(u.failed, fmt.Errorf("%s ended of itself", p.Name))
		}
	}
	c := report.Check{Name: "  programs that ended of themselves or would not start", Want: "0", Got: fmt.Sprint(len(u.failed))}
	if len(u.failed) > 0 {
		c.Why = u.failed[0].Error()
	}
	r.Check(c)
	u.enforcers.report(r, "enforcer")
	u.replicas.report(r, "replica")
}

// report says how long healing took. A slow machine is no failure, a pair that
// never works again is.
func (h *healer) report(r *report.Report, what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := fmt.Sprintf("  %d pairs of a node and a replica, healed after a restart of the %s", len(h.fromReady)+h.unhealed, what)
	reached := "reached"
	if quantile(h.fromReady, 0.99) >= goal {
		reached = "missed"
	}
	round := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	r.Check(report.Check{
		Name: name, Want: "0 unhealed", Got: fmt.Sprintf("%d unhealed", h.unhealed),
		Why: fmt.Sprintf("after it serves p50 %s p99 %s, goal %s %s; after its start p50 %s p99 %s; %d overtaken",
			round(quantile(h.fromReady, 0.5)), round(quantile(h.fromReady, 0.99)), goal, reached,
			round(quantile(h.fromStart, 0.5)), round(quantile(h.fromStart, 0.99)), h.overtaken),
	})
}
