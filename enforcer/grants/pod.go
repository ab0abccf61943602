package grants

import (
	"container/list"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/plugin/names"
)

// namesPerAddress is how many names an address keeps beyond those that its
// patterns and expiry depend on. They are kept for people and for patterns to
// come. A pod could otherwise fill the memory with random names below a
// wildcard that all lead to one address.
const namesPerAddress = 8

// pod is what one pod has learnt.
type pod struct {
	id       policy.EndpointID
	patterns []string // sorted
	said     map[string]policy.Terms
	set      *names.Set
	names    map[string]*name
	restored map[string]*name // by joined patterns
	entries  map[netip.Addr]*entry
	// ages holds the entries of each rank, the longest unheard of in front.
	ages    [ranks]list.List
	links   int
	past    memory
	asked   time.Duration // when Hold was called last
	matched []int
}

// name is one domain name that a pod asked for.
type name struct {
	text string
	// held are the patterns of entries found in the kernel, whose names
	// nobody knows any more; nil for all other names.
	held []string
	// patterns are positions in pod.patterns, sorted.
	patterns []int
	// links to its addresses, the longest unheard of in front.
	links list.List
}

func newPod(id policy.EndpointID) *pod {
	return &pod{
		id:       id,
		names:    make(map[string]*name),
		restored: make(map[string]*name),
		entries:  make(map[netip.Addr]*entry),
		asked:    -HoldInterval,
	}
}

// watch replaces patterns and terms and reports whether any of them differ.
func (p *pod) watch(w Watched) bool {
	differs := !maps.EqualFunc(w.Terms, p.said, policy.Terms.Equal)
	p.said = w.Terms
	patterns := slices.Compact(slices.Sorted(slices.Values(w.Patterns)))
	if slices.Equal(patterns, p.patterns) {
		return differs
	}
	parsed := make([]names.Pattern, len(patterns))
	for i, s := range patterns {
		// A text that is no pattern stays zero and matches nothing: closed.
		parsed[i], _ = names.Parse(s)
	}
	p.patterns, p.set = patterns, names.NewSet(parsed)
	for _, n := range p.names {
		p.match(n, p.set.Match(n.text, p.matched[:0]))
	}
	for _, n := range p.restored {
		p.match(n, p.positions(n.held))
	}
	return true
}

// match gives n the patterns at these positions.
func (p *pod) match(n *name, positions []int) {
	n.patterns = slices.Clone(positions)
	slices.Sort(n.patterns)
}

// positions returns where those of the patterns are that the pod still has.
func (p *pod) positions(patterns []string) []int {
	var out []int
	for _, s := range patterns {
		if i, ok := slices.BinarySearch(p.patterns, s); ok {
			out = append(out, i)
		}
	}
	return out
}

// name returns the record of a name that matches a pattern, or nil.
func (p *pod) name(text string) *name {
	if n := p.names[text]; n != nil {
		return n
	}
	p.matched = p.set.Match(text, p.matched[:0])
	if len(p.matched) == 0 {
		return nil
	}
	n := &name{text: text}
	p.match(n, p.matched)
	return n
}

// nameless returns the record of entries that were found with these patterns.
func (p *pod) nameless(patterns []string) *name {
	key := strings.Join(patterns, " ")
	if n := p.restored[key]; n != nil {
		return n
	}
	n := &name{held: patterns}
	p.match(n, p.positions(patterns))
	return n
}

// register keeps n for as long as it has links.
func (p *pod) register(n *name) {
	if n.held != nil {
		p.restored[strings.Join(n.held, " ")] = n
	} else {
		p.names[n.text] = n
	}
}

// forget drops n once its last link has gone.
func (p *pod) forget(n *name) {
	if n.held != nil {
		delete(p.restored, strings.Join(n.held, " "))
	} else {
		delete(p.names, n.text)
	}
}

// oldest returns the entry to give up next, or nil: one past its time, one that
// only wildcards admit and, if exact entries may go as well, then one of those
// (N15).
func (p *pod) oldest(exact bool) *entry {
	if front := p.ages[lingering].Front(); front != nil {
		return front.Value.(*entry)
	}
	if front := p.ages[wildcard].Front(); front != nil {
		return front.Value.(*entry)
	}
	if front := p.ages[exactly].Front(); front != nil && exact {
		return front.Value.(*entry)
	}
	return nil
}

// spare returns how many names an address may keep for convenience. A pod
// that holds a lot of them already gets none: its share of memory is bounded.
func (p *pod) spare(perPod int) int {
	if p.links > 2*perPod {
		return 1
	}
	return namesPerAddress
}
