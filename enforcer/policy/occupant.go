package policy

import "net/netip"

// Occupant is what the cluster itself uses an address for (N10).
type Occupant uint8

const (
	// Unoccupied is an address that the cluster does not use.
	Unoccupied Occupant = iota
	OccupiedByNode
	OccupiedByPod
	OccupiedByService
)

// Occupant says who has the address. An address that several have is a node's
// first, as hostNetwork pods have it too, then a Service's. Safe for
// concurrent use, also while Next makes something of c.
func (c *Compiled) Occupant(a netip.Addr) Occupant {
	a = plain(a)
	if c.nodes[a] {
		return OccupiedByNode
	}
	if _, ok := c.fronts.Get(a); ok {
		return OccupiedByService
	}
	if _, ok := c.pods.Get(a); ok {
		return OccupiedByPod
	}
	return Unoccupied
}

// nodeAddresses are those of this node and of all others.
func (w *World) nodeAddresses() map[netip.Addr]bool {
	all := make(map[netip.Addr]bool, len(w.LocalAddresses)+len(w.Nodes))
	for _, a := range w.LocalAddresses {
		all[plain(a)] = true
	}
	for i := range w.Nodes {
		for _, a := range w.Nodes[i].Addresses {
			all[plain(a)] = true
		}
	}
	delete(all, netip.Addr{}) // of an object without one
	return all
}
