package policy

import (
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
	sets    []int32 // of each block
	holes   []int32 // of each block that were entered; holes may nest
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
	if e.block == visit {
		return
	}
	set, holes := w.sets[e.block], &w.holes[e.block]
	if !e.hole {
		w.count(set, !back)
		return
	}
	if back {
		*holes--
	}
	if *holes == 0 {
		w.count(set, back)
	}
	if !back {
		*holes++
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
