package datapath

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
)

// Detach takes all filters off and removes the pinned state. The pods are
// unprotected then. Filters on clsact qdiscs are looked for on every interface
// of the current network namespace, by their name.
//
// Returns ErrInUse while an enforcer runs, and ErrNotBPF.
func Detach(pin string) error {
	s := &state{dir: pin}
	if _, err := os.Stat(pin); err != nil {
		return fmt.Errorf("look at pin directory: %w", err)
	}
	if err := s.own(); err != nil {
		return err
	}
	errs := []error{removeFilters()}
	pods, err := s.pinnedPods()
	errs = append(errs, err)
	for _, id := range pods {
		errs = append(errs, removePinned(s.podDir(id)))
	}
	return errors.Join(append(errs, os.RemoveAll(pin), s.close())...)
}

func removeFilters() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	var errs []error
	for _, l := range links {
		for _, s := range sides {
			filters, err := netlink.FilterList(l, s.parent)
			if err != nil {
				continue // no clsact qdisc there
			}
			for _, f := range filters {
				if b, ok := f.(*netlink.BpfFilter); ok && b.Name == filterName && b.Priority == filterPriority {
					errs = append(errs, removeFilter(s, l.Attrs().Index))
				}
			}
		}
	}
	return errors.Join(errs...)
}
