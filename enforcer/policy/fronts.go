package policy

import (
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// fronts are the Services that have an address. The slices are immutable.
type fronts = atlas.Map[netip.Addr, []*Service]

func frontsOf(services []*Service) fronts {
	type front struct {
		address netip.Addr
		service *Service
	}
	var all []front
	for _, s := range services {
		for _, a := range s.addresses() {
			all = append(all, front{a, s})
		}
	}
	slices.SortStableFunc(all, func(a, b front) int { return a.address.Compare(b.address) })
	var out atlas.Builder[netip.Addr, []*Service]
	for len(all) > 0 {
		var together []*Service
		for _, f := range all {
			if f.address != all[0].address {
				break
			}
			together = append(together, f.service)
		}
		out.Add(all[0].address, together)
		all = all[len(together):]
	}
	return out.Map()
}

// moveFronts lets Services go and come, and gives the addresses that were or
// are theirs.
func moveFronts(f fronts, services edit[Service]) (fronts, []netip.Addr) {
	var touched []netip.Addr
	for _, s := range services.gone {
		for _, a := range s.addresses() {
			touched = append(touched, a)
			there, _ := f.Get(a)
			if rest := without(there, s); len(rest) > 0 {
				f = f.With(a, rest)
			} else {
				f = f.Without(a)
			}
		}
	}
	for _, s := range services.come {
		for _, a := range s.addresses() {
			touched = append(touched, a)
			there, _ := f.Get(a)
			f = f.With(a, append(slices.Clip(there), s))
		}
	}
	return f, touched
}

// addresses are those of the Service as packets show them, each once.
func (s *Service) addresses() []netip.Addr {
	var all []netip.Addr
	for _, a := range s.Addresses {
		if a := plain(a); a.IsValid() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}
