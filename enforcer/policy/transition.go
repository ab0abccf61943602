package policy

import (
	"maps"
	"slices"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// Transition is where Tables stop on the way from one World to the next, so
// that every packet is judged by the whole old or the whole new policy (D7)
// though the kernel takes one write at a time.
//
// Its classes are fine enough for the rules of both and its addresses and
// services are those of to, but its endpoints still have the policies of from.
// It has the rows of both for every class that a packet may meet between two
// writes: of from's lists under the classes of from and its own, of to's lists
// under its own and those of to. So each step may write in this order: new
// rows, endpoints, then addresses, services, prefixes and ports in any order,
// and last take away old rows. Name rows are not in it; TransitionNameRows has
// those.
func Transition(from, to *Compiled) *Tables {
	t := &Tables{Endpoints: closeShared(from, to), Lists: make(map[ListID]*List, len(to.lists))}
	if samePartition(from, to) {
		t.Addresses, t.Prefixes, t.Ports = to.Tables.Addresses, to.Tables.Prefixes, to.Tables.Ports
		t.Services = to.Tables.Services
		maps.Copy(t.Lists, from.Tables.Lists)
		maps.Copy(t.Lists, to.Tables.Lists)
		return t
	}
	peers, ports := peersBetween(from, to), portsBetween(from, to)
	t.Addresses, t.Prefixes, t.Ports = peers.addresses, peers.prefixes, ports.spans
	t.Services = t.targetsBetween(from, to, peers, ports)
	before := newCatalog(slices.Concat(from.peers.classes, peers.classes), slices.Concat(from.ports.classes, ports.classes))
	after := newCatalog(slices.Concat(to.peers.classes, peers.classes), slices.Concat(to.ports.classes, ports.classes))
	for id, list := range from.lists {
		t.Lists[id] = from.listBetween(id, list, before)
	}
	for id, list := range to.lists {
		rows := to.listBetween(id, list, after)
		if old, both := t.Lists[id]; both && old != rows {
			rows = unite(old, rows)
		}
		t.Lists[id] = rows
	}
	return t
}

// targetsBetween gives what is behind the Services of to by the classes of t,
// without looking where one of the two has just that.
func (t *Tables) targetsBetween(from, to *Compiled, peers *peerSpace, ports *portSpace) atlas.Map[ServiceKey, Targets] {
	switch {
	case peers == to.peers && samePorts(ports, to.ports):
		return to.Tables.Services
	case peers == from.peers && samePorts(ports, from.ports): // and so with the same Services
		return from.Tables.Services
	}
	return t.targets(to.fronts)
}

// peersBetween tells apart what from or to do, at the addresses of to.
func peersBetween(from, to *Compiled) *peerSpace {
	sets := mergePeerSets(from.peers.sets, to.peers.sets)
	switch {
	case len(sets) == len(to.peers.sets):
		return to.peers
	case len(sets) == len(from.peers.sets) && samePeers(from.world, to.world):
		return from.peers
	}
	return partitionPeers(sets, to.census, to.fronts, to.world, to.short, to.peers)
}

// samePeers says whether every address is the same peer in both.
func samePeers(a, b *World) bool {
	ch := changeBetween(a, b)
	return ch.pods.none() && len(ch.namespaces) == 0 && !ch.cluster && ch.services.none()
}

// portsBetween tells apart what from or to do.
func portsBetween(from, to *Compiled) *portSpace {
	sets := mergePortSets(from.ports.sets, to.ports.sets)
	switch {
	case len(sets) == len(to.ports.sets):
		return to.ports
	case len(sets) == len(from.ports.sets):
		return from.ports
	}
	return partitionPorts(sets, to.short)
}

// listBetween gives the list's rows under a catalog that has more classes than
// c: those of c, where none of the others is for the list.
func (c *Compiled) listBetween(id ListID, list *tierList, more *catalog) *List {
	if list.sameRows(c.catalog, more) {
		return c.Tables.Lists[id]
	}
	return more.rows(list)
}

// unite gives the rows of both, which agree where they meet.
func unite(a, b *List) *List {
	rows := make(map[Cell]Precedence, len(a.Rows)+len(b.Rows)/8)
	maps.Copy(rows, a.Rows)
	maps.Copy(rows, b.Rows)
	return &List{Rows: rows, Wide: a.Wide || b.Wide}
}

// closeShared gives the endpoints of from. Where a list of each has the same
// id but not the same rules, the rows under that id are already the new ones,
// so the old endpoint is closed until it gets its new policy.
func closeShared(from, to *Compiled) map[EndpointID]Endpoint {
	endpoints := maps.Clone(from.Tables.Endpoints)
	for id, list := range from.lists {
		other, ok := to.lists[id]
		if !ok || other.digest == list.digest {
			continue
		}
		for ep, endpoint := range endpoints {
			if endpoint.uses(id) {
				endpoints[ep] = closedEndpoint(endpoint.Pod)
			}
		}
	}
	return endpoints
}
