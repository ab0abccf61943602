package policy

import (
	"net/netip"
	"slices"
)

// mostDeserted is how many crowds may be without pods beside half of them all.
const mostDeserted = 64

// moved is what a census tells of pods that went and came.
type moved struct {
	// touched are the addresses that were or are theirs, sorted.
	touched []netip.Addr
	// renamed says that a named port may lead to other numbers now (P10).
	renamed bool
}

// move lets pods go and come. It says no, and is of no more use, where it
// would have to keep too much that is gone.
func (c *census) move(pods edit[Pod]) (m moved, ok bool) {
	c.owner = nil
	if pods.whole {
		return m, false
	}
	// Crowds with named ports that have got their first pod or lost their last.
	turned := map[int32]bool{}
	var room []byte
	made := false
	shift := func(p *Pod, more int) {
		n, fresh := c.crowdOf(p, &room)
		made = made || fresh
		was := c.crowds[n].pods
		c.count(n, more)
		if (was > 0) != (c.crowds[n].pods > 0) && len(p.Ports) > 0 {
			turned[n] = !turned[n]
		}
		for _, a := range p.Addresses {
			if a := plain(a); a.IsValid() {
				c.place(a, n, more)
				m.touched = append(m.touched, a)
			}
		}
	}
	for _, p := range pods.gone {
		shift(p, -1)
	}
	for _, p := range pods.come {
		shift(p, 1)
	}
	if c.deserted > mostDeserted+len(c.crowds)/2 {
		return m, false // rollouts of other nodes' pods would fill the memory
	}
	for _, odd := range turned {
		m.renamed = m.renamed || odd
	}
	if made { // what was answered before does not count it
		clear(c.members)
		clear(c.spaces)
	}
	slices.SortFunc(m.touched, netip.Addr.Compare)
	m.touched = slices.Compact(m.touched)
	return m, true
}

// place notes that one pod more, or less, of a crowd has the address.
func (c *census) place(a netip.Addr, n int32, more int) {
	there, had := c.at.Get(a)
	switch {
	case more > 0 && !had:
		c.at = c.at.With(a, c.crowds[n].alone)
	case more > 0:
		c.at = c.at.With(a, there.with(n))
	case had && len(there.crowds) == 1:
		c.at = c.at.Without(a)
	case had:
		c.at = c.at.With(a, &company{without(there.crowds, n)})
	}
}

// without takes one of them out.
func without[T comparable](all []T, one T) []T {
	if i := slices.Index(all, one); i >= 0 {
		return slices.Delete(slices.Clone(all), i, i+1)
	}
	return all
}
