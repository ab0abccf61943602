package grants

import (
	"cmp"
	"slices"
	"time"
)

// Restore takes entries that were found in the kernel after a restart. Their
// names are not known any more; they go on with those of their patterns that
// the pod still has, until they expire. Pods has to be called before. Returned
// are the entries to be changed; those that stay as found are not.
func (b *Book) Restore(now time.Duration, found []Grant) Change {
	var c Change
	found = slices.Clone(found)
	// The first to expire are the first to be evicted, as if learnt first.
	slices.SortStableFunc(found, func(a, b Grant) int { return cmp.Compare(a.Expires, b.Expires) })
	var kept []*entry
	for _, g := range found {
		g.Addr = g.Addr.Unmap().WithZone("")
		g.Patterns = slices.Compact(slices.Sorted(slices.Values(g.Patterns)))
		e, cause := b.adopt(now, g, &c)
		if e == nil {
			c.Revoked = append(c.Revoked, Revocation{g.Endpoint, g.Addr, cause})
			continue
		}
		kept = append(kept, e)
	}
	for _, e := range kept {
		if len(e.links) > 0 {
			b.settle(e, now, &c)
		}
	}
	return c.sorted()
}

// adopt makes a found entry one of the book, or says why it cannot be.
func (b *Book) adopt(now time.Duration, g Grant, change *Change) (*entry, Cause) {
	p := b.pods[g.Endpoint]
	if p == nil {
		return nil, CauseUnwanted
	}
	n := p.nameless(g.Patterns)
	if len(n.patterns) == 0 {
		return nil, CauseUnwanted
	}
	if g.Expires <= now {
		return nil, CauseExpired
	}
	refusal, refused := b.settings.Guard.Check(g.Addr)
	c := b.claim(p, n, heard{found: g.Expires}, g.Addr, !refused)
	if len(c.admits) == 0 {
		p.past.note(ending{addr: g.Addr, at: now, cause: CauseGuarded, refusal: refusal})
		return nil, CauseGuarded
	}
	if p.entries[g.Addr] == nil && len(p.entries) >= b.settings.PerPod {
		victim := p.oldest(c.exact)
		if victim == nil {
			return nil, CauseEvicted
		}
		b.revoke(victim, now, CauseEvicted, change)
	}
	return b.take(p, n, g, !refused), CauseUnknown
}

// take links a found entry to its nameless name.
func (b *Book) take(p *pod, n *name, g Grant, open bool) *entry {
	var l *link
	e := p.entries[g.Addr]
	if e != nil {
		l = e.find(n)
	}
	if l == nil {
		e, l = b.link(p, g.Addr, n)
	}
	e.open = open
	l.heard.found = max(l.heard.found, g.Expires)
	l.claim = b.claim(p, n, l.heard, g.Addr, open)
	if e.patterns == nil {
		e.patterns, e.expires = n.held, g.Expires // as the kernel has it
	}
	e.order(l.exact || e.place != nil && e.rank == exactly)
	return e
}
