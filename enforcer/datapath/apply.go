package datapath

import (
	"errors"
	"fmt"

	"github.com/nameward/nameward/enforcer/policy"
)

// Apply brings the tables into the kernel, one step after the other: usually
// policy.Transition from what is there, then what shall be. Interfaces are the
// host-side interfaces of the endpoints of the last step.
//
// Every packet is judged by the whole policy from before or the whole one from
// after. On error each pod has one of them; the caller applies the same again, or
// what leads elsewhere from where this began. Pods without their interface are
// reported as *InterfaceError, joined; all else is in force then. A table that
// refused is an *UpdateError.
func (d *Datapath) Apply(steps []*policy.Tables, interfaces map[policy.EndpointID]Interface) error {
	last := steps[len(steps)-1]
	d.begun = true
	if d.overtakes(last) || !d.fit(steps) {
		if err := d.renew(last); err != nil {
			return err
		}
		d.unfinished = last
		return d.finish(last, interfaces)
	}
	d.unfinished = last
	for _, t := range steps {
		if err := d.step(t, last); err != nil {
			return err
		}
	}
	return d.finish(last, interfaces)
}

// overtakes says whether a change that failed half way is to be followed by
// another. Some pods have its policy then and some peers its classes, for which
// no step of the other has rows: new programs are the way to that.
func (d *Datapath) overtakes(last *policy.Tables) bool {
	return d.unfinished != nil && d.unfinished != last
}

func (d *Datapath) fit(steps []*policy.Tables) bool {
	for _, t := range steps {
		if !d.programs.fits(t) {
			return false
		}
	}
	return d.needs(steps[len(steps)-1]) <= int(d.programs.Endpoints.MaxEntries())
}

// renew puts new programs with tables of their own beside the ones in force.
// The filters are switched over one by one in finish.
func (d *Datapath) renew(t *policy.Tables) error {
	<-d.settled
	next, err := d.load(t)
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
	return old.close()
}

// finish follows the tables: pods that came, went or moved, connections judged
// anew, and rows that nothing leads to any more.
func (d *Datapath) finish(t *policy.Tables, interfaces map[policy.EndpointID]Interface) error {
	if err := d.admit(t); err != nil {
		return err
	}
	missing, err := d.attach(t, interfaces)
	if err != nil {
		return err
	}
	d.disinherit(t)
	if err := d.guard(); err != nil {
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
	if err := d.sweep(); err != nil {
		return err
	}
	d.unfinished = nil
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
	if len(d.leaving) > 0 {
		<-d.settled
		var err error
		d.leaving, err = d.remove(d.leaving)
		errs = append(errs, err)
	}
	pinned, err := d.state.pinnedPods()
	errs = append(errs, err)
	for _, id := range pinned {
		if _, ok := d.pods[id]; !ok {
			errs = append(errs, removePinned(d.state.podDir(id)))
		}
	}
	return errors.Join(errs...)
}
