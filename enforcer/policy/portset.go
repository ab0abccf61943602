package policy

import (
	"cmp"
	"slices"
)

// portSet is everything one rule says about its ports, in one normal form:
// sorted, disjoint, not even touching. Port classes are made of these.
type portSet struct {
	digest digest
	ranges []portRange
}

type portRange struct {
	protocol    uint8
	first, last uint16
}

func newPortSet(ranges []portRange) *portSet {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b portRange) int {
		return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
	})
	s := &portSet{}
	for _, r := range ranges {
		n := len(s.ranges) - 1
		if n >= 0 && s.ranges[n].protocol == r.protocol && int(r.first) <= int(s.ranges[n].last)+1 {
			s.ranges[n].last = max(s.ranges[n].last, r.last)
			continue
		}
		s.ranges = append(s.ranges, r)
	}
	rendered := newRendering("ports")
	for _, r := range s.ranges {
		rendered = rendered.number(int(r.protocol)).number(int(r.first)).number(int(r.last))
	}
	s.digest = rendered.sum()
	return s
}

// portSpace is the port classes of a set of rules.
type portSpace struct {
	sets    []*portSet // sorted by digest
	classes []portClass
	spans   []PortSpan
}

// portClass is the ports that exactly these sets contain.
type portClass struct {
	id      PortClass
	digest  digest
	members []*portSet
}

// partitionPorts cuts the ports at every boundary in use. The class of no set
// comes first.
func partitionPorts(sets []*portSet, short shorten) *portSpace {
	space := &portSpace{sets: sets, classes: []portClass{{}}}
	known := map[digest]PortClass{}
	var inside []int32
	edges := portEdges(sets)
	for i, e := range edges {
		at, _ := slices.BinarySearch(inside, e.set)
		if e.start {
			inside = slices.Insert(inside, at, e.set)
		} else {
			inside = slices.Delete(inside, at, at+1)
		}
		if len(inside) == 0 || i+1 < len(edges) && edges[i+1].at == e.at {
			continue // a gap, or more happens at this boundary
		}
		class := space.class(inside, short, known)
		space.spans = append(space.spans, PortSpan{e.protocol(), uint16(e.at), uint16(edges[i+1].at - 1), class})
	}
	return space
}

// class gives the class of the ports in exactly these sets.
func (s *portSpace) class(inside []int32, short shorten, known map[digest]PortClass) PortClass {
	class := portClass{members: make([]*portSet, len(inside))}
	all := newRendering("port class")
	for i, n := range inside {
		class.members[i] = s.sets[n]
		all = all.digest(s.sets[n].digest)
	}
	class.digest = all.sum()
	if id, ok := known[class.digest]; ok {
		return id
	}
	class.id = PortClass(short(class.digest))
	known[class.digest] = class.id
	s.classes = append(s.classes, class)
	return class.id
}

// portEdge is where a set's range starts, or the port after its last.
type portEdge struct {
	at    int // protocol<<17 | port, so that 65536 is a boundary too
	set   int32
	start bool
}

func (e portEdge) protocol() uint8 { return uint8(e.at >> 17) }

// portEdges gives the boundaries of all ranges in order.
func portEdges(sets []*portSet) []portEdge {
	var edges []portEdge
	for i, s := range sets {
		for _, r := range s.ranges {
			base := int(r.protocol) << 17
			edges = append(edges,
				portEdge{base | int(r.first), int32(i), true},
				portEdge{base + int(r.last) + 1, int32(i), false})
		}
	}
	slices.SortFunc(edges, func(a, b portEdge) int { return cmp.Compare(a.at, b.at) })
	return edges
}
