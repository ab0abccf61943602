package datapath

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// pod is one policed pod: its slot, its own tables and its two filters.
type pod struct {
	filters
	id  policy.EndpointID
	ref policy.PodRef

	connections, grants *ebpf.Map

	// views is what the kernel holds.
	views bpf.KernelViews
}

func isMissing(err error) bool { return errors.Is(err, ebpf.ErrKeyNotExist) }

// newPod takes over what a predecessor has pinned for the same pod.
func (d *Datapath) newPod(id policy.EndpointID, ref policy.PodRef) (*pod, error) {
	p := &pod{filters: newFilters(d.slots.take(), ""), id: id, ref: ref}
	if err := d.openTables(p); err != nil {
		d.slots.release(p.slot)
		return nil, err
	}
	return p, nil
}

func (d *Datapath) openTables(p *pod) error {
	if d.cfg.Pin != "" {
		p.dir = d.state.podDir(p.id)
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			return fmt.Errorf("create directory of pod: %w", err)
		}
	}
	spec, err := bpf.LoadKernel()
	if err != nil {
		return fmt.Errorf("read programs: %w", err)
	}
	d.cfg.size(spec)
	p.connections, err = d.state.open(named(spec, bpf.KernelMapConnections), "pods", podName(p.id), "connections")
	if err != nil {
		return err
	}
	p.grants, err = d.state.open(named(spec, bpf.KernelMapGrants), "pods", podName(p.id), "grants")
	if err != nil {
		return errors.Join(err, p.connections.Close())
	}
	return nil
}

// named gives a pod's table the name of the table of tables that it goes into.
func named(spec *ebpf.CollectionSpec, name string) *ebpf.MapSpec {
	inner := spec.Maps[name].InnerMap.Copy()
	inner.Name = name
	return inner
}

func podName(id policy.EndpointID) string { return fmt.Sprintf("%016x", uint64(id)) }

// place enters the pod into the tables of programs that it is not attached to
// yet.
func (p *pod) place(into *programs, view bpf.KernelEndpoint) error {
	p.views = bpf.KernelViews{View: [2]bpf.KernelEndpoint{view, view}}
	if err := into.cfg.write("endpoints", func() error { return into.Endpoints.Put(p.slot, p.views) }); err != nil {
		return err
	}
	return together(
		func() error {
			return into.cfg.write("connections", func() error { return into.Connections.Put(p.slot, p.connections) })
		},
		func() error {
			return into.cfg.write("grants", func() error { return into.Grants.Put(p.slot, p.grants) })
		},
	)
}

// together does all at once. Each update of a table of tables waits for a grace
// period of tens of milliseconds; those that wait at the same time share it.
func together(all ...func() error) error {
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for i, do := range all {
		wait.Go(func() { errs[i] = do() })
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (p *pod) current() bpf.KernelEndpoint { return p.views.View[p.views.Active] }

// turn switches to another view: first the view that no packet looks at, then the word
// that says which one is current. Preconditions: settled since the last turn.
func (p *pod) turn(in *programs, view bpf.KernelEndpoint) error {
	next := p.views
	next.View[1-next.Active] = view
	if err := in.cfg.write("endpoints", func() error { return in.Endpoints.Put(p.slot, next) }); err != nil {
		return err
	}
	next.Active = 1 - next.Active
	if err := in.cfg.write("endpoints", func() error { return in.Endpoints.Put(p.slot, next) }); err != nil {
		return err
	}
	p.views = next
	return nil
}

// settle returns when every packet that was on its way has left the program.
// The kernel waits for that at every update of a table of tables
// (maybe_wait_bpf_programs in kernel/bpf/syscall.c), so the pod's own entry is
// written again.
func (p *pod) settle(in *programs) error { return in.Grants.Put(p.slot, p.grants) }

// close lets go of the pod. Filters that are not pinned come off.
func (p *pod) close(pinned bool) error {
	return errors.Join(p.release(pinned), p.connections.Close(), p.grants.Close())
}

func drop(table *ebpf.Map, slot uint32) error {
	if err := table.Delete(slot); err != nil && !isMissing(err) {
		return err
	}
	return nil
}

// remove takes the pods' filters off and forgets everything about them, so that
// nothing is left to a successor with the same address (P16). It returns those that
// are still there, whose slots are not given to others, for another attempt (D10).
func (d *Datapath) remove(all []*pod) (rest []*pod, err error) {
	errs := make([]error, len(all))
	var withdrawn []func() error
	for i, p := range all {
		if errs[i] = d.leave(&p.filters); errs[i] == nil {
			withdrawn = append(withdrawn, func() error { errs[i] = d.withdraw(p); return nil })
		}
	}
	_ = together(withdrawn...) // errs has what failed
	for i, p := range all {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("remove pod %s/%s: %w", p.ref.Namespace, p.ref.Name, errs[i])
			rest = append(rest, p)
			continue
		}
		d.forgetPod(p)
	}
	return rest, errors.Join(errs...)
}

// withdraw takes the pod out of the kernel.
func (d *Datapath) withdraw(p *pod) error {
	none := bpf.KernelViews{}
	if err := d.cfg.write("endpoints", func() error { return d.programs.Endpoints.Put(p.slot, none) }); err != nil {
		return err
	}
	return together(
		func() error { return drop(d.programs.Connections, p.slot) },
		func() error { return drop(d.programs.Grants, p.slot) },
	)
}

// forgetPod ends what this process has of a pod that is out of the kernel.
func (d *Datapath) forgetPod(p *pod) {
	errs := []error{p.connections.Close(), p.grants.Close()}
	d.slots.release(p.slot)
	if _, back := d.pods[p.id]; p.dir != "" && !back {
		errs = append(errs, os.RemoveAll(p.dir))
	}
	if err := errors.Join(errs...); err != nil {
		d.cfg.Log.Error("let go of a pod that is removed", "pod", p.ref.Name, "err", err)
	}
}
