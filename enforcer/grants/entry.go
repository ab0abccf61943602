package grants

import (
	"cmp"
	"container/list"
	"net/netip"
	"slices"
	"time"
)

// rank says which list of ages an entry is in.
type rank uint8

const (
	lingering rank = iota // past its time: opens nothing
	wildcard
	exactly
	ranks
)

// entry is one address of one pod. One without links is past its time and stays
// for the sake of connections (hold.go).
type entry struct {
	pod   *pod
	addr  netip.Addr
	links []*link // one for each name
	hold  hold
	// open says that the settings' guard lets every pattern have the address.
	open bool
	// patterns, expires and held are as last returned to the caller.
	patterns      []string
	expires, held time.Duration
	// due is when settle has to be called again; index is the place in the
	// agenda.
	due   time.Duration
	index int
	rank  rank
	place *list.Element
	turn  uint64
}

// link says that a name led to an address.
type link struct {
	entry *entry
	name  *name
	heard heard
	// claim is what was heard comes to.
	claim
	turn   uint64
	place  *list.Element
	counts bool // patterns or expiry of the entry depend on it
}

// share is one pattern that a link brings to its entry.
type share struct {
	pattern int
	life    time.Duration
	link    *link
}

func (e *entry) grant() Grant {
	return Grant{Endpoint: e.pod.id, Addr: e.addr, Patterns: e.patterns, Expires: e.expires, Held: e.held}
}

// find returns the link to n, or nil.
func (e *entry) find(n *name) *link {
	for _, l := range e.links {
		if l.name == n {
			return l
		}
	}
	return nil
}

// settle brings an entry up to date and adds what changed to c.
func (b *Book) settle(e *entry, now time.Duration, c *Change) {
	changed, cause := b.refresh(e, now)
	switch {
	case len(e.patterns) == 0:
		// Connections by other patterns of the pod may live all the same.
		b.want(e.pod, max(now, e.pod.asked+HoldInterval))
		b.end(e, now, cause, c)
	case changed:
		c.Grants = append(c.Grants, e.grant())
	}
}

// refresh drops what has ended, works out patterns and expiry, and reports
// whether they differ from before. It leaves no patterns where none may have the
// address any more, which is then for the cause returned.
func (b *Book) refresh(e *entry, now time.Duration) (changed bool, without Cause) {
	if e.prune(now); len(e.links) == 0 {
		return b.linger(e, now)
	}
	lives, top := b.lives(e)
	e.trim(e.pod.spare(b.settings.PerPod))
	e.order(e.rankByName())

	patterns := make([]string, 0, len(lives))
	expires := top
	for _, s := range lives {
		if s.life > now+Lead || s.life == top {
			patterns = append(patterns, e.pod.patterns[s.pattern])
			expires = min(expires, s.life)
		}
	}
	if expires < top {
		e.hold = hold{}
		e.due = expires - Lead
	} else {
		b.ask(e, top, now)
	}
	b.agenda.put(e)
	return e.become(patterns, expires, e.hold.until), CauseUnknown
}

// become says what the kernel should hold, and reports whether it is news.
func (e *entry) become(patterns []string, expires, held time.Duration) bool {
	if e.expires == expires && e.held == held && slices.Equal(e.patterns, patterns) {
		return false
	}
	e.patterns, e.expires, e.held = patterns, expires, held
	return true
}

// prune drops the links that have ended.
func (e *entry) prune(now time.Duration) {
	for i := len(e.links) - 1; i >= 0; i-- {
		switch l := e.links[i]; {
		case l.last <= now:
			e.unlink(l, now, CauseExpired)
		case len(l.name.patterns) == 0:
			e.unlink(l, now, CauseUnwanted)
		case len(l.admits) == 0:
			e.unlink(l, now, CauseGuarded)
		}
	}
}

// lives returns the life of each pattern of e, sorted by pattern, and the
// longest of them, and marks the links that these come from. Some may be over.
// The slice is good until the next call.
func (b *Book) lives(e *entry) (lives []share, top time.Duration) {
	all := b.shares[:0]
	for _, l := range e.links {
		l.counts = false
		for _, i := range l.admits {
			all = append(all, share{i, b.life(l.heard, e.pod.terms(i)), l})
		}
	}
	slices.SortFunc(all, func(a, b share) int {
		return cmp.Or(cmp.Compare(a.pattern, b.pattern), cmp.Compare(b.life, a.life))
	})
	b.shares = all
	lives = slices.CompactFunc(all, func(a, b share) bool { return a.pattern == b.pattern })
	for _, s := range lives {
		s.link.counts = true
		top = max(top, s.life)
	}
	return lives, top
}

// trim drops links on which nothing depends, the first to expire first, until
// no more than limit are left of all.
func (e *entry) trim(limit int) {
	if len(e.links) <= limit {
		return
	}
	slices.SortStableFunc(e.links, func(a, b *link) int { return cmp.Compare(b.last, a.last) })
	for i := len(e.links) - 1; i >= 0 && len(e.links) > limit; i-- {
		if l := e.links[i]; !l.counts {
			e.links = slices.Delete(e.links, i, i+1)
			l.detach()
		}
	}
}

// exact reports whether an exact pattern admits the entry.
func (e *entry) exact() bool {
	return slices.ContainsFunc(e.links, func(l *link) bool { return l.exact })
}

func (e *entry) rankByName() rank { return rankOf(e.exact()) }

func rankOf(exact bool) rank {
	if exact {
		return exactly
	}
	return wildcard
}

// order puts the entry into the list of its rank, at the back if it is new
// there.
func (e *entry) order(want rank) {
	if e.place != nil && e.rank == want {
		return
	}
	e.leave()
	e.rank, e.place = want, e.pod.ages[want].PushBack(e)
}

// leave takes the entry out of its list of ages.
func (e *entry) leave() {
	if e.place != nil {
		e.pod.ages[e.rank].Remove(e.place)
		e.place = nil
	}
}

// unlink ends one name's claim to the address and remembers why.
func (e *entry) unlink(l *link, now time.Duration, cause Cause) {
	at := now
	if cause == CauseExpired {
		at = l.last
	}
	e.pod.past.note(ending{addr: e.addr, name: l.name.text, at: at, cause: cause})
	e.links = slices.DeleteFunc(e.links, func(other *link) bool { return other == l })
	l.detach()
}

// detach takes the link out of its name.
func (l *link) detach() {
	l.name.links.Remove(l.place)
	l.entry.pod.links--
	if l.name.links.Len() == 0 {
		l.entry.pod.forget(l.name)
	}
}

// revoke ends an entry with all its names.
func (b *Book) revoke(e *entry, now time.Duration, cause Cause, c *Change) {
	if len(e.links) == 0 {
		b.end(e, now, cause, c)
		return
	}
	for len(e.links) > 0 {
		e.unlink(e.links[len(e.links)-1], now, cause)
	}
	b.close(e, cause, c)
}

// end ends an entry past its time, and remembers it by the name that it was
// granted for last.
func (b *Book) end(e *entry, now time.Duration, cause Cause, c *Change) {
	if last, known := e.pod.past.ending(e.addr); known && last.at < now {
		e.pod.past.note(ending{addr: e.addr, name: last.name, at: now, cause: cause})
	}
	b.close(e, cause, c)
}

// close removes an entry that has no links.
func (b *Book) close(e *entry, cause Cause, c *Change) {
	b.agenda.drop(e)
	e.leave()
	delete(e.pod.entries, e.addr)
	c.Revoked = append(c.Revoked, Revocation{e.pod.id, e.addr, cause})
}
