package names

import (
	"bytes"
	"strings"
)

// Set matches a name against many patterns at once. It is immutable and safe
// for concurrent use. A look-up costs by the labels of the name, not by the
// number of patterns.
type Set struct {
	// The trie over reversed labels: one table of edges for all nodes, so that
	// the many nodes with one child cost no table of their own.
	edges map[edge]uint32
	nodes []node
	count int
}

// edge leads from a node to the child that has one more label in front.
type edge struct {
	parent uint32
	label  string
}

// node stands for a suffix. Both fields hold positions of patterns.
type node struct {
	exact    []int // patterns that are this suffix
	wildcard []int // patterns that want one or more labels before it
}

// NewSet returns the set of patterns. Their positions are what Match reports;
// equal patterns are reported each. Zero Patterns match nothing.
func NewSet(patterns []Pattern) *Set {
	s := &Set{edges: make(map[edge]uint32), nodes: make([]node, 1), count: len(patterns)}
	for i, p := range patterns {
		if p == (Pattern{}) {
			continue
		}
		n := &s.nodes[s.grow(p.suffix())]
		if p.Wildcard() {
			n.wildcard = append(n.wildcard, i)
		} else {
			n.exact = append(n.exact, i)
		}
	}
	return s
}

// grow returns the node of a suffix and makes what is missing on the way.
func (s *Set) grow(suffix string) uint32 {
	at := uint32(0)
	for suffix != "" {
		dot := strings.LastIndexByte(suffix, '.')
		step := edge{at, suffix[dot+1:]}
		next, ok := s.edges[step]
		if !ok {
			next = uint32(len(s.nodes))
			s.nodes = append(s.nodes, node{})
			s.edges[step] = next
		}
		at, suffix = next, suffix[:max(dot, 0)]
	}
	return at
}

// Match appends the positions of all patterns that name matches, those with
// the shortest suffix first. The name may be in any case, with or without its
// trailing dot. Match allocates only where into has no room.
func (s *Set) Match(name string, into []int) []int {
	if s == nil || len(s.edges) == 0 {
		return into
	}
	var buf [maxName]byte
	n, ok := fold(name, &buf)
	if !ok {
		return into
	}
	at, rest := uint32(0), buf[:n]
	for {
		dot := bytes.LastIndexByte(rest, '.')
		if at, ok = s.edges[edge{at, string(rest[dot+1:])}]; !ok {
			return into
		}
		if dot < 0 {
			return append(into, s.nodes[at].exact...)
		}
		into = append(into, s.nodes[at].wildcard...)
		rest = rest[:dot]
	}
}

// Matches reports whether name matches any pattern.
func (s *Set) Matches(name string) bool {
	var into [8]int
	return len(s.Match(name, into[:0])) > 0
}

// Len returns the number of patterns, equal ones counted each.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.count
}
