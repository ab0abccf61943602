package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// Compare sorts by address, protocol and port.
func (k ServiceKey) Compare(other ServiceKey) int {
	return cmp.Or(k.Addr.Compare(other.Addr), cmp.Compare(k.Protocol, other.Protocol), cmp.Compare(k.Port, other.Port))
}

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

// targets gives what is behind Services, by the classes of t.
func (t *Tables) targets(f fronts) atlas.Map[ServiceKey, Targets] {
	var all atlas.Builder[ServiceKey, Targets]
	for a, services := range f.All() {
		at := t.targetsAt(a, services)
		for _, key := range slices.SortedFunc(maps.Keys(at), ServiceKey.Compare) {
			all.Add(key, at[key])
		}
	}
	return all.Map()
}

// targetsAt gives what is behind an address. Services that share it and a port
// share the backends as well.
func (t *Tables) targetsAt(a netip.Addr, services []*Service) map[ServiceKey]Targets {
	kinds := map[ServiceKey][]Cell{}
	for _, s := range services {
		for i := range s.Ports {
			port := &s.Ports[i]
			if behind := port.behind(a); len(behind) > 0 {
				key := ServiceKey{a, port.Protocol, port.Port}
				kinds[key] = t.kinds(kinds[key], port.Protocol, behind)
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

// followServices gives what targets gives, where t differs from before by
// the classes of the touched addresses and by what is at those of Services that
// went or came.
func (t *Tables) followServices(before *Compiled, to *Compiled, touched, fronts []netip.Addr) atlas.Map[ServiceKey, Targets] {
	all := before.Tables.Services
	for _, s := range to.world.Services {
		if s.anyBehind(touched) {
			fronts = append(fronts, s.addresses()...)
		}
	}
	slices.SortFunc(fronts, netip.Addr.Compare)
	for _, a := range slices.Compact(fronts) {
		services, _ := to.fronts.Get(a)
		now := t.targetsAt(a, services)
		old, _ := before.fronts.Get(a)
		for _, key := range portsAt(a, old) {
			if _, stays := now[key]; !stays {
				all = all.Without(key)
			}
		}
		for key, targets := range now {
			if known, ok := all.Get(key); !ok || known != targets {
				all = all.With(key, targets)
			}
		}
	}
	return all
}

// portsAt gives the ports that Services have at an address.
func portsAt(a netip.Addr, services []*Service) (keys []ServiceKey) {
	for _, s := range services {
		for i := range s.Ports {
			keys = append(keys, ServiceKey{a, s.Ports[i].Protocol, s.Ports[i].Port})
		}
	}
	return keys
}

// anyBehind says whether one of the addresses, which are sorted, is a backend.
func (s *Service) anyBehind(addresses []netip.Addr) bool {
	return len(addresses) > 0 && slices.ContainsFunc(s.Ports, func(p ServicePort) bool {
		return slices.ContainsFunc(p.Backends, func(b Backend) bool {
			_, found := slices.BinarySearchFunc(addresses, plain(b.Addr), netip.Addr.Compare)
			return found
		})
	})
}

// reportServices tells of Services that nothing may reach.
func (c *Compiled) reportServices() {
	for key, targets := range c.Tables.Services.All() {
		if targets.Count > MaxTargets {
			c.Problems = append(c.Problems, Problem{Reason: fmt.Sprintf(
				"service address %s port %d/%d leads to more than %d kinds of backends that policies tell apart; all traffic to it is denied",
				key.Addr, key.Port, key.Protocol, MaxTargets)})
		}
	}
}
