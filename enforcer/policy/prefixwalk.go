package policy

import (
	"cmp"
	"net/netip"
	"slices"
)

// prefixWalk visits all prefixes in order of nesting, so that at any moment
// the blocks that cover the visited prefix are known by what was entered and
// not left yet. The cost is by prefixes and by what changes between them.
type prefixWalk struct {
	space   *peerSpace
	exact   map[netip.Addr][]int32
	in      *interner
	counts  []int32 // per set, how many of its blocks cover
	current []int32 // sets with a count, sorted
	open    []openPrefix
	scratch []int32
}

// openPrefix is a prefix that was entered and not left.
type openPrefix struct {
	prefix netip.Prefix
	edges  []edge
	class  ClassID
}

// edge is what happens at the border of a prefix.
type edge struct {
	prefix netip.Prefix
	block  *blockState // nil where an exact address needs a visit
	hole   bool
}

// blockState counts the holes of a block that were entered. Holes may nest.
type blockState struct {
	set   int32
	holes int
}

// boundaries gives all edges in the order of the walk.
func boundaries(sets []*peerSet, exact map[netip.Addr][]int32, marks map[netip.Addr]Peer) []edge {
	edges := make([]edge, 0, len(exact)+len(marks))
	for i, s := range sets {
		for b := range s.blocks {
			state := &blockState{set: int32(i)}
			edges = append(edges, edge{prefix: s.blocks[b].CIDR, block: state})
			for _, hole := range s.blocks[b].Except {
				edges = append(edges, edge{prefix: hole, block: state, hole: true})
			}
		}
	}
	for a := range exact {
		edges = append(edges, edge{prefix: netip.PrefixFrom(a, a.BitLen())})
	}
	for a := range marks {
		edges = append(edges, edge{prefix: netip.PrefixFrom(a, a.BitLen())})
	}
	slices.SortFunc(edges, func(a, b edge) int { return compareNesting(a.prefix, b.prefix) })
	return edges
}

// compareNesting puts every prefix right before those inside it.
func compareNesting(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func (w *prefixWalk) run(edges []edge) {
	for len(edges) > 0 {
		p := edges[0].prefix
		same := 1
		for same < len(edges) && edges[same].prefix == p {
			same++
		}
		w.leaveUntil(p)
		w.enter(p, edges[:same])
		edges = edges[same:]
	}
	w.leaveUntil(netip.Prefix{})
}

// leaveUntil closes all open prefixes that do not contain p.
func (w *prefixWalk) leaveUntil(p netip.Prefix) {
	for n := len(w.open) - 1; n >= 0 && !w.open[n].prefix.Overlaps(p); n-- {
		for i := len(w.open[n].edges) - 1; i >= 0; i-- {
			w.cross(w.open[n].edges[i], true)
		}
		w.open = w.open[:n]
	}
}

func (w *prefixWalk) enter(p netip.Prefix, edges []edge) {
	for _, e := range edges {
		w.cross(e, false)
	}
	around := AnyPeer
	if n := len(w.open); n > 0 {
		around = w.open[n-1].class
	}
	class := w.place(p, around)
	w.open = append(w.open, openPrefix{p, edges, class})
}

// place stores the class of p, unless what is around it says the same.
func (w *prefixWalk) place(p netip.Prefix, around ClassID) ClassID {
	if !p.IsSingleIP() {
		class := w.in.class(w.current)
		if class != around {
			w.space.prefixes[p] = class
			w.in.uses[class]++
		}
		return class
	}
	// The hash of exact addresses is asked first and costs less than the
	// trie, so a prefix of one address is kept there.
	w.scratch = union(w.scratch[:0], w.current, w.exact[p.Addr()])
	class := w.in.class(w.scratch)
	if mark, marked := w.space.marks[p.Addr()]; marked || class != around {
		mark.Class = class
		w.space.addresses[p.Addr()] = mark
		w.in.uses[class]++
	}
	return class
}

// cross steps over one edge, inwards or back out.
func (w *prefixWalk) cross(e edge, back bool) {
	if e.block == nil {
		return
	}
	if !e.hole {
		w.count(e.block.set, !back)
		return
	}
	if back {
		e.block.holes--
	}
	if e.block.holes == 0 {
		w.count(e.block.set, back)
	}
	if !back {
		e.block.holes++
	}
}

// count notes that one more block of the set covers, or one less.
func (w *prefixWalk) count(set int32, more bool) {
	if !more {
		w.counts[set]--
		if w.counts[set] == 0 {
			at, _ := slices.BinarySearch(w.current, set)
			w.current = slices.Delete(w.current, at, at+1)
		}
		return
	}
	w.counts[set]++
	if w.counts[set] == 1 {
		at, _ := slices.BinarySearch(w.current, set)
		w.current = slices.Insert(w.current, at, set)
	}
}
