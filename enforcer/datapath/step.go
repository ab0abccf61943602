package datapath

import (
	"github.com/nameward/nameward/enforcer/policy"
)

// step changes the tables from what is in force to t. The order is what makes
// it safe: a row is there before anything leads to it, and goes when nothing
// does any more.
func (d *Datapath) step(t, last *policy.Tables) error {
	if err := d.programs.rows.add(t); err != nil {
		return err
	}
	if err := d.turn(t, last); err != nil {
		return err
	}
	return d.programs.move(t)
}

// move gives ports, addresses and prefixes their classes. Each is one write;
// between two of them a packet finds the old or the new class of its peer, and
// under the policies in force both have the same rows.
func (p *programs) move(t *policy.Tables) error {
	if err := p.ports.setPorts(t.Ports); err != nil {
		return err
	}
	// An error ends it: what is not added must not be missed by what is
	// removed after.
	if err := p.prefixes.add(t.Prefixes); err != nil {
		return err
	}
	// A service port is known before its address is one of Services, and as
	// long as it is.
	if err := p.services.add(t.Services); err != nil {
		return err
	}
	if err := p.moveAddresses(t); err != nil {
		return err
	}
	if err := p.services.prune(t.Services); err != nil {
		return err
	}
	return p.prefixes.prune(t.Prefixes)
}

// moveAddresses looks at those alone that differ.
func (p *programs) moveAddresses(t *policy.Tables) error {
	p.traces.trace(differing(p.addresses.there(), t.Addresses))
	if err := p.addresses.add(t.Addresses); err != nil {
		return err
	}
	return p.addresses.prune(t.Addresses)
}

// turn switches the endpoints whose policy changes. One that has got its last
// policy already, in an attempt that failed after, keeps it: it must not see the
// old policy come back, and the rows of that need not fit what peers have become.
func (d *Datapath) turn(t, last *policy.Tables) error {
	var turned *pod
	for id, p := range d.pods {
		e, ok := t.Endpoints[id]
		next := view(id, p.slot, e, t)
		if !ok || p.current() == next {
			continue
		}
		if e, stays := last.Endpoints[id]; stays && p.current() == view(id, p.slot, e, last) {
			continue
		}
		<-d.settled
		if err := p.turn(d.programs, next); err != nil {
			return err
		}
		turned = p
	}
	if turned != nil {
		d.settleAfter(turned)
	}
	return nil
}

// settleAfter waits in the background: a grace period takes milliseconds, and
// held DNS answers must not wait for it.
func (d *Datapath) settleAfter(p *pod) {
	settled, programs := make(chan struct{}), d.programs
	d.settled = settled
	go func() {
		defer close(settled)
		if err := p.settle(programs); err != nil {
			d.cfg.Log.Error("wait for packets in flight", "err", err)
		}
	}()
}
