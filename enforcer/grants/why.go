package grants

import (
	"container/list"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

// remembered is how many addresses that ended or were refused are kept for
// each pod, for Why.
const remembered = 512

// ending is what became of an address, as far as one name goes.
type ending struct {
	addr  netip.Addr
	name  string // "" where it was found in the kernel
	at    time.Duration
	cause Cause
	// refusal is set where the address was never granted.
	refusal Refusal
}

// memory keeps the last ending of each of the last addresses.
type memory struct {
	last   map[netip.Addr]*list.Element
	order  list.List // of ending, the oldest in front
	forgot bool
}

// note remembers e unless a later ending of its address is known.
func (m *memory) note(e ending) {
	if place, ok := m.last[e.addr]; ok {
		if place.Value.(ending).at <= e.at {
			place.Value = e
			m.order.MoveToBack(place)
		}
		return
	}
	if m.last == nil {
		m.last = make(map[netip.Addr]*list.Element)
	}
	if m.order.Len() >= remembered {
		oldest := m.order.Remove(m.order.Front()).(ending)
		delete(m.last, oldest.addr)
		m.forgot = true
	}
	m.last[e.addr] = m.order.PushBack(e)
}

func (m *memory) ending(addr netip.Addr) (ending, bool) {
	place, ok := m.last[addr]
	if !ok {
		return ending{}, false
	}
	return place.Value.(ending), true
}

// Why says to people what the book knows of a pod and an address (S1).
func (b *Book) Why(now time.Duration, ep policy.EndpointID, addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	p := b.pods[ep]
	if p == nil {
		return "the pod has no name rules"
	}
	var parts []string
	if live := p.entries[addr].alive(now); live != "" {
		parts = append(parts, live)
	}
	if end, ok := p.lastEnding(addr, now); ok {
		parts = append(parts, end.text(now))
	}
	if held := p.entries[addr].heldBy(); held != "" {
		parts = append(parts, held)
	}
	if len(parts) > 0 {
		return strings.Join(parts, "; ")
	}
	for _, other := range b.pods {
		if other != p && other.entries[addr].alive(now) != "" {
			return "resolved by another pod only"
		}
	}
	if p.past.forgot {
		return fmt.Sprintf("not among the last %d addresses that the pod resolved and lost", remembered)
	}
	return "never resolved"
}

// lastEnding returns the latest ending of an address, which may be that of a
// link that Expire has yet to see.
func (p *pod) lastEnding(addr netip.Addr, now time.Duration) (ending, bool) {
	end, ok := p.past.ending(addr)
	e := p.entries[addr]
	if e == nil {
		return end, ok
	}
	for _, l := range e.links {
		if l.last <= now && (!ok || l.last > end.at) {
			end, ok = ending{addr: addr, name: l.name.text, at: l.last, cause: CauseExpired}, true
		}
	}
	return end, ok
}

// alive says which names admit the entry and how long, or "" if none does.
// There need not be an entry.
func (e *entry) alive(now time.Duration) string {
	if e == nil {
		return ""
	}
	links := slices.DeleteFunc(slices.Clone(e.links), func(l *link) bool { return l.last <= now })
	if len(links) == 0 {
		return ""
	}
	slices.SortFunc(links, func(a, b *link) int { return strings.Compare(a.name.text, b.name.text) })
	var parts []string
	for _, l := range links {
		parts = append(parts, fmt.Sprintf("%s (%s left)", named(l.name.text), seconds(l.last-now)))
	}
	const shown = 5
	if more := len(parts) - shown; more > 0 {
		parts = append(parts[:shown], fmt.Sprintf("%d more", more))
	}
	return "granted for " + strings.Join(parts, ", ")
}

// heldBy says what keeps an entry that opens nothing, or "" if nothing does.
func (e *entry) heldBy() string {
	switch {
	case e == nil || len(e.links) > 0 || e.hold.patterns == nil:
		return ""
	case e.hold.connections == 1:
		return "held by 1 live connection, opens nothing new"
	}
	return fmt.Sprintf("held by %d live connections, opens nothing new", e.hold.connections)
}

func (e ending) text(now time.Duration) string {
	ago := seconds(now - e.at)
	if e.refusal.Reason != ReasonUnknown {
		kind := "guarded address"
		if e.cause == CauseEvicted {
			kind = "not granted"
		}
		return fmt.Sprintf("%s: %s, answered %s ago for %s", kind, e.refusal, ago, named(e.name))
	}
	switch e.cause {
	case CauseExpired:
		return fmt.Sprintf("expired %s ago for %s", ago, named(e.name))
	case CauseUnwanted:
		return fmt.Sprintf("the last rule for %s went %s ago", named(e.name), ago)
	case CauseEvicted:
		return fmt.Sprintf("evicted %s ago for %s: the limit of addresses was reached", ago, named(e.name))
	case CauseGuarded:
		return fmt.Sprintf("guarded address since %s ago, granted before for %s", ago, named(e.name))
	}
	return fmt.Sprintf("ended %s ago for %s", ago, named(e.name))
}

func named(text string) string {
	if text == "" {
		return "a name learnt before the enforcer started"
	}
	return text
}

// seconds rounds down to whole seconds.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%d s", int64(max(d, 0)/time.Second))
}
