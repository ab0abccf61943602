package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf/link"
)

// filters are ours on one interface: those of a pod, or of whoever is at an
// interface that has none yet.
type filters struct {
	// slot is whose packets they are.
	slot uint32
	dir  string // where links are pinned, or ""
	// ifindex is 0 while they are nowhere.
	ifindex     int
	attachments map[side]*attachment
	// runs are the programs that all attachments run.
	runs *programs
}

// complete says whether there is a filter on both sides.
func (f *filters) complete() bool { return len(f.attachments) == len(sides) }

func newFilters(slot uint32, dir string) filters {
	return filters{slot: slot, dir: dir, attachments: make(map[side]*attachment)}
}

// makeDir makes the directory that links are pinned in.
func (f *filters) makeDir() error {
	if f.dir == "" {
		return nil
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("create directory for pins: %w", err)
	}
	return nil
}

// run puts the current programs on the interface, or in the place of those that
// are there. Packets find the slot already.
func (d *Datapath) run(f *filters, ifindex int) error {
	f.ifindex, f.runs = ifindex, nil
	for _, s := range sides {
		if err := d.hook(f, s); err != nil {
			return err
		}
	}
	f.runs = d.programs
	return nil
}

// hook does so on one side.
func (d *Datapath) hook(f *filters, s side) error {
	if a := f.attachments[s]; a != nil {
		return a.replace(s, d.programs.of(s))
	}
	a, err := attach(d.cfg.Hook, s, f.ifindex, d.programs.of(s), f.dir)
	if err == nil {
		f.attachments[s] = a
	}
	return err
}

// take moves the filters from another owner to f, which has none in its hands.
// What f finds pinned on the same interface stays instead, for run to adopt: a
// predecessor ended in the midst of this.
func (f *filters) take(from *filters) error {
	f.ifindex = from.ifindex
	for _, s := range sides {
		a := from.attachments[s]
		if a == nil {
			continue
		}
		own, err := f.finds(s, a.ifindex)
		if err != nil {
			return err
		}
		switch {
		case own:
			err = a.detach(s)
		case a.link != nil && f.dir != "":
			err = a.link.Pin(filepath.Join(f.dir, s.pin))
		}
		if err != nil {
			return fmt.Errorf("move filter of interface %d: %w", a.ifindex, err)
		}
		if !own {
			f.attachments[s] = a
		}
		delete(from.attachments, s)
	}
	f.runs = from.runs
	from.ifindex, from.runs = 0, nil
	return nil
}

// finds says whether a filter of that interface is pinned for f. One of another
// interface, or of one that is gone, is removed.
func (f *filters) finds(s side, ifindex int) (bool, error) {
	if f.dir == "" {
		return false, nil
	}
	l, err := link.LoadPinnedLink(filepath.Join(f.dir, s.pin), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if linkInterface(l) == ifindex {
		return true, l.Close()
	}
	return false, removeLink(l)
}

// detach takes the filters off. On error it can be called again.
func (f *filters) detach() error {
	for s, a := range f.attachments {
		if err := a.detach(s); err != nil {
			return err
		}
		delete(f.attachments, s)
	}
	return nil
}

// release lets go of the filters. Those that are not pinned come off.
func (f *filters) release(pinned bool) error {
	if !pinned {
		return f.detach()
	}
	var errs []error
	for _, a := range f.attachments {
		errs = append(errs, a.close())
	}
	return errors.Join(errs...)
}

// leave takes the filters off the interface, or gives them to whoever is there
// without a pod, if it is one of those that must not be open (D9).
func (d *Datapath) leave(f *filters) error {
	if f.ifindex == 0 {
		return f.detach()
	}
	if on, ok := d.guarded[f.ifindex]; ok && d.exists(on) {
		return d.yield(f)
	}
	if err := f.detach(); err != nil {
		return err
	}
	if err := d.slots.leave(d.programs, f.ifindex); err != nil {
		return err
	}
	f.ifindex = 0
	return nil
}

// yield turns a pod's filters into those of an interface without a pod.
func (d *Datapath) yield(f *filters) error {
	ifindex := f.ifindex
	shut := d.shut[ifindex]
	if shut == nil {
		fresh := newFilters(shutSlot, d.state.shutDir(ifindex))
		shut = &fresh
	}
	if err := shut.makeDir(); err != nil {
		return err
	}
	if err := d.slots.lead(d.programs, ifindex, shutSlot); err != nil {
		return err
	}
	d.shut[ifindex] = shut
	return shut.take(f)
}

// exists asks whether the interface is still there.
func (d *Datapath) exists(on Interface) bool {
	links, err := openLinks()
	if err != nil {
		return true // closed rather than open
	}
	defer links.close()
	return links.exists(on.Index)
}
