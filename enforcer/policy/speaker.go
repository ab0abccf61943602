package policy

import "slices"

// every stands for all peers or all ports among the numbers of sets.
const every int32 = -1

// speaker says what a list's rules do about a group of peers and ports.
type speaker struct {
	terms []numberedTerm
	// here are the terms that match the peers asked about.
	here []numberedTerm
}

// numberedTerm is a term with its sets numbered within the list.
type numberedTerm struct {
	rule         uint32
	action       Action
	peers, ports int32
}

func newSpeaker(list *tierList, peers, ports map[digest]int32) *speaker {
	s := &speaker{}
	for i, r := range list.rules {
		for _, t := range r.terms {
			n := numberedTerm{rule: uint32(i), action: r.action, peers: every, ports: every}
			if t.peers != nil {
				n.peers = peers[t.peers.digest]
			}
			if t.ports != nil {
				n.ports = ports[t.ports.digest]
			}
			s.terms = append(s.terms, n)
		}
	}
	return s
}

// at goes to the peers that are in exactly these sets.
func (s *speaker) at(peers []int32) {
	s.here = s.here[:0]
	for _, t := range s.terms {
		if t.peers == every || contains(peers, t.peers) {
			s.here = append(s.here, t)
		}
	}
}

// about gives the first rule for the ports that are in exactly these sets.
func (s *speaker) about(ports []int32) Precedence {
	for _, t := range s.here {
		if t.ports == every || contains(ports, t.ports) {
			return NewPrecedence(t.rule+1, t.action)
		}
	}
	return NoRule
}

func contains(sorted []int32, n int32) bool {
	_, found := slices.BinarySearch(sorted, n)
	return found
}
