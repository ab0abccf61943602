package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nameward/nameward/hack/names/fleet"
	"github.com/nameward/nameward/hack/names/report"
)

// race is the first part (N2, N3, N13): no first SYN is lost, and nobody else
// gets through.
func (p *proof) race(ctx context.Context, r *report.Report) error {
	if err := p.ready(ctx, r); err != nil {
		return err
	}
	return p.freshNames(ctx, r, p.trials, p.seed)
}

// freshNames lets all askers resolve so many names and connect at once.
func (p *proof) freshNames(ctx context.Context, r *report.Report, trials int, seed uint64) error {
	before, err := p.read(ctx)
	if err != nil {
		return err
	}
	t, began := new(tally), time.Now()
	c := &crowd{fleet: p.fleet, seed: seed, tally: t, server: p.anywhere}
	c.run(ctx, ctx, int64(trials))
	took := time.Since(began)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	opened := int(t.opened.Load() + t.repeated.Load())
	seen := p.fleet.Doors.Await(before.owners+opened) - before.owners
	after, err := p.read(ctx)
	if err != nil {
		return err
	}
	r.Check(report.Check{
		Name: fmt.Sprintf("%d fresh names, resolved and connected to by %d pods at once", t.tried.Load(), len(p.fleet.Askers)),
		Want: "0 first SYNs lost", Got: fmt.Sprintf("%d first SYNs lost", t.firstLost()),
		Why: fmt.Sprintf("%.0f per second; %s", float64(trials)/took.Seconds(), p.holds(ctx)),
	})
	r.Check(report.Check{Name: "  questions without an answer", Want: "0", Got: fmt.Sprint(t.unanswered.Load()), Why: t.unansweredBy()})
	r.Check(report.Check{Name: fmt.Sprintf("  of %d connections, unknown to the servers", opened), Want: "0", Got: fmt.Sprint(max(0, opened-seen))})
	p.judge(r, t, before, after)
	return nil
}

// judge reports on leaks, and whether the kernels count what the clients saw.
func (p *proof) judge(r *report.Report, t *tally, before, after books) {
	r.Check(report.Check{
		Name: fmt.Sprintf("%d attempts at names that other pods resolved", t.trespasses.Load()),
		Want: "0 leaks", Got: fmt.Sprintf("%d leaks", t.leaked.Load()), Why: t.trespassesBy(),
	})
	_, _, some := p.fleet.Doors.Passed()
	leaks := report.Check{Name: "  connections that the servers had from strangers", Want: "0", Got: fmt.Sprint(after.strangers - before.strangers)}
	if after.strangers > before.strangers {
		leaks.Why = fmt.Sprint(some)
	}
	r.Check(leaks)
	denied, futile := before.denied(after)
	r.Check(report.Check{
		Name: fmt.Sprintf("  packets that the kernels denied, for %d SYNs that reached no server", futile),
		Want: fmt.Sprint(futile), Got: fmt.Sprint(denied.Denied()),
		Why: fmt.Sprintf("%d attempts noticed; %s", t.noticed(), denied),
	})
	r.Check(report.Check{Name: "  failures that nobody can explain", Want: "0", Got: fmt.Sprint(t.odd.Load()), Why: t.oddities()})
}

// holds says how many answers the replicas have held, and how many for longer
// than they may.
func (p *proof) holds(ctx context.Context) string {
	var held, late float64
	for _, replica := range p.fleet.Replicas {
		h, err := replica.Sum(ctx, "coredns_nameward_held_answers_total")
		if err != nil {
			return err.Error()
		}
		l, err := replica.Sum(ctx, "coredns_nameward_hold_timeouts_total")
		if err != nil {
			return err.Error()
		}
		held, late = held+h, late+l
	}
	return fmt.Sprintf("%.0f answers held since the replicas' start, %.0f to the bound", held, late)
}

// again is how many names the race has once more after the chaos.
func again(trials int) int { return min(max(trials/5, 500), 20_000, fleet.Numbers) }
