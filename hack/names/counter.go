package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/hack/names/fleet"
	"github.com/nameward/nameward/hack/names/report"
)

// counterProofs show that the checks of the other parts can fail: where nothing
// is held SYNs are lost, and where a policy leaks it is noticed.
func (p *proof) counterProofs(ctx context.Context, r *report.Report) error {
	if err := p.ready(ctx, r); err != nil {
		return err
	}
	if err := p.hasty(ctx, r); err != nil {
		return err
	}
	return p.leaky(ctx, r)
}

// hastyTrials are enough for a loss in any order of threads.
const hastyTrials = 500

// hasty asks the replica that holds nothing back.
func (p *proof) hasty(ctx context.Context, r *report.Report) error {
	before, err := p.read(ctx)
	if err != nil {
		return err
	}
	t := new(tally)
	c := &crowd{fleet: p.fleet, seed: p.seed, tally: t,
		server: func(_ *rand.Rand, f scene.Family) netip.AddrPort { return p.fleet.Hasty.Server(f) }}
	c.run(ctx, ctx, hastyTrials)
	after, err := p.read(ctx)
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	denied := before.denied(after).Denied()
	check := report.Check{
		Name: fmt.Sprintf("%d fresh names where answers are not held (hold 0)", t.tried.Load()),
		Want: "SYNs lost", Got: "none lost",
		Why: fmt.Sprintf("%d lost; the kernels denied %d packets, of which %d were attempts at others' names", t.firstLost(), denied, t.synsStopped.Load()),
	}
	if t.firstLost() > 0 && denied == uint64(t.packets()) {
		check.Got = check.Want
	}
	r.Check(check)
	return p.late(ctx, r, t)
}

// late tries what was lost again: it was early, and not forbidden.
func (p *proof) late(ctx context.Context, r *report.Report, t *tally) error {
	opened := 0
	for _, l := range t.lost {
		result, err := l.pod.Trespass(ctx, l.attempt.Number, l.attempt.Family)
		if err != nil {
			return err
		}
		if result.Outcome == fleet.Opened {
			opened++
		}
	}
	r.Check(report.Check{Name: "  of the lost, open a moment later", Want: fmt.Sprint(len(t.lost)), Got: fmt.Sprint(opened)})
	return nil
}

// leaky lets a policy leak, and looks.
func (p *proof) leaky(ctx context.Context, r *report.Report) error {
	if err := p.fleet.Leak(true); err != nil {
		return err
	}
	if err := p.awaitBystanders(ctx, fleet.Opened); err != nil {
		return err
	}
	const each = 20
	_, before, _ := p.fleet.Doors.Passed()
	opened := 0
	for _, pod := range p.fleet.Bystanders {
		for i := range each {
			result, err := pod.Trespass(ctx, uint32(i), scene.Families[i%2])
			if err != nil {
				return err
			}
			if result.Outcome == fleet.Opened {
				opened++
			}
		}
	}
	all := each * len(p.fleet.Bystanders)
	seen := p.fleet.Doors.AwaitStrangers(before+all) - before
	r.Check(report.Check{Name: fmt.Sprintf("%d attempts at others' names under a policy that leaks", all),
		Want: fmt.Sprintf("%d leaks", all), Got: fmt.Sprintf("%d leaks", opened)})
	r.Check(report.Check{Name: "  connections that the servers had from strangers", Want: fmt.Sprint(all), Got: fmt.Sprint(seen)})
	if err := p.fleet.Leak(false); err != nil {
		return err
	}
	return p.awaitBystanders(ctx, fleet.Blocked)
}

// awaitBystanders returns once a change of policy is in force on every node.
func (p *proof) awaitBystanders(ctx context.Context, want fleet.Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, pod := range p.fleet.Bystanders {
		for {
			got, err := pod.Trespass(ctx, 0, scene.V4)
			if err != nil {
				return fmt.Errorf("await the policy at %s: %w", pod, err)
			}
			if got.Outcome == want {
				break
			}
		}
	}
	return nil
}
