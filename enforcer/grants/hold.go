package grants

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

const (
	// HoldInterval is the least time between two questions for one pod's
	// connections. Entries that end in between share the next.
	HoldInterval = 10 * time.Second
	// HoldFor is how long an answer to that question holds: a question that
	// fails, or an enforcer that restarts, cuts nobody.
	HoldFor = 3 * HoldInterval
	// HoldLead is how long before an entry's end the question is asked, so that
	// it is held before it ends.
	HoldLead = time.Second
)

// Live says that connections of a pod live which it opened to an address.
type Live struct {
	Addr netip.Addr
	// Patterns are those that admitted the connections, in any order.
	Patterns    []string
	Connections int
}

// hold is what keeps an entry past its time (SEMANTICS N6).
type hold struct {
	patterns    []string // of the connections that live; nil without any
	until       time.Duration
	connections int
}

// Due returns the pods whose live connections Hold has to be told of now. Each
// is returned once and, while it has entries past their time, again a HoldInterval
// later if Hold was not called.
func (b *Book) Due(now time.Duration) []policy.EndpointID {
	var due []policy.EndpointID
	for id, from := range b.wanted {
		if from <= now {
			due = append(due, id)
			delete(b.wanted, id)
		}
	}
	slices.Sort(due)
	return due
}

// want has the connections of a pod asked for, from then on.
func (b *Book) want(p *pod, from time.Duration) {
	if already, wanted := b.wanted[p.id]; !wanted || from < already {
		b.wanted[p.id] = from
	}
}

// Hold says which connections of a pod live, all of them. Entries that end
// before the next question, and have some, are held; those past their time that
// have none end. Connections whose entry was lost get one that is held, where
// there is room. A connection counts for those of its patterns alone that the pod
// has and that the guard lets have the address: without any it holds nothing.
func (b *Book) Hold(now time.Duration, ep policy.EndpointID, live []Live) Change {
	var c Change
	p := b.pods[ep]
	if p == nil {
		return c
	}
	p.asked = now
	delete(b.wanted, ep)
	holds := make(map[netip.Addr]hold, len(live))
	for _, l := range live {
		addr := l.Addr.Unmap().WithZone("")
		if patterns, _ := b.admitted(p, addr, b.open(addr), l.Patterns); len(patterns) > 0 {
			holds[addr] = hold{patterns, later(now, HoldFor), l.Connections}
		}
	}
	for addr, e := range p.entries {
		e.hold = holds[addr]
		delete(holds, addr)
		if e.prune(now); len(e.links) == 0 && e.hold.patterns == nil {
			b.close(e, CauseExpired, &c)
			continue
		}
		b.settle(e, now, &c)
	}
	for addr, h := range holds {
		if len(p.entries) >= b.settings.PerPod {
			break
		}
		e := &entry{pod: p, addr: addr, index: absent, hold: h, open: b.open(addr)}
		p.entries[addr] = e
		b.settle(e, now, &c)
	}
	return c.sorted()
}

// linger works out what is left of an entry past its time, and reports whether
// it differs from before: the patterns of the connections that hold it or, until
// somebody has asked for these, its own. None are left where no rule has them, or
// the guard lets none of them have the address, which the cause tells.
func (b *Book) linger(e *entry, now time.Duration) (changed bool, without Cause) {
	patterns := e.hold.patterns
	if patterns == nil {
		patterns = e.patterns
	}
	patterns, without = b.admitted(e.pod, e.addr, e.open, patterns)
	e.order(lingering)
	if e.due = e.pod.asked + HoldInterval; e.due <= now {
		b.want(e.pod, now)
		e.due = now + HoldInterval
	}
	b.agenda.put(e)
	return e.become(patterns, min(e.expires, now), e.hold.until), without
}

// ask sets when an entry that ends at that time is looked at next: in time to
// ask for its connections, unless they are known to hold it.
func (b *Book) ask(e *entry, end, now time.Duration) {
	p := e.pod
	at := max(end-HoldLead, p.asked+HoldInterval)
	e.due = end
	switch {
	case end > p.asked+HoldInterval+HoldLead:
		e.hold = hold{} // the next question comes in time
		e.due = max(at, now)
	case e.hold.patterns == nil && at < end:
		e.due = at
	}
	if e.due <= now {
		b.want(p, now)
		e.due = end
	}
}

// admitted returns those of the patterns that the pod has and that the guard lets
// have the address, sorted; without any, the cause is that of what is missing. open
// says that the settings' guard lets every pattern have it.
func (b *Book) admitted(p *pod, addr netip.Addr, open bool, patterns []string) (out []string, without Cause) {
	without = CauseUnwanted
	for _, s := range patterns {
		i, has := slices.BinarySearch(p.patterns, s)
		switch {
		case !has:
		case open || b.allows(p, i, addr):
			out = append(out, s)
		default:
			without = CauseGuarded
		}
	}
	slices.Sort(out)
	return slices.Compact(out), without
}
