package datapath

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// Posture is how packets are judged at interfaces without a pod (D9). The zero
// value denies.
type Posture struct {
	// Verdict lets them pass if it is Allow, else not.
	Verdict policy.Verdict
	// Node are this node's own addresses, which may reach whoever is there
	// (P18). From the first Apply on its Tables say so instead.
	Node []netip.Addr
}

// UnknownPod is the endpoint of denials at interfaces without a pod. No UID leads
// to it but by a collision of hashes, and that pod would only lose its name in
// the log.
const UnknownPod policy.EndpointID = 1<<64 - 1

// Shut puts the posture on interfaces that have no pod yet, at once and without
// a policy. All are the interfaces that look like a pod's, whether their pod is
// known or not: the next call's list takes the place of this one's.
//
//   - Where a pod is attached, nothing happens. When it goes or moves, in a later
//     Apply, the posture takes its filters over.
//   - Where none is, the posture holds until an Apply attaches one, which takes
//     the filters over. That the pod is known makes no difference: so no order
//     of Shut and Apply, and no Apply of what was worked out before, leaves an
//     interface open that is in the list.
//   - Where a predecessor's filter of a pod is in force, it stays until the end
//     of the first Apply.
//   - An interface that was in the list, or was shut by a predecessor, and is not
//     in this one, is let go unless a pod is attached: it is gone, or its name
//     says now that it is no pod's. Without any call, the predecessor's stay.
//
// Whoever starts calls it before the first Apply: until then nobody has said which
// interfaces must not be open when a predecessor's pod is gone.
//
// Indices are taken as they are; an interface that is gone meanwhile is no
// error. On error the others are shut, and the caller tries again (D10). To be
// called by the goroutine that calls Apply.
//
// Shut waits for as long as the kernel does, which is milliseconds for each
// interface. Who has something else to do meanwhile calls Guard and ShutNext.
func (d *Datapath) Shut(all []Interface, posture Posture) error {
	err := d.Guard(all, posture)
	for more := true; more; {
		var failed error
		more, failed = d.ShutNext()
		err = errors.Join(err, failed)
	}
	return err
}

// Guard is Shut as far as it does not wait: the posture holds, the list is the new
// one, and interfaces that are in it no more are let go. ShutNext shuts those that
// nothing of ours is on.
func (d *Datapath) Guard(all []Interface, posture Posture) error {
	guarded, err := resolve(all)
	if err != nil {
		return err
	}
	d.guarded = guarded
	errs := []error{d.adopt(posture)}
	for ifindex, f := range d.shut {
		if _, stays := guarded[ifindex]; !stays {
			errs = append(errs, d.letGo(ifindex, f))
		}
	}
	clear(d.fresh)
	// What an Apply that failed half way has left may lose its filters in the next.
	if d.unfinished == nil {
		for ifindex, f := range d.unguarded() {
			if !f.complete() {
				d.fresh[ifindex] = true
			}
		}
	}
	return errors.Join(append(errs, d.guard())...)
}

// ShutNext shuts one side of one interface of Guard's list, as the kernel waits for
// each: all of them for what comes out of pods first. It says whether there may be
// more to do. An interface that failed is tried again when all others are done, and
// then left to the next Apply or Guard.
func (d *Datapath) ShutNext() (more bool, err error) {
	attached := d.podInterfaces()
	for _, s := range sides {
		for ifindex := range d.fresh {
			f := d.shut[ifindex]
			if f == nil || f.complete() || !d.open(ifindex, attached) {
				delete(d.fresh, ifindex)
			} else if f.attachments[s] == nil {
				return true, d.shutSide(ifindex, s)
			}
		}
	}
	return false, d.guard() // programs may be new since the first side
}

// shutSide hooks one side of an interface that ShutNext is to shut.
func (d *Datapath) shutSide(ifindex int, s side) error {
	f := d.shut[ifindex]
	var err error
	if len(f.attachments) == 0 {
		err = d.lead(ifindex)
		f.runs = d.programs
	}
	failed := d.hook(f, s)
	if gone(failed) {
		failed = d.letGo(ifindex, f)
	}
	if err = errors.Join(err, failed); err != nil {
		delete(d.fresh, ifindex)
		return fmt.Errorf("shut interface %d: %w", ifindex, err)
	}
	return nil
}

// resolve finds the interfaces that are known by name alone.
func resolve(all []Interface) (map[int]Interface, error) {
	links, err := openLinks()
	if err != nil {
		return nil, err
	}
	defer links.close()
	found := make(map[int]Interface, len(all))
	for _, on := range all {
		if on.Index == 0 {
			if on.Index, err = links.index(on.Name); err != nil {
				continue // gone
			}
		}
		found[on.Index] = on
	}
	return found, nil
}

// adopt makes the posture the one in force.
func (d *Datapath) adopt(posture Posture) error {
	if before := d.posture.Verdict; before != posture.Verdict {
		d.posture.Verdict = posture.Verdict
		if err := d.cfg.write("endpoints", func() error { return d.posture.enter(d.programs) }); err != nil {
			d.posture.Verdict = before
			return err
		}
	}
	if d.begun {
		return nil
	}
	var node atlas.Map[netip.Addr, policy.Peer]
	for _, a := range posture.Node {
		node = node.With(a, policy.Peer{LocalNode: true})
	}
	return d.programs.moveAddresses(&policy.Tables{Addresses: node})
}

// enter writes the endpoint of interfaces without a pod. Two postures differ in
// one byte, so that a packet sees one or the other.
func (p Posture) enter(into *programs) error {
	e := bpf.KernelEndpoint{Id: uint64(UnknownPod), Slot: shutSlot, Unknown: 1}
	for i := range e.Stances {
		e.Stances[i].DefaultAllow = flag(p.Verdict == policy.Allow)
	}
	return into.Endpoints.Put(shutSlot, bpf.KernelViews{View: [2]bpf.KernelEndpoint{e, e}})
}

// guard sees to it that interfaces of the list which have no pod are shut, by the
// current programs: all of them for what comes out of pods first. Those that are
// left to ShutNext stay so.
func (d *Datapath) guard() error {
	open := d.unguarded()
	maps.DeleteFunc(open, func(ifindex int, _ *filters) bool { return d.fresh[ifindex] })
	errs := make(map[int]error)
	for ifindex := range open {
		errs[ifindex] = d.lead(ifindex)
	}
	for _, s := range sides {
		for ifindex, f := range open {
			err := d.hook(f, s)
			if gone(err) {
				delete(open, ifindex)
				err = d.letGo(ifindex, f)
			}
			errs[ifindex] = errors.Join(errs[ifindex], err)
		}
	}
	var all []error
	for ifindex, err := range errs {
		if err != nil {
			all = append(all, fmt.Errorf("shut interface %d: %w", ifindex, err))
		} else if f := open[ifindex]; f != nil {
			f.runs = d.programs
		}
	}
	return errors.Join(all...)
}

// unguarded are the interfaces of the list that have no pod and do not run the
// current programs.
func (d *Datapath) unguarded() map[int]*filters {
	attached := d.podInterfaces()
	open := make(map[int]*filters)
	for ifindex := range d.guarded {
		if !d.open(ifindex, attached) {
			continue
		}
		f := d.shut[ifindex]
		if f == nil {
			fresh := newFilters(shutSlot, d.state.shutDir(ifindex))
			f = &fresh
			d.shut[ifindex] = f
		}
		f.ifindex = ifindex
		open[ifindex] = f
	}
	return open
}

// open says whether an interface of the list has no pod, nor the current programs.
func (d *Datapath) open(ifindex int, attached map[int]bool) bool {
	f := d.shut[ifindex]
	return !attached[ifindex] && !(f != nil && f.complete() && f.runs == d.programs) && !d.inherits(ifindex)
}

// podInterfaces are those on which filters of pods are, also of pods that could
// not be removed yet.
func (d *Datapath) podInterfaces() map[int]bool {
	all := make(map[int]bool, len(d.pods))
	for _, p := range d.pods {
		all[p.ifindex] = true
	}
	for _, p := range d.leaving {
		all[p.ifindex] = true
	}
	return all
}

// lead prepares that the interface is hooked. Where that fails it is hooked all
// the same: the programs drop what leads nowhere.
func (d *Datapath) lead(ifindex int) error {
	return errors.Join(d.shut[ifindex].makeDir(), d.slots.lead(d.programs, ifindex, shutSlot))
}

// gone says whether the interface was removed meanwhile: ENOLINK is what a link
// says of it (kernel/bpf/tcx.c).
func gone(err error) bool { return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOLINK) }

// letGo takes filters off an interface that is no pod's.
func (d *Datapath) letGo(ifindex int, f *filters) error {
	if err := f.detach(); err != nil {
		return fmt.Errorf("let go of interface %d: %w", ifindex, err)
	}
	if err := d.slots.leave(d.programs, ifindex); err != nil {
		return err
	}
	return d.forget(ifindex, f)
}

// forget ends the record of a shut interface whose filters are gone or another's.
func (d *Datapath) forget(ifindex int, f *filters) error {
	delete(d.shut, ifindex)
	if f.dir == "" {
		return nil
	}
	if err := os.RemoveAll(f.dir); err != nil {
		return fmt.Errorf("remove pins of interface %d: %w", ifindex, err)
	}
	return nil
}
