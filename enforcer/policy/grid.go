package policy

import (
	"encoding/binary"
	"slices"
)

// grid is what one tierList says about every peer class and port class. Those
// that its rules do not tell apart share a group, so the rules are tried once
// for each pair of groups and not once for each pair of classes.
type grid struct {
	// relevant are the peer classes that some rule knows, ascending, and
	// groups their groups. All other classes are in group 0, every peer.
	relevant []int32
	groups   []int32
	ports    []int32 // port class → port group
	width    int     // port groups
	cells    []Precedence
}

func (g *grid) at(group, portClass int32) Precedence {
	return g.cells[int(group)*g.width+int(g.ports[portClass])]
}

// catalog numbers the classes that rows are made for.
type catalog struct {
	peers    []peerClass
	ports    []portClass
	ofPeers  map[digest][]int32 // peer set → its classes
	ofPorts  map[digest][]int32
	badPeers map[ClassID]bool // ids that two classes share
	badPorts map[PortClass]bool
	portIDs  []PortClass // of ports
	// ids are what classesOf has been asked for.
	ids map[digest][]ClassID
}

// newCatalog takes classes that may be given more than once.
func newCatalog(peers []peerClass, ports []portClass) *catalog {
	c := &catalog{
		ofPeers: map[digest][]int32{}, ofPorts: map[digest][]int32{},
		badPeers: map[ClassID]bool{}, badPorts: map[PortClass]bool{}, ids: map[digest][]ClassID{},
	}
	knownPeers := map[ClassID]digest{}
	for _, class := range peers {
		if known, ok := knownPeers[class.id]; ok && known == class.digest {
			continue
		} else if ok {
			c.badPeers[class.id] = true
		}
		knownPeers[class.id] = class.digest
		for _, m := range class.members {
			c.ofPeers[m.digest] = append(c.ofPeers[m.digest], int32(len(c.peers)))
		}
		c.peers = append(c.peers, class)
	}
	knownPorts := map[PortClass]digest{}
	for _, class := range ports {
		if known, ok := knownPorts[class.id]; ok && known == class.digest {
			continue
		} else if ok {
			c.badPorts[class.id] = true
		}
		knownPorts[class.id] = class.digest
		for _, m := range class.members {
			c.ofPorts[m.digest] = append(c.ofPorts[m.digest], int32(len(c.ports)))
		}
		c.ports = append(c.ports, class)
		c.portIDs = append(c.portIDs, class.id)
	}
	return c
}

func (c *catalog) bad() bool { return len(c.badPeers)+len(c.badPorts) > 0 }

// classesOf gives the ids of the classes that the set contains, sorted.
func (c *catalog) classesOf(s *peerSet) []ClassID {
	if ids, ok := c.ids[s.digest]; ok {
		return ids
	}
	var ids []ClassID
	for _, n := range c.ofPeers[s.digest] {
		ids = append(ids, c.peers[n].id)
	}
	slices.Sort(ids)
	c.ids[s.digest] = ids
	return ids
}

// marked groups classes by which of a list's sets they are in.
type marked struct {
	sets    map[digest]int32 // set → number within the list
	digests []digest
}

func (m *marked) add(d digest) {
	if _, ok := m.sets[d]; !ok {
		m.sets[d] = int32(len(m.digests))
		m.digests = append(m.digests, d)
	}
}

// group gives the classes in any of the sets, their groups, and for each group
// the numbers of its sets. Group 0 is the classes in none.
func (m *marked) group(of map[digest][]int32) (classes, groups []int32, sets [][]int32) {
	type pair struct{ class, set int32 }
	var pairs []pair
	for n, d := range m.digests {
		for _, class := range of[d] {
			pairs = append(pairs, pair{class, int32(n)})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if a.class != b.class {
			return int(a.class) - int(b.class)
		}
		return int(a.set) - int(b.set)
	})
	sets = [][]int32{nil}
	known := map[string]int32{}
	var key []byte
	for len(pairs) > 0 {
		class := pairs[0].class
		n := 0
		key = key[:0]
		for n < len(pairs) && pairs[n].class == class {
			key = binary.LittleEndian.AppendUint32(key, uint32(pairs[n].set))
			n++
		}
		group, ok := known[string(key)]
		if !ok {
			group = int32(len(sets))
			known[string(key)] = group
			members := make([]int32, n)
			for i := range members {
				members[i] = pairs[i].set
			}
			sets = append(sets, members)
		}
		classes, groups = append(classes, class), append(groups, group)
		pairs = pairs[n:]
	}
	return classes, groups, sets
}

// grid computes what list says.
func (c *catalog) grid(list *tierList) *grid {
	peers, ports := marked{sets: map[digest]int32{}}, marked{sets: map[digest]int32{}}
	for _, r := range list.rules {
		for _, t := range r.terms {
			if t.peers != nil {
				peers.add(t.peers.digest)
			}
			if t.ports != nil {
				ports.add(t.ports.digest)
			}
		}
	}
	g := &grid{ports: make([]int32, len(c.ports))}
	var peerSets [][]int32
	g.relevant, g.groups, peerSets = peers.group(c.ofPeers)
	portClasses, portGroups, portSets := ports.group(c.ofPorts)
	for i, class := range portClasses {
		g.ports[class] = portGroups[i]
	}
	g.width = len(portSets)
	say := newSpeaker(list, peers.sets, ports.sets, portSets)
	for _, in := range peerSets {
		g.cells = say.about(g.cells, in, g.width)
	}
	return g
}
