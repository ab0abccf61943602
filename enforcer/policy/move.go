package policy

import (
	"net/netip"
	"slices"
)

// yields says whether c may bring the census up to date, or hand it on.
func (c *census) yields(to *Compiled) bool { return c.owner == to }

// serves says whether new rules may be resolved by the census.
func (c *census) serves(to *Compiled) bool { return c.yields(to) && !c.stale }

// mostDeserted is how many crowds may be without pods beside half of them all.
const mostDeserted = 64

// move lets pods go and come, and gives the addresses that were or are theirs.
// It says no, and is of no more use, where a named port may lead to other
// numbers now (P10), or where it keeps too much that is gone.
func (c *census) move(pods edit[Pod], namedPorts bool) (touched []netip.Addr, ok bool) {
	c.owner = nil
	var key []byte
	for _, p := range pods.gone {
		if !p.live() || len(p.Addresses) == 0 {
			continue
		}
		key = crowdKey(key[:0], p)
		n := c.known[string(key)]
		touched = append(touched, c.leave(n, p)...)
		if len(c.crowds[n].addresses) > 0 {
			continue
		}
		c.deserted++
		if len(p.Ports) > 0 {
			c.stale = true
			if namedPorts {
				return nil, false
			}
		}
	}
	for _, p := range pods.come {
		if !p.live() || len(p.Addresses) == 0 {
			continue
		}
		key = crowdKey(key[:0], p)
		n, fresh := c.enter(key, p)
		if !fresh && len(c.crowds[n].addresses) == len(p.Addresses) {
			c.deserted--
		}
		if len(p.Ports) > 0 && namedPorts && (fresh || len(c.crowds[n].addresses) == len(p.Addresses)) {
			return nil, false
		}
		for _, a := range p.Addresses {
			touched = append(touched, plain(a))
		}
	}
	if c.deserted > mostDeserted+len(c.crowds)/2 {
		return nil, false // rollouts of other nodes' pods would fill the memory
	}
	slices.SortFunc(touched, netip.Addr.Compare)
	touched = slices.DeleteFunc(slices.Compact(touched), func(a netip.Addr) bool { return !a.IsValid() })
	// What was answered before does not count who came.
	c.sorted = nil
	clear(c.members)
	clear(c.spaces)
	return touched, true
}

// leave counts a pod out, and gives its addresses.
func (c *census) leave(n int32, p *Pod) []netip.Addr {
	var gone []netip.Addr
	for _, a := range p.Addresses {
		a = plain(a)
		if !a.IsValid() {
			continue
		}
		gone = append(gone, a)
		c.crowds[n].addresses = without(c.crowds[n].addresses, a)
		if c.at[a] = without(c.at[a], n); len(c.at[a]) == 0 {
			delete(c.at, a)
		}
	}
	return gone
}

// without takes one of them out.
func without[T comparable](all []T, one T) []T {
	if i := slices.Index(all, one); i >= 0 {
		return slices.Delete(slices.Clone(all), i, i+1)
	}
	return all
}
