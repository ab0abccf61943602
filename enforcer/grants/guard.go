package grants

import (
	"fmt"
	"net/netip"
)

// Guard says which addresses no answer may grant (SEMANTICS N10). Whoever runs
// a zone that a pod may reach chooses its addresses; without a guard he could
// lead the pod to the node, to its neighbours or to the cloud's metadata.
// The zero Guard allows public addresses only.
type Guard struct {
	// Allowed are the private, shared and reserved ranges that may be granted.
	// They allow no loopback, link-local, metadata or multicast address.
	Allowed []netip.Prefix
	// NAT64 are the translation prefixes in use (RFC 6052: /32, /40, /48, /56,
	// /64 or /96) apart from the well-known 64:ff9b::/96. Their addresses are
	// judged by the IPv4 address inside alone.
	NAT64 []netip.Prefix
	// Occupied says what the cluster itself uses an address for: ReasonNode,
	// ReasonPod or ReasonService. Nil knows none. It is asked at each answer
	// and has to be safe for the goroutine of the Book. What it says of an
	// address changes with Book.Configure only.
	Occupied func(netip.Addr) (Reason, bool)
	// InCluster lets pods and Services (headless ones too) be granted, but
	// never nodes.
	InCluster bool
}

// Refusal says why an address was not granted.
type Refusal struct {
	Addr   netip.Addr
	Reason Reason
	// Embedded is the IPv4 address inside Addr that the reason is about; not
	// valid where the reason is about Addr itself.
	Embedded netip.Addr
	// Patterns are those of the name that the address is refused for, where
	// others may have it, with commas between them; empty where none may.
	Patterns string
}

// String is a phrase for people.
func (r Refusal) String() string {
	text := fmt.Sprintf("%s is %s", r.Addr, r.Reason.Text())
	if r.Embedded.IsValid() {
		text = fmt.Sprintf("%s stands for %s, %s", r.Addr, r.Embedded, r.Reason.Text())
	}
	if r.Patterns != "" {
		text += ", not allowed for " + r.Patterns
	}
	return text
}

// judge looks at one address as it stands; ReasonUnknown is none. What nobody
// may allow comes first, then what the cluster uses, then ranges.
func (g Guard) judge(addr netip.Addr, translated bool, private []netip.Prefix) Reason {
	if reason := forbidden(addr); reason != ReasonUnknown {
		return reason
	}
	if g.Occupied != nil {
		switch reason, ok := g.Occupied(addr); {
		case ok && g.InCluster && reason != ReasonNode:
			return ReasonUnknown
		case ok:
			return reason
		}
	}
	if translated || within(g.Allowed, addr) || within(private, addr) {
		return ReasonUnknown
	}
	return restricted(addr)
}

// within reports whether one of the ranges has addr.
func within(ranges []netip.Prefix, addr netip.Addr) bool {
	for _, p := range ranges {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Check returns why an address must not be granted; false means it may be.
func (g Guard) Check(addr netip.Addr) (Refusal, bool) { return g.check(addr, nil) }

// check allows private ranges besides those of the guard.
func (g Guard) check(addr netip.Addr, private []netip.Prefix) (Refusal, bool) {
	addr = addr.WithZone("").Unmap()
	inner, declared := g.translated(addr)
	if !declared {
		inner = embedded(addr)
	}
	if reason := g.judge(addr, declared, private); reason != ReasonUnknown {
		return Refusal{Addr: addr, Reason: reason}, true
	}
	for _, v4 := range inner {
		if reason := g.judge(v4, false, private); reason != ReasonUnknown {
			return Refusal{Addr: addr, Reason: reason, Embedded: v4}, true
		}
	}
	return Refusal{}, false
}
