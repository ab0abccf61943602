package datapath

import (
	"errors"
	"fmt"
	"os"
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
	if err := s.own(ownPatience); err != nil {
		return err
	}
	errs := []error{removeFilters(nil)}
	pods, err := s.pinnedPods()
	errs = append(errs, err)
	for _, id := range pods {
		errs = append(errs, removePinned(s.podDir(id)))
	}
	shut, err := s.pinnedShut()
	errs = append(errs, err)
	for _, ifindex := range shut {
		errs = append(errs, removePinned(s.shutDir(ifindex)))
	}
	return errors.Join(append(errs, os.RemoveAll(pin), s.close())...)
}
