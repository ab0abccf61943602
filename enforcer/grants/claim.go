package grants

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

// Watched is what the rules of a pod want.
type Watched struct {
	// Patterns are in canonical form.
	Patterns []string
	// Terms are what policies say of some of them; the others are left to the
	// Settings.
	Terms map[string]policy.Terms
}

// heard is all that lifetimes need of the answers for a name which had an
// address. It is exact under any terms: of the answers at t1, t2, … with TTLs
// l1, l2, … the latest end is max(max(ti+li), max(ti)+MinTTL) + Grace.
type heard struct {
	// answered says that there was an answer; the two that follow are then the
	// time of the last and the latest end of a TTL.
	answered    bool
	last, until time.Duration
	// found is until when the kernel had the entry after a restart. It was
	// right under the terms of then, and nobody knows the answers any more.
	found time.Duration
}

// with gives what is known after one more answer.
func (h heard) with(now, ttl time.Duration) heard {
	h.until = max(h.until, later(now, max(ttl, 0)))
	h.last, h.answered = max(h.last, now), true
	return h
}

// life returns when what was heard ends under the terms of one policy (N5).
func (h heard) life(minTTL, grace time.Duration) time.Duration {
	if !h.answered {
		return h.found
	}
	return max(h.found, later(max(h.until, later(h.last, minTTL)), grace))
}

// life returns when what was heard ends for a pattern: of the policies that
// have it, the most generous counts.
func (b *Book) life(h heard, t policy.Terms) time.Duration {
	if len(t.Lives) == 0 {
		return h.life(b.settings.MinTTL, b.settings.Grace)
	}
	var end time.Duration
	for _, l := range t.Lives {
		end = max(end, h.life(max(l.MinTTL.Or(b.settings.MinTTL), 0), max(l.Grace.Or(b.settings.Grace), 0)))
	}
	return end
}

// terms are those of the pattern at that position.
func (p *pod) terms(pattern int) policy.Terms {
	if len(p.said) == 0 {
		return policy.Terms{}
	}
	return p.said[p.patterns[pattern]]
}

// claim is what a name brings to an address under the terms in force.
type claim struct {
	// admits are those of the name's patterns that the guard lets have the
	// address. Without any, the other fields say nothing.
	admits []int
	// exact says that one of them is no wildcard.
	exact bool
	// first and last are when the first and the last of them ends.
	first, last time.Duration
}

// claim works out what a name brings to an address. open says that the
// settings' guard lets every pattern have it.
func (b *Book) claim(p *pod, n *name, h heard, addr netip.Addr, open bool) (c claim) {
	if c.admits = n.patterns; !open {
		c.admits = b.allowed(p, n, addr)
	}
	c.first = math.MaxInt64
	for _, i := range c.admits {
		life := b.life(h, p.terms(i))
		c.first, c.last = min(c.first, life), max(c.last, life)
		c.exact = c.exact || exact(p.patterns[i])
	}
	return c
}

// allowed are the patterns of a name that may have an address which the
// settings refuse.
func (b *Book) allowed(p *pod, n *name, addr netip.Addr) (patterns []int) {
	for _, i := range n.patterns {
		if b.allows(p, i, addr) {
			patterns = append(patterns, i)
		}
	}
	return patterns
}

// allows says whether the ranges that the pattern's own policies allow make an
// address pass that the settings refuse (N10).
func (b *Book) allows(p *pod, pattern int, addr netip.Addr) bool {
	private := p.terms(pattern).Private
	if len(private) == 0 {
		return false
	}
	_, refused := b.settings.Guard.check(addr, private)
	return !refused
}

// others names the patterns of a name that a claim does not admit, for people.
func (c claim) others(p *pod, n *name) string {
	var without []string
	for _, i := range n.patterns {
		if !slices.Contains(c.admits, i) {
			without = append(without, p.patterns[i])
		}
	}
	return strings.Join(without, ", ")
}

func exact(pattern string) bool { return !strings.HasPrefix(pattern, "*.") }

// weigh works a link out anew, after a change of terms, settings or patterns.
// What has ended before stays so: longer terms bring nothing back.
func (b *Book) weigh(l *link, now time.Duration) {
	if l.last <= now {
		return
	}
	e := l.entry
	c := b.claim(e.pod, l.name, l.heard, e.addr, e.open)
	if len(c.admits) == 0 {
		c.first, c.last = l.first, l.last // it ends for another cause than its time
	}
	l.claim = c
}

// weighAll works out all links of an entry and brings it up to date.
func (b *Book) weighAll(e *entry, now time.Duration, c *Change) {
	for _, l := range e.links {
		b.weigh(l, now)
	}
	b.settle(e, now, c)
}
