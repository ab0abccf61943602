package policy

import (
	"bytes"
	"maps"
	"slices"
)

// setsOf gives all sets that any rule of the lists uses, sorted.
func setsOf(lists map[ListID]*tierList) ([]*peerSet, []*portSet) {
	peers, ports := map[digest]*peerSet{}, map[digest]*portSet{}
	for _, list := range lists {
		for _, r := range list.rules {
			for _, t := range r.terms {
				if t.peers != nil {
					peers[t.peers.digest] = t.peers
				}
				if t.ports != nil {
					ports[t.ports.digest] = t.ports
				}
			}
			if r.namePorts != nil {
				ports[r.namePorts.digest] = r.namePorts
			}
		}
	}
	return slices.SortedFunc(maps.Values(peers), comparePeerSets), slices.SortedFunc(maps.Values(ports), comparePortSets)
}

func comparePeerSets(a, b *peerSet) int { return bytes.Compare(a.digest[:], b.digest[:]) }

func comparePortSets(a, b *portSet) int { return bytes.Compare(a.digest[:], b.digest[:]) }

// mergePeerSets gives the sets of both, sorted.
func mergePeerSets(a, b []*peerSet) []*peerSet {
	all := slices.Concat(a, b)
	slices.SortFunc(all, comparePeerSets)
	return slices.CompactFunc(all, func(x, y *peerSet) bool { return x.digest == y.digest })
}

// mergePortSets gives the sets of both, sorted.
func mergePortSets(a, b []*portSet) []*portSet {
	all := slices.Concat(a, b)
	slices.SortFunc(all, comparePortSets)
	return slices.CompactFunc(all, func(x, y *portSet) bool { return x.digest == y.digest })
}
