package policy

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
)

// borders are where the blocks of a list of sets begin and end, and their
// holes, in order of nesting. Sorting them is much of what a partition costs,
// so one is made from the one before.
type borders struct {
	edges []edge
	// sets is the number of each block's set.
	sets []int32
}

// edge is what happens at the border of a prefix.
type edge struct {
	prefix netip.Prefix
	block  int32 // in borders.sets
	hole   bool
}

// bordersOf gives the borders of sets. Those of before, whose sets were old,
// are taken over where they can be. Both lists are sorted.
func bordersOf(sets []*peerSet, before *borders, old []*peerSet) *borders {
	b := &borders{}
	number, fresh := renumber(old, sets)
	moved := b.takeBlocks(before, number)
	var added []edge
	for _, n := range fresh {
		for i := range sets[n].blocks {
			added = b.addBlock(added, n, &sets[n].blocks[i])
		}
	}
	slices.SortFunc(added, compareEdges)
	b.edges = merge(b.takeEdges(before, moved), added)
	return b
}

// renumber gives each old set its number among sets, or -1, and the numbers of
// the sets that are not old.
func renumber(old, sets []*peerSet) (number, fresh []int32) {
	number = make([]int32, len(old))
	for i := range number {
		number[i] = -1
	}
	at := 0
	for n, s := range sets {
		for at < len(old) && bytes.Compare(old[at].digest[:], s.digest[:]) < 0 {
			at++
		}
		if at < len(old) && old[at].digest == s.digest {
			number[at] = int32(n)
		} else {
			fresh = append(fresh, int32(n))
		}
	}
	return number, fresh
}

// takeBlocks takes over the blocks of sets that are still there, and gives each
// its number now, or -1.
func (b *borders) takeBlocks(before *borders, number []int32) []int32 {
	if before == nil {
		return nil
	}
	moved := make([]int32, len(before.sets))
	for i, set := range before.sets {
		moved[i] = -1
		if n := number[set]; n >= 0 {
			moved[i] = int32(len(b.sets))
			b.sets = append(b.sets, n)
		}
	}
	return moved
}

func (b *borders) takeEdges(before *borders, moved []int32) []edge {
	if before == nil {
		return nil
	}
	edges := make([]edge, 0, len(before.edges))
	for _, e := range before.edges {
		if e.block = moved[e.block]; e.block >= 0 {
			edges = append(edges, e)
		}
	}
	return edges
}

func (b *borders) addBlock(edges []edge, set int32, block *Block) []edge {
	n := int32(len(b.sets))
	b.sets = append(b.sets, set)
	edges = append(edges, edge{prefix: block.CIDR, block: n})
	for _, hole := range block.Except {
		edges = append(edges, edge{prefix: hole, block: n, hole: true})
	}
	return edges
}

// merge keeps the order of both.
func merge(a, b []edge) []edge {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	all := make([]edge, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if compareEdges(a[0], b[0]) <= 0 {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

func compareEdges(a, b edge) int { return comparePrefixes(a.prefix, b.prefix) }

// comparePrefixes puts every prefix right before those inside it.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}
