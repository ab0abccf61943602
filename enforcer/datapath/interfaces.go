package datapath

import (
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
	d.attached = make(map[policy.EndpointID]Interface, len(t.Endpoints))
	for id := range t.Endpoints {
		p := d.pods[id]
		ifindex, err := links.find(interfaces[id])
		if err != nil {
			missing = append(missing, &InterfaceError{p.ref, interfaces[id], err})
			continue
		}
		if p.ifindex != ifindex || p.runs != d.programs {
			if err := d.attachPod(p, ifindex); err != nil {
				return missing, fmt.Errorf("pod %s/%s: %w", p.ref.Namespace, p.ref.Name, err)
			}
		}
		d.attached[id] = Interface{interfaces[id].Name, ifindex}
	}
	return missing, nil
}

// Attached tells on which interface each pod's policy is in force, as of the last
// Apply, with its index. To be called by the goroutine that calls Apply; the map
// is not changed after.
func (d *Datapath) Attached() map[policy.EndpointID]Interface { return d.attached }

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
		if err := d.leave(&p.filters); err != nil {
			return err
		}
	}
	if shut := d.shut[ifindex]; shut != nil {
		if err := p.take(shut); err != nil {
			return err
		}
		if err := d.forget(ifindex, shut); err != nil {
			return err
		}
	}
	if p.ifindex == ifindex && p.runs == d.programs && p.complete() {
		return nil // taken over as they are: to replace them waits for whoever changes interfaces
	}
	return d.run(&p.filters, ifindex)
}
