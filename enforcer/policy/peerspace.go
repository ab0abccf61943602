package policy

import (
	"encoding/binary"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// peerSpace is the peer classes of a set of rules in one World.
type peerSpace struct {
	sets      []*peerSet // sorted by digest
	classes   []peerClass
	addresses atlas.Map[netip.Addr, Peer]
	prefixes  map[netip.Prefix]ClassID

	// What is needed to place one more address: the sets of crowds and those
	// of addresses that no pod has to be at, by number.
	crowds *crowdSets
	fixed  map[netip.Addr][]int32
	// edges are the addresses at which a block or a hole is, alone: what is
	// around does not say what covers them.
	edges map[netip.Addr]bool
	// local are this node's own.
	local    map[netip.Addr]bool
	fronts   fronts
	interned *interner
	borders  *borders
}

// crowdSets are the sets that each crowd of the census is in.
type crowdSets struct{ sets [][]int32 }

// peerClass is the addresses that exactly these sets contain. Members are in
// the order of their digests.
type peerClass struct {
	id      ClassID
	digest  digest
	members []*peerSet
}

// partitionPeers gives every address and prefix that a set tells from its
// surroundings its class. The class of no set comes first. What before, which
// may be nil, has sorted is not sorted again.
func partitionPeers(sets []*peerSet, c *census, f fronts, w *World, short shorten, before *peerSpace) *peerSpace {
	s := &peerSpace{
		sets:    sets,
		classes: []peerClass{{}},
		crowds:  &crowdSets{},
		fixed:   map[netip.Addr][]int32{},
		edges:   map[netip.Addr]bool{},
		local:   map[netip.Addr]bool{},
		fronts:  f,
	}
	if before != nil {
		s.borders = bordersOf(sets, before.borders, before.sets)
		s.prefixes = make(map[netip.Prefix]ClassID, len(before.prefixes))
	} else {
		s.borders = bordersOf(sets, nil, nil)
		s.prefixes = map[netip.Prefix]ClassID{}
	}
	for _, a := range w.LocalAddresses {
		if a.IsValid() {
			s.local[plain(a)] = true
		}
	}
	s.interned = newInterner(s, short)
	s.gather(c, w)
	walk := &prefixWalk{
		space:  s,
		sets:   s.borders.sets,
		holes:  make([]int32, len(s.borders.sets)),
		counts: make([]int32, len(sets)),
		in:     s.interned,
	}
	for _, e := range s.borders.edges {
		if e.prefix.IsSingleIP() {
			s.edges[e.prefix.Addr()] = true
		}
	}
	walk.run(s.borders.edges, s.hosts(c))
	s.addresses = walk.addresses.Map()
	s.guardIPv4()
	return s
}

// hosts gives, in order, every address that is to be placed, and the sets that
// contain it otherwise than by CIDR.
func (s *peerSpace) hosts(c *census) iter.Seq2[netip.Addr, []int32] {
	return func(yield func(netip.Addr, []int32) bool) {
		others := s.others()
		for a, who := range c.at.All() {
			for ; len(others) > 0 && others[0].Compare(a) < 0; others = others[1:] {
				if !yield(others[0], s.fixed[others[0]]) {
					return
				}
			}
			if len(others) > 0 && others[0] == a {
				others = others[1:]
			}
			if !yield(a, s.exact(a, who, c)) {
				return
			}
		}
		for _, a := range others {
			if !yield(a, s.fixed[a]) {
				return
			}
		}
	}
}

// others are the addresses to be placed whether or not a pod has them, sorted.
func (s *peerSpace) others() []netip.Addr {
	all := slices.AppendSeq(slices.Collect(maps.Keys(s.fixed)), maps.Keys(s.local))
	for a := range s.fronts.All() {
		all = append(all, a)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// exact gives the sets that contain an address otherwise than by CIDR.
func (s *peerSpace) exact(a netip.Addr, who *company, c *census) []int32 {
	members := s.fixed[a]
	if who == nil {
		return members
	}
	for _, n := range who.crowds {
		if of := s.setsOf(n, c); len(members) == 0 {
			members = of
		} else {
			members = union(nil, members, of)
		}
	}
	return members
}

// mark gives what is to be known of an address besides its class.
func (s *peerSpace) mark(a netip.Addr) (mark Peer, marked bool) {
	mark.LocalNode = s.local[a]
	services, _ := s.fronts.Get(a)
	mark.Service = slices.ContainsFunc(services, func(service *Service) bool { return service.leads(a) })
	return mark, mark.LocalNode || mark.Service
}

// guardIPv4 keeps IPv4 from falling through to an IPv6 prefix: the kernel
// holds both families in one table, IPv4 below ::ffff:0:0/96 (P11).
func (s *peerSpace) guardIPv4() {
	mapped := netip.MustParseAddr("::ffff:0:0")
	everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	for p := range s.prefixes {
		if p.Addr().Is6() && p.Bits() < 96 && contains6(p, mapped) {
			if _, ok := s.prefixes[everything]; !ok {
				s.prefixes[everything] = AnyPeer
			}
			return
		}
	}
}

// contains6 compares 16-byte forms, which netip does not do for IPv4-mapped
// addresses.
func contains6(p netip.Prefix, a netip.Addr) bool {
	masked, err := a.Prefix(p.Bits())
	return err == nil && masked.Addr().As16() == p.Addr().As16()
}

// gather finds out the sets of crowds and those of single addresses.
func (s *peerSpace) gather(c *census, w *World) {
	s.crowds.sets = make([][]int32, len(c.crowds))
	for i, set := range s.sets {
		n := int32(i)
		for _, m := range c.inSet(set) {
			s.crowds.sets[m] = append(s.crowds.sets[m], n)
		}
		for i := range w.Nodes {
			if node := &w.Nodes[i]; set.hasNode(node) {
				for _, a := range node.Addresses {
					s.fixed[plain(a)] = insert(s.fixed[plain(a)], n)
				}
			}
		}
		for _, a := range set.hosts {
			s.fixed[a] = insert(s.fixed[a], n)
		}
	}
	delete(s.fixed, netip.Addr{}) // of an object without one
}

// inSet gives the crowds whose pods are in s by a selector, ascending.
func (c *census) inSet(s *peerSet) []int32 {
	var found []int32
	for _, selector := range s.pods {
		found = append(found, c.match(selector)...)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if s.port == nil {
		return found
	}
	return slices.DeleteFunc(found, func(n int32) bool {
		return !slices.Contains(c.crowds[n].ports, *s.port)
	})
}

func (s *peerSet) hasNode(n *Node) bool {
	for _, selector := range s.nodes {
		if selector.Matches(n.Labels) {
			return true
		}
	}
	return false
}

// insert adds n to a sorted set without changing the array it came in.
func insert(set []int32, n int32) []int32 {
	at, found := slices.BinarySearch(set, n)
	if found {
		return set
	}
	return slices.Insert(slices.Clip(set), at, n)
}

// union appends the sorted union of two sorted sets to into.
func union(into, a, b []int32) []int32 {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			into, a = append(into, a[0]), a[1:]
		case a[0] > b[0]:
			into, b = append(into, b[0]), b[1:]
		default:
			into, a, b = append(into, a[0]), a[1:], b[1:]
		}
	}
	return append(append(into, a...), b...)
}

// interner gives one class to all addresses with the same sets.
type interner struct {
	space   *peerSpace
	short   shorten
	known   map[string]ClassID // numbers of the sets → class
	members map[ClassID][]int32
	// uses counts the entries of each class.
	uses map[ClassID]int
	key  []byte
}

func newInterner(s *peerSpace, short shorten) *interner {
	return &interner{
		space: s, short: short, known: map[string]ClassID{"": AnyPeer},
		members: map[ClassID][]int32{}, uses: map[ClassID]int{},
	}
}

// find gives the class of the sets where some address has it.
func (in *interner) find(members []int32) (ClassID, bool) {
	in.key = in.key[:0]
	for _, n := range members {
		in.key = binary.LittleEndian.AppendUint32(in.key, uint32(n))
	}
	id, ok := in.known[string(in.key)]
	return id, ok
}

func (in *interner) class(members []int32) ClassID {
	if id, ok := in.find(members); ok {
		return id
	}
	sum := newRendering("peer class")
	class := peerClass{members: make([]*peerSet, len(members))}
	for i, n := range members {
		class.members[i] = in.space.sets[n]
		sum = sum.digest(class.members[i].digest)
	}
	class.digest = sum.sum()
	class.id = ClassID(in.short(class.digest)) &^ nameClassBit
	class.id = max(class.id, 1)
	in.known[string(in.key)] = class.id
	in.members[class.id] = slices.Clone(members)
	in.space.classes = append(in.space.classes, class)
	return class.id
}
