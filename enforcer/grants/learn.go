package grants

import (
	"net/netip"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/plugin/names"
)

// Address is one address of an answer.
type Address struct {
	IP netip.Addr
	// TTL is how long the client may use it. Negative counts as zero.
	TTL time.Duration
}

// Outcome is what an answer comes to.
type Outcome struct {
	// Entries to write: every address of the answer that is granted, in its
	// order, even where its entry is the same as before, and after them other
	// addresses that lost a pattern to make room.
	Entries []Grant
	// Evicted entries made room and are to be removed before Entries are
	// written.
	Evicted []netip.Addr
	Refused []Refusal
	// ValidFor is how long all granted addresses of the answer stay granted
	// without another word. Zero: none is. No more than a millisecond while
	// the pod or the name is at its limit, when the next answer may evict any
	// of them.
	ValidFor time.Duration
	// Unwanted says that no pattern of the pod matches the name, or that the
	// pod is not watched.
	Unwanted bool
}

// crowded is what is promised where eviction may be near.
const crowded = time.Millisecond

// Learn takes the answer that a pod got for a name, in any case and with or
// without trailing dot.
func (b *Book) Learn(now time.Duration, ep policy.EndpointID, domain string, addrs []Address) Outcome {
	p := b.pods[ep]
	if p == nil {
		return Outcome{Unwanted: true}
	}
	n := p.name(names.Canonical(domain))
	if n == nil {
		return Outcome{Unwanted: true}
	}
	b.turn++
	a := answer{book: b, pod: p, name: n, now: now}
	for _, addr := range addrs {
		a.admit(addr)
	}
	return a.finish()
}

// answer is one call of Learn.
type answer struct {
	book    *Book
	pod     *pod
	name    *name
	now     time.Duration
	granted []*entry
	shrunk  []*entry // lost the name to newer addresses of it
	change  Change
	out     Outcome
}

// admit takes one address of the answer.
func (a *answer) admit(addr Address) {
	ip := addr.IP.Unmap().WithZone("")
	e := a.pod.entries[ip]
	var l *link
	var known heard
	if e != nil {
		if l = e.find(a.name); l != nil {
			known = l.heard
		}
	}
	known = known.with(a.now, addr.TTL)
	refusal, refused := a.book.settings.Guard.Check(ip)
	c := a.book.claim(a.pod, a.name, known, ip, !refused)
	if len(c.admits) < len(a.name.patterns) {
		if len(c.admits) > 0 {
			refusal.Patterns = c.others(a.pod, a.name)
		}
		a.refuse(refusal, CauseGuarded)
	}
	if len(c.admits) == 0 || c.last <= a.now {
		return
	}
	if l == nil {
		if !a.roomInName() {
			a.refuse(Refusal{Addr: ip, Reason: ReasonNameLimit}, CauseEvicted)
			return
		}
		if e == nil && !a.roomInPod(c.exact) {
			a.refuse(Refusal{Addr: ip, Reason: ReasonPodLimit}, CauseEvicted)
			return
		}
		e, l = a.book.link(a.pod, ip, a.name)
		e.open = !refused
	}
	l.heard, l.claim = known, c
	a.touch(e, l)
}

// touch makes a link and its entry the youngest.
func (a *answer) touch(e *entry, l *link) {
	l.turn = a.book.turn
	a.name.links.MoveToBack(l.place)
	e.order(max(rankOf(l.exact), e.rank))
	a.pod.ages[e.rank].MoveToBack(e.place)
	if e.turn != a.book.turn {
		e.turn = a.book.turn
		a.granted = append(a.granted, e)
	}
}

// link makes the link, and the entry where there is none.
func (b *Book) link(p *pod, ip netip.Addr, n *name) (*entry, *link) {
	e := p.entries[ip]
	if e == nil {
		e = &entry{pod: p, addr: ip, index: absent}
		p.entries[ip] = e
	}
	l := &link{entry: e, name: n}
	e.links = append(e.links, l)
	if n.links.Len() == 0 {
		p.register(n)
	}
	l.place = n.links.PushBack(l)
	p.links++
	return e, l
}

// roomInName gives up the oldest addresses of the name until one more fits.
// It reports false where they all come from this answer.
func (a *answer) roomInName() bool {
	for a.name.links.Len() >= a.book.settings.PerName {
		l := a.name.links.Front().Value.(*link)
		if l.turn == a.book.turn {
			return false
		}
		e := l.entry
		e.unlink(l, a.now, CauseEvicted)
		if len(e.links) == 0 {
			a.book.close(e, CauseEvicted, &a.change)
		} else {
			a.shrunk = append(a.shrunk, e)
		}
	}
	return true
}

// roomInPod gives up entries until one more fits. It reports false where all
// come from this answer, and where only wildcards admit the address but every
// entry is admitted by an exact pattern: whoever controls a zone below a
// wildcard must not push out what the policy names.
func (a *answer) roomInPod(exact bool) bool {
	for len(a.pod.entries) >= a.book.settings.PerPod {
		e := a.pod.oldest(exact)
		if e == nil || e.turn == a.book.turn {
			return false
		}
		a.book.revoke(e, a.now, CauseEvicted, &a.change)
	}
	return true
}

func (a *answer) refuse(r Refusal, cause Cause) {
	a.out.Refused = append(a.out.Refused, r)
	a.pod.past.note(ending{addr: r.Addr, name: a.name.text, at: a.now, cause: cause, refusal: r})
}

// finish works out the entries.
func (a *answer) finish() Outcome {
	for i, e := range a.granted {
		a.book.refresh(e, a.now)
		a.out.Entries = append(a.out.Entries, e.grant())
		if left := a.left(e); i == 0 || left < a.out.ValidFor {
			a.out.ValidFor = left
		}
	}
	for _, e := range a.shrunk {
		if len(e.links) == 0 || e.turn == a.book.turn {
			continue // evicted after all, or granted anew
		}
		a.book.settle(e, a.now, &a.change)
	}
	a.out.Entries = append(a.out.Entries, a.change.Grants...)
	for _, r := range a.change.Revoked {
		a.out.Evicted = append(a.out.Evicted, r.Addr)
	}
	limits := a.book.settings
	if len(a.pod.entries) >= limits.PerPod || a.name.links.Len() >= limits.PerName {
		a.out.ValidFor = min(a.out.ValidFor, crowded)
	}
	return a.out
}

// left returns for how long all patterns that the answer's name brought admit
// e. Where its link was dropped, a longer-lived one of the same patterns stands
// for it. It is none where the terms of one of them end at once: there the next
// answer may bring what this one could not.
func (a *answer) left(e *entry) time.Duration {
	if l := e.find(a.name); l != nil {
		return max(l.first-a.now, 0)
	}
	return e.expires - a.now
}
