package datapath

import (
	"github.com/nameward/nameward/bpf"
)

// shutSlot is that of whoever is at interfaces without a pod.
const shutSlot uint32 = 0

// leastSlots is ENDPOINT_SLOTS: how many pods programs have room for at least.
const leastSlots = 1024

// interfacesPerSlot is how many interfaces may lead to slots, for each: those
// without a pod share one.
const interfacesPerSlot = 4

// places is the size of the short cut from interface to slot (PLACES).
const places = 65536

// slots gives each pod an index of its own for as long as it lives, and keeps
// which interface has the short cut where two fall on one place.
type slots struct {
	used   []bool
	count  int
	places map[uint32]uint32 // place → ifindex
}

func newSlots() *slots {
	return &slots{used: []bool{shutSlot: true}, count: 1, places: make(map[uint32]uint32)}
}

// take gives the lowest that is free.
func (s *slots) take() uint32 {
	s.count++
	for i, used := range s.used {
		if !used {
			s.used[i] = true
			return uint32(i)
		}
	}
	s.used = append(s.used, true)
	return uint32(len(s.used) - 1)
}

func (s *slots) release(slot uint32) {
	s.used[slot] = false
	s.count--
}

// room is a size of tables in which n slots have a place, and all that are used:
// it doubles, since a larger one means new programs.
func (s *slots) room(n int) int {
	size := leastSlots
	for size < max(n, len(s.used)) {
		size *= 2
	}
	return size
}

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
