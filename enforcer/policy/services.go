package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// leads says whether a connection to the Service at that address can be led to
// a backend. Services do not cross families.
func (s *Service) leads(a netip.Addr) bool {
	return slices.ContainsFunc(s.Ports, func(p ServicePort) bool { return len(p.behind(a)) > 0 })
}

// behind gives the backends of the address's family.
func (p *ServicePort) behind(a netip.Addr) []Backend {
	is4 := plain(a).Is4()
	other := func(b Backend) bool { return plain(b.Addr).Is4() != is4 }
	if !slices.ContainsFunc(p.Backends, other) {
		return p.Backends
	}
	return slices.DeleteFunc(slices.Clone(p.Backends), other)
}

// targets gives what is behind the Services of w, by the classes of t.
// Services that share an address and port share the backends as well.
func (t *Tables) targets(w *World) map[ServiceKey]Targets {
	kinds := map[ServiceKey][]Cell{}
	for _, s := range w.Services {
		for i := range s.Ports {
			port := &s.Ports[i]
			for _, a := range s.Addresses {
				if behind := port.behind(a); a.IsValid() && len(behind) > 0 {
					key := ServiceKey{plain(a), port.Protocol, port.Port}
					kinds[key] = t.kinds(kinds[key], port.Protocol, behind)
				}
			}
		}
	}
	all := make(map[ServiceKey]Targets, len(kinds))
	for key, cells := range kinds {
		targets := Targets{Count: len(cells)}
		if targets.Count > MaxTargets {
			all[key] = Targets{Count: MaxTargets + 1}
			continue
		}
		copy(targets.Of[:], cells)
		all[key] = targets
	}
	return all
}

// kinds adds the cells of backends, sorted and each once.
func (t *Tables) kinds(cells []Cell, protocol uint8, behind []Backend) []Cell {
	for _, b := range behind {
		cell := Cell{t.peerOf(plain(b.Addr)).Class, t.portClassOf(protocol, b.Port)}
		if at, found := slices.BinarySearchFunc(cells, cell, compareCells); !found {
			cells = slices.Insert(cells, at, cell)
		}
	}
	return cells
}

func compareCells(a, b Cell) int {
	return cmp.Or(cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Port, b.Port))
}

// backends are the addresses behind Services.
func (w *World) backends() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for _, s := range w.Services {
		for _, port := range s.Ports {
			for _, b := range port.Backends {
				all[plain(b.Addr)] = true
			}
		}
	}
	return all
}

// reportServices tells of Services that nothing may reach.
func (c *Compiled) reportServices() {
	for key, targets := range c.Tables.Services {
		if targets.Count > MaxTargets {
			c.Problems = append(c.Problems, Problem{Reason: fmt.Sprintf(
				"service address %s port %d/%d leads to more than %d kinds of backends that policies tell apart; all traffic to it is denied",
				key.Addr, key.Port, key.Protocol, MaxTargets)})
		}
	}
}
