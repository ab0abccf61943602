package datapath

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/nameward/nameward/enforcer/policy"
)

func (s *state) shutRoot() string { return filepath.Join(s.dir, "shut") }

// shutDir is "" where nothing is pinned.
func (s *state) shutDir(ifindex int) string {
	if s.dir == "" {
		return ""
	}
	return filepath.Join(s.shutRoot(), strconv.Itoa(ifindex))
}

// pinnedShut are the interfaces that a predecessor has shut, some perhaps gone.
func (s *state) pinnedShut() ([]int, error) {
	if s.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.shutRoot())
	if err != nil {
		return nil, fmt.Errorf("read pinned interfaces: %w", err)
	}
	var all []int
	for _, e := range entries {
		if ifindex, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, ifindex)
		}
	}
	return all, nil
}

// openShut takes over which interfaces a predecessor has shut. An index that
// another interface has now is none of them: a link knows whose it is, and a
// filter on clsact ends with its interface.
func (d *Datapath) openShut() error {
	indices, err := d.state.pinnedShut()
	if err != nil {
		return err
	}
	for _, ifindex := range indices {
		f := newFilters(shutSlot, d.state.shutDir(ifindex))
		for _, s := range sides {
			a, err := f.inherit(s, ifindex)
			if err != nil {
				return fmt.Errorf("take over filter of interface %d: %w", ifindex, err)
			}
			if a != nil {
				f.attachments[s] = a
			}
		}
		if len(f.attachments) == 0 {
			if err := d.forget(ifindex, &f); err != nil {
				return err
			}
			continue
		}
		f.ifindex = ifindex
		d.shut[ifindex] = &f
	}
	return nil
}

// inherit gives the filter of a predecessor on that side, or nil.
func (f *filters) inherit(s side, ifindex int) (*attachment, error) {
	own, err := f.finds(s, ifindex)
	if err != nil {
		return nil, err
	}
	if own {
		l, err := link.LoadPinnedLink(filepath.Join(f.dir, s.pin), nil)
		if err != nil {
			return nil, err
		}
		return &attachment{ifindex, l}, nil
	}
	if hasFilter(s, ifindex) {
		return &attachment{ifindex: ifindex}, nil
	}
	return nil, nil
}

// inherits says whether a predecessor's filter of a pod is in force there, which
// Apply is to replace and nothing else.
func (d *Datapath) inherits(ifindex int) bool {
	if _, ok := d.inherited[ifindex]; ok {
		return true
	}
	// On clsact nothing tells the pod, and the first Apply ends it for all.
	return !d.attachedOnce && d.shut[ifindex] == nil && (hasFilter(intoPod, ifindex) || hasFilter(outOfPod, ifindex))
}

// disinherit forgets what the filters of pods now in force have replaced, and
// those of pods that are no more. A pod that is not found yet keeps its own.
func (d *Datapath) disinherit(t *policy.Tables) {
	d.attachedOnce = true
	maps.DeleteFunc(d.inherited, func(_ int, id policy.EndpointID) bool {
		_, stays := t.Endpoints[id]
		_, replaced := d.attached[id]
		return !stays || replaced
	})
}

// podInterfaces are those on which links are that are pinned for pods.
func (s *state) podInterfaces() (map[int]policy.EndpointID, error) {
	pods, err := s.pinnedPods()
	if err != nil {
		return nil, err
	}
	all := make(map[int]policy.EndpointID, len(pods))
	for _, id := range pods {
		for _, side := range sides {
			l, err := link.LoadPinnedLink(filepath.Join(s.podDir(id), side.pin), nil)
			if err != nil {
				if ignoreMissing(err) != nil {
					return nil, fmt.Errorf("look at pinned link: %w", err)
				}
				continue
			}
			if on := linkInterface(l); on != 0 {
				all[on] = id
			}
			if err := l.Close(); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// hasFilter looks for ours on the interface's clsact qdisc.
func hasFilter(s side, ifindex int) bool {
	filters, err := netlink.FilterList(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}, s.parent)
	if err != nil {
		return false // no clsact qdisc there
	}
	for _, f := range filters {
		if b, ok := f.(*netlink.BpfFilter); ok && b.Name == filterName && b.Priority == filterPriority {
			return true
		}
	}
	return false
}

// sweep takes, once, filters off interfaces that are nobody's: their pods ended
// while no enforcer ran, and on clsact nothing tells whose they were.
func (d *Datapath) sweep() error {
	if d.swept {
		return nil
	}
	keep := d.podInterfaces()
	for ifindex := range d.shut {
		keep[ifindex] = true
	}
	err := removeFilters(keep)
	d.swept = err == nil
	return err
}

// removeFilters takes our filters off the clsact qdiscs of all interfaces of the
// network namespace but some.
func removeFilters(keep map[int]bool) error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	var errs []error
	for _, l := range links {
		ifindex := l.Attrs().Index
		for _, s := range sides {
			if !keep[ifindex] && hasFilter(s, ifindex) {
				errs = append(errs, removeFilter(s, ifindex))
			}
		}
	}
	return errors.Join(errs...)
}
