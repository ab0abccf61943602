package kube

import (
	"cmp"
	"net/netip"
	"slices"
)

// settle gives a pod that came into a place its addresses, unless others name
// them too.
func (s *pods) settle(at int32, p *pod) {
	if !p.hasAddress() {
		return
	}
	for _, a := range p.Addresses {
		switch other, taken := s.owner[a.As16()]; {
		case !taken:
			s.owner[a.As16()] = at
		case s.contested[a] == nil:
			s.contested[a] = []int32{other, at}
		default:
			s.contested[a] = append(s.contested[a], at)
		}
	}
}

// vacate leaves the addresses of a pod to the others that name them.
func (s *pods) vacate(at int32, p *pod) {
	if !p.hasAddress() {
		return
	}
	for _, a := range p.Addresses {
		rivals := slices.DeleteFunc(s.contested[a], func(other int32) bool { return other == at })
		switch len(rivals) {
		case 0:
			delete(s.owner, a.As16())
			continue
		case 1:
			delete(s.contested, a)
		default:
			s.contested[a] = rivals
		}
		s.owner[a.As16()] = rivals[0]
		s.judge(a, rivals)
	}
}

// judgeAll settles who has the addresses of a pod, and says whether that
// differs from before.
func (s *pods) judgeAll(at int32) bool {
	changed := false
	for _, a := range s.all[at].Addresses {
		if rivals := s.contested[a]; rivals != nil {
			changed = s.judge(a, rivals) || changed
		}
	}
	return changed
}

// judge gives an address to the newest of those that name it (P16): the others
// are about to go, and what they left behind is not the new pod's.
func (s *pods) judge(a netip.Addr, rivals []int32) (changed bool) {
	before := s.owner[a.As16()]
	now := slices.MaxFunc(rivals, func(x, y int32) int {
		p, q := s.all[x], s.all[y]
		return cmp.Or(cmp.Compare(p.claim, q.claim), compareKeys(p.key(), q.key()))
	})
	s.owner[a.As16()] = now
	owner := s.all[now]
	for _, at := range rivals {
		if s.crop(at) {
			changed = true
			if p := s.all[at]; p != owner {
				s.log.Warn("two pods have one address; it is taken for that of the newer", "address", a,
					"newer", owner.key(), "older", p.key())
			}
		}
	}
	return changed || before != now
}

// crop takes the addresses from a pod that others have now, and says whether
// that changes anything.
func (s *pods) crop(at int32) bool {
	p := s.all[at]
	own := make([]netip.Addr, 0, len(p.Addresses))
	for _, a := range p.Addresses {
		if s.owner[a.As16()] == at {
			own = append(own, a)
		}
	}
	before, had := s.cropped[at]
	switch {
	case len(own) == len(p.Addresses):
		if !had {
			return false
		}
		delete(s.cropped, at)
		s.given[at] = &p.Pod
	case had && slices.Equal(before.Addresses, own):
		return false
	default:
		less := p.Pod
		less.Addresses = own
		s.cropped[at], s.given[at] = &less, &less
	}
	s.listStale, s.localsStale = true, s.localsStale || s.local[at]
	return true
}

// has says whether a pod has the address for its own.
func (s *pods) has(a netip.Addr) bool {
	_, taken := s.owner[a.As16()]
	return taken
}
