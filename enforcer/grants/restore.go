package grants

import (
	"cmp"
	"slices"
	"time"
)

// Restore takes entries that were found in the kernel after a restart. Their
// names are not known any more; they go on with those of their patterns that
// the pod still has, until they expire. What has expired stays until Hold has
// told which connections live. Pods has to be called before. Returned are the
// entries to be changed; those that stay as found are not.
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
		if p := b.pods[e.pod.id]; p.entries[e.addr] == e { // not evicted since
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
	if g.Expires <= now {
		return b.lingering(p, g, !refused), CauseUnknown
	}
	return b.take(p, n, g, !refused), CauseUnknown
}

// lingering makes an entry of one that was found past its time.
func (b *Book) lingering(p *pod, g Grant, open bool) *entry {
	if e := p.entries[g.Addr]; e != nil {
		return e
	}
	e := &entry{pod: p, addr: g.Addr, index: absent, open: open, patterns: g.Patterns, expires: g.Expires, held: g.Held}
	e.hold.until = g.Held
	e.order(lingering)
	p.entries[g.Addr] = e
	if g.Expires > 0 {
		p.past.note(ending{addr: g.Addr, at: g.Expires, cause: CauseExpired})
	}
	return e
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
		e.patterns, e.expires, e.held = n.held, g.Expires, g.Held // as the kernel has it
	}
	e.order(max(rankOf(l.exact), e.rank))
	return e
}
