package datapath

import (
	"errors"

	"github.com/nameward/nameward/bpf"
)

// maxSlots is the number of pods that one node can police (ENDPOINT_SLOTS).
const maxSlots = 1024

// places is the size of the short cut from interface to slot (PLACES).
const places = 65536

var errNoSlot = errors.New("more pods on this node than slots (1024)")

// slots gives each pod an index of its own for as long as it lives, and keeps
// which interface has the short cut where two fall on one place.
type slots struct {
	used   [maxSlots]bool
	places map[uint32]uint32 // place → ifindex
}

func newSlots() *slots { return &slots{places: make(map[uint32]uint32)} }

func (s *slots) take() (uint32, error) {
	for i, used := range s.used {
		if !used {
			s.used[i] = true
			return uint32(i), nil
		}
	}
	return 0, errNoSlot
}

func (s *slots) release(slot uint32) { s.used[slot] = false }

// lead makes packets of the interface find the slot.
func (s *slots) lead(p *programs, ifindex int, slot uint32) error {
	index := uint32(ifindex)
	if err := p.cfg.write("slots", func() error { return p.Slots.Put(index, slot) }); err != nil {
		return err
	}
	if owner, taken := s.places[index%places]; taken && owner != index {
		return nil
	}
	s.places[index%places] = index
	return p.cfg.write("places", func() error {
		return p.Places.Put(index%places, bpf.KernelPlace{Ifindex: index, Slot: slot})
	})
}

// leave undoes lead.
func (s *slots) leave(p *programs, ifindex int) error {
	index := uint32(ifindex)
	if s.places[index%places] == index {
		if err := p.Places.Put(index%places, bpf.KernelPlace{}); err != nil {
			return &UpdateError{"places", err}
		}
		delete(s.places, index%places)
	}
	if err := p.Slots.Delete(index); err != nil && !isMissing(err) {
		return &UpdateError{"slots", err}
	}
	return nil
}
