package datapath

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/nameward/nameward/enforcer/policy"
)

// Interface is a host-side interface of a pod, in the network namespace of this
// process.
type Interface struct {
	// Name is for people, and finds the interface where Index is 0.
	Name string
	// Index is what is attached to: an interface that has it under another
	// name was renamed. 0: whichever interface has the name.
	Index int
}

func (i Interface) String() string {
	if i.Index == 0 {
		return strconv.Quote(i.Name)
	}
	return fmt.Sprintf("%q (index %d)", i.Name, i.Index)
}

// attach sees to it that each pod's interface runs the current programs.
func (d *Datapath) attach(t *policy.Tables, interfaces map[policy.EndpointID]Interface) (missing []error, err error) {
	links, err := openLinks()
	if err != nil {
		return nil, err
	}
	defer links.close()
	for id := range t.Endpoints {
		p := d.pods[id]
		ifindex, err := links.find(interfaces[id])
		if err != nil {
			missing = append(missing, &InterfaceError{p.ref, interfaces[id], err})
			continue
		}
		if p.ifindex == ifindex && p.runs == d.programs {
			continue
		}
		if err := d.attachPod(p, ifindex); err != nil {
			return missing, fmt.Errorf("pod %s/%s: %w", p.ref.Namespace, p.ref.Name, err)
		}
	}
	return missing, nil
}

func (d *Datapath) attachPod(p *pod, ifindex int) error {
	if err := d.slots.lead(d.programs, ifindex, p.slot); err != nil {
		return err
	}
	if before := d.at(ifindex); before != nil && before != p {
		if err := d.exchange(p, before); err != nil {
			return err
		}
	}
	if p.ifindex != 0 && p.ifindex != ifindex {
		if err := d.moveAway(p); err != nil {
			return err
		}
	}
	for _, s := range sides {
		if a := p.attachments[s]; a != nil {
			if err := a.replace(s, d.programs.of(s)); err != nil {
				return err
			}
			continue
		}
		a, err := attach(d.cfg.Hook, s, ifindex, d.programs.of(s), p.dir)
		if err != nil {
			return err
		}
		p.attachments[s] = a
	}
	p.ifindex, p.runs = ifindex, d.programs
	return nil
}

// moveAway leaves the interface that was the pod's before.
func (d *Datapath) moveAway(p *pod) error {
	var errs []error
	for s, a := range p.attachments {
		errs = append(errs, a.detach(s))
		delete(p.attachments, s)
	}
	errs = append(errs, d.slots.leave(d.programs, p.ifindex))
	p.ifindex = 0
	return errors.Join(errs...)
}
