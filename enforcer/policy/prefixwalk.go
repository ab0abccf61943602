package policy

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// prefixWalk visits all prefixes in order of nesting, so that at any moment
// the blocks that cover the visited prefix are known by what was entered and
// not left yet. The cost is by prefixes and by what changes between them.
type prefixWalk struct {
	space     *peerSpace
	addresses atlas.Builder[netip.Addr, Peer]
	in        *interner
	sets      []int32 // of each block
	holes     []int32 // of each block that were entered; holes may nest
	counts    []int32 // per set, how many of its blocks cover
	current   []int32 // sets with a count, sorted
	open      []openPrefix
	scratch   []int32
}

// openPrefix is a prefix that was entered and not left.
type openPrefix struct {
	prefix netip.Prefix
	edges  []edge
	class  ClassID
}

// run takes the borders of blocks and, beside them, the addresses to be placed
// with the sets that contain them otherwise than by CIDR. Both are sorted.
func (w *prefixWalk) run(edges []edge, hosts iter.Seq2[netip.Addr, []int32]) {
	for a, exact := range hosts {
		host := netip.PrefixFrom(a, a.BitLen())
		for len(edges) > 0 && comparePrefixes(edges[0].prefix, host) < 0 {
			edges = w.next(edges, nil)
		}
		if len(edges) > 0 && edges[0].prefix == host {
			edges = w.next(edges, exact)
			continue
		}
		w.leaveUntil(host)
		w.place(host, w.around(), exact)
	}
	for len(edges) > 0 {
		edges = w.next(edges, nil)
	}
	w.leaveUntil(netip.Prefix{})
}

// next enters the prefix of the first edge, and gives those of others.
func (w *prefixWalk) next(edges []edge, exact []int32) []edge {
	p := edges[0].prefix
	same := 1
	for same < len(edges) && edges[same].prefix == p {
		same++
	}
	w.leaveUntil(p)
	for _, e := range edges[:same] {
		w.cross(e, false)
	}
	w.open = append(w.open, openPrefix{p, edges[:same], w.place(p, w.around(), exact)})
	return edges[same:]
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

// around is the class of the innermost open prefix.
func (w *prefixWalk) around() ClassID {
	if n := len(w.open); n > 0 {
		return w.open[n-1].class
	}
	return AnyPeer
}

// place stores the class of p, unless what is around it says the same.
func (w *prefixWalk) place(p netip.Prefix, around ClassID, exact []int32) ClassID {
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
	w.scratch = union(w.scratch[:0], w.current, exact)
	class := w.in.class(w.scratch)
	if mark, marked := w.space.mark(p.Addr()); marked || class != around {
		mark.Class = class
		w.addresses.Add(p.Addr(), mark)
		w.in.uses[class]++
	}
	return class
}

// cross steps over one edge, inwards or back out.
func (w *prefixWalk) cross(e edge, back bool) {
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
