package policy

import "slices"

// every stands for all peers or all ports among the numbers of sets.
const every int32 = -1

// speaker says what a list's rules do about a group of peers and ports. Its
// cost is by the terms that match, not by all there are: N rules for one block
// would otherwise cost N times N.
type speaker struct {
	terms []numberedTerm
	// ofPeers are the terms of each peer set, and wide those for all peers,
	// both in the order of the rules.
	ofPeers map[int32][]int32
	wide    []int32
	// portGroups are the groups of ports that each port set is made of.
	portGroups map[int32][]int32
	here       []int32
}

// numberedTerm is a term with its sets numbered within the list.
type numberedTerm struct {
	row   Precedence
	ports int32
}

func newSpeaker(list *tierList, peers, ports map[digest]int32, portSets [][]int32) *speaker {
	s := &speaker{ofPeers: map[int32][]int32{}, portGroups: map[int32][]int32{}}
	for i, r := range list.rules {
		for _, t := range r.terms {
			n := int32(len(s.terms))
			term := numberedTerm{row: NewPrecedence(uint32(i)+1, r.action), ports: every}
			if t.ports != nil {
				term.ports = ports[t.ports.digest]
			}
			s.terms = append(s.terms, term)
			if t.peers == nil {
				s.wide = append(s.wide, n)
			} else {
				set := peers[t.peers.digest]
				s.ofPeers[set] = append(s.ofPeers[set], n)
			}
		}
	}
	for group, sets := range portSets {
		for _, set := range sets {
			s.portGroups[set] = append(s.portGroups[set], int32(group))
		}
	}
	return s
}

// about appends, for every group of ports, the first rule for the peers that
// are in exactly these sets.
func (s *speaker) about(cells []Precedence, peers []int32, groups int) []Precedence {
	s.here = append(s.here[:0], s.wide...)
	for _, set := range peers {
		s.here = append(s.here, s.ofPeers[set]...)
	}
	slices.Sort(s.here)
	start := len(cells)
	for range groups {
		cells = append(cells, NoRule)
	}
	say := cells[start:]
	for _, n := range s.here {
		t := s.terms[n]
		if t.ports == every {
			for group := range say {
				say[group] = min(say[group], t.row)
			}
			break // what comes later decides nowhere
		}
		for _, group := range s.portGroups[t.ports] {
			say[group] = min(say[group], t.row)
		}
	}
	return cells
}
