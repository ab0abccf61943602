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
	denied, _ := before.denied(after)
	check := report.Check{
		Name: fmt.Sprintf("%d fresh names where answers are not held (hold 0)", t.tried.Load()),
		Want: "SYNs lost", Got: "none lost",
		Why: fmt.Sprintf("%d lost; the kernels denied %d packets, attempts at others' names included", t.firstLost(), denied.Denied()),
	}
	if t.firstLost() > 0 && denied.Denied() >= uint64(t.noticed()) {
		check.Got = check.Want
	}
	r.Check(check)
	return p.late(ctx, r, t)
}

// late tries what was lost again: it was early, and not forbidden.
func (p *proof) late(ctx context.Context, r *report.Report, t *tally) error {
	opened := 0
	for _, l := range t.lost {
		outcome, err := l.pod.Trespass(ctx, l.attempt.Number, l.attempt.Family)
		if err != nil {
			return err
		}
		if outcome == fleet.Opened {
			opened++
		}
	}
	r.Check(report.Check{Name: "  of the lost, open a moment later", Want: fmt.Sprint(len(t.lost)), Got: fmt.Sprint(opened)})
	return nil
}

// leaky lets a policy leak, and looks.
func (p *proof) leaky(ctx context.Context, r *report.Report) error {
	const each = 20
	_, before, _ := p.fleet.Doors.Passed()
	if err := p.fleet.Leak(true); err != nil {
		return err
	}
	all, err := p.awaitBystanders(ctx, fleet.Opened)
	if err != nil {
		return err
	}
	opened := 0
	for _, pod := range p.fleet.Bystanders {
		for i := range each {
			outcome, err := pod.Trespass(ctx, uint32(i), scene.Families[i%2])
			if err != nil {
				return err
			}
			if outcome != fleet.Blocked {
				opened++
			}
		}
	}
	if err := p.fleet.Leak(false); err != nil {
		return err
	}
	late, err := p.awaitBystanders(ctx, fleet.Blocked)
	if err != nil {
		return err
	}
	all += opened + late
	seen := p.fleet.Doors.AwaitStrangers(before+all) - before
	want := each * len(p.fleet.Bystanders)
	r.Check(report.Check{Name: fmt.Sprintf("%d attempts at others' names under a policy that leaks", want),
		Want: fmt.Sprintf("%d leaks", want), Got: fmt.Sprintf("%d leaks", opened)})
	r.Check(report.Check{Name: "  connections that the servers had from strangers", Want: fmt.Sprint(all), Got: fmt.Sprint(seen),
		Why: fmt.Sprintf("with %d that tried the policy", all-opened)})
	// A connection that is cut in the middle stays with its server for a while.
	return p.fleet.Doors.AwaitIdle(ctx)
}

// awaitBystanders returns once a change of policy is in force on every node, and
// how many connections it has opened to find out.
func (p *proof) awaitBystanders(ctx context.Context, want fleet.Outcome) (opened int, _ error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, pod := range p.fleet.Bystanders {
		for got := fleet.OutcomeUnknown; got != want; {
			var err error
			if got, err = pod.Trespass(ctx, 0, scene.V4); err != nil {
				return opened, fmt.Errorf("await the policy at %s: %w", pod, err)
			}
			if got != fleet.Blocked {
				opened++
			}
		}
	}
	return opened, nil
}
