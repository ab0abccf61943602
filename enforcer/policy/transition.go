package policy

import (
	"maps"
	"slices"
)

// Transition is where Tables stop on the way from one World to the next, so
// that every packet is judged by the whole old or the whole new policy (D7)
// though the kernel takes one write at a time.
//
// Its classes are fine enough for the rules of both and its addresses are
// those of to, but its endpoints still have the policies of from. It has the
// rows of both policies for every class that a packet may meet between two
// writes: of from's policies under the classes of from and its own, of to's
// policies under its own and those of to. So each step may write in this
// order: new rows, endpoints, then addresses, prefixes and ports in any order,
// and last take away old rows. Name rows are not in it; TransitionNameRows has
// those.
func Transition(from, to *Compiled) *Tables {
	peers, ports := to.peers, to.ports
	same := samePolicies(from, to)
	if !same {
		peers = partitionPeers(mergePeerSets(from.peers.sets, to.peers.sets), to.census, to.short)
		ports = partitionPorts(mergePortSets(from.ports.sets, to.ports.sets), to.short)
	}
	t := &Tables{
		Endpoints: closeShared(from, to),
		Addresses: peers.addresses,
		Prefixes:  peers.prefixes,
		Ports:     ports.spans,
	}
	if same && sharesRows(from, to) {
		t.Rows = maps.Clone(to.Tables.Rows)
		return t
	}
	t.Rows = make(map[RowKey]Row, len(from.Tables.Rows)+len(to.Tables.Rows))
	before := newCatalog(slices.Concat(from.peers.classes, peers.classes), slices.Concat(from.ports.classes, ports.classes))
	for _, e := range from.policies {
		before.addRows(t.Rows, e)
	}
	after := newCatalog(slices.Concat(to.peers.classes, peers.classes), slices.Concat(to.ports.classes, ports.classes))
	for _, e := range to.policies {
		after.addRows(t.Rows, e)
	}
	return t
}

// closeShared gives the endpoints of from. Where a policy of each has the same
// id but not the same rules, the rows under that id are already the new ones,
// so the old endpoint is closed until it gets its new policy.
func closeShared(from, to *Compiled) map[EndpointID]Endpoint {
	endpoints := maps.Clone(from.Tables.Endpoints)
	for id, e := range from.policies {
		other, ok := to.policies[id]
		if !ok || other.digest == e.digest {
			continue
		}
		for ep, endpoint := range endpoints {
			if endpoint.Ingress.Policy == id || endpoint.Egress.Policy == id {
				endpoints[ep] = closedEndpoint(endpoint.Pod)
			}
		}
	}
	return endpoints
}
