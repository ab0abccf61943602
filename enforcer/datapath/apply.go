package datapath

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
)

// Apply brings the tables into the kernel, one step after the other: usually
// policy.Transition from what is there, then what shall be. Interfaces are the
// host-side interfaces of the endpoints of the last step.
//
// Every packet is judged by the whole policy from before or the whole one from
// after. On error each pod has one of them; the caller applies the same again.
// Pods without their interface are reported as *InterfaceError, joined; all
// else is in force then. A table that refused is an *UpdateError.
func (d *Datapath) Apply(steps []*policy.Tables, interfaces map[policy.EndpointID]string) error {
	last := steps[len(steps)-1]
	if d.programs == nil || !d.fit(steps) {
		if err := d.renew(last); err != nil {
			return err
		}
		return d.finish(last, interfaces)
	}
	for _, t := range steps {
		if err := d.step(t, last); err != nil {
			return err
		}
	}
	return d.finish(last, interfaces)
}

func (d *Datapath) fit(steps []*policy.Tables) bool {
	for _, t := range steps {
		if !d.programs.fits(t) {
			return false
		}
	}
	return true
}

// renew puts new programs with tables of their own beside the ones in force.
// The filters are switched over one by one in finish.
func (d *Datapath) renew(t *policy.Tables) error {
	<-d.settled
	next, err := load(d.cfg, d.state, t)
	if err != nil {
		return err
	}
	if err := errors.Join(next.rows.add(t), next.move(t)); err != nil {
		return errors.Join(err, next.close())
	}
	var places []func() error
	for id, p := range d.pods {
		// A pod that is about to go is closed until then.
		places = append(places, func() error { return p.place(next, view(id, p.slot, t.Endpoints[id], t)) })
		if p.ifindex != 0 {
			if err := d.slots.lead(next, p.ifindex, p.slot); err != nil {
				return errors.Join(err, next.close())
			}
		}
	}
	if err := together(places...); err != nil {
		return errors.Join(err, next.close())
	}
	old := d.programs
	d.programs = next
	if old != nil {
		return old.close()
	}
	return nil
}

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

// moveAddresses looks at those alone that are told to differ, where it can.
func (p *programs) moveAddresses(t *policy.Tables) error {
	if p.addresses.holds(t.Addresses) {
		return nil
	}
	if t.Before != nil && p.addresses.holds(t.Before) {
		p.traces.trace(slices.Values(t.Changed))
		return p.addresses.adjust(t.Addresses, t.Changed)
	}
	p.traces.trace(maps.Keys(t.Addresses))
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

// finish follows the tables: pods that came, went or moved, connections judged
// anew, and rows that nothing leads to any more.
func (d *Datapath) finish(t *policy.Tables, interfaces map[policy.EndpointID]string) error {
	if err := d.admit(t); err != nil {
		return err
	}
	missing, err := d.attach(t, interfaces)
	if err != nil {
		return err
	}
	if err := d.bumpEpoch(); err != nil {
		return err
	}
	if err := d.removeGone(t); err != nil {
		return err
	}
	if err := d.programs.rows.prune(t); err != nil {
		return err
	}
	return errors.Join(missing...)
}

// admit makes the pods that are new, with their tables, before any packet can
// reach them.
func (d *Datapath) admit(t *policy.Tables) error {
	var fresh []*pod
	var places []func() error
	for id, e := range t.Endpoints {
		if _, ok := d.pods[id]; ok {
			continue
		}
		p, err := d.newPod(id, e.Pod)
		if err != nil {
			d.discard(fresh)
			return fmt.Errorf("pod %s/%s: %w", e.Pod.Namespace, e.Pod.Name, err)
		}
		fresh = append(fresh, p)
		places = append(places, func() error { return p.place(d.programs, view(id, p.slot, e, t)) })
	}
	if err := together(places...); err != nil {
		d.discard(fresh)
		return err
	}
	for _, p := range fresh {
		d.pods[p.id] = p
	}
	return nil
}

// discard undoes newPod and, at the next chance, what place has written; what is
// pinned stays for the next attempt.
func (d *Datapath) discard(fresh []*pod) {
	for _, p := range fresh {
		p.dir = ""
		d.leaving = append(d.leaving, p)
	}
}

// removeGone removes pods that are no more, those of a predecessor included.
func (d *Datapath) removeGone(t *policy.Tables) error {
	var errs []error
	for id, p := range d.pods {
		if _, ok := t.Endpoints[id]; !ok {
			delete(d.pods, id)
			d.leaving = append(d.leaving, p)
		}
	}
	d.leaving = slices.DeleteFunc(d.leaving, func(p *pod) bool {
		<-d.settled
		err := d.remove(p)
		errs = append(errs, err)
		return err == nil
	})
	pinned, err := d.state.pinnedPods()
	errs = append(errs, err)
	for _, id := range pinned {
		if _, ok := d.pods[id]; !ok {
			errs = append(errs, removePinned(d.state.podDir(id)))
		}
	}
	return errors.Join(errs...)
}
