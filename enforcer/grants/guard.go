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
	// and has to be safe for the goroutine of the Book.
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
}

// String is a phrase for people.
func (r Refusal) String() string {
	if r.Embedded.IsValid() {
		return fmt.Sprintf("%s stands for %s, %s", r.Addr, r.Embedded, r.Reason.Text())
	}
	return fmt.Sprintf("%s is %s", r.Addr, r.Reason.Text())
}

// judge looks at one address as it stands; ReasonUnknown is none. What nobody
// may allow comes first, then what the cluster uses, then ranges.
func (g Guard) judge(addr netip.Addr, translated bool) Reason {
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
	if translated || g.allows(addr) {
		return ReasonUnknown
	}
	return restricted(addr)
}

// allows reports whether the operator allows the range of addr.
func (g Guard) allows(addr netip.Addr) bool {
	for _, p := range g.Allowed {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Check returns why an address must not be granted; false means it may be.
func (g Guard) Check(addr netip.Addr) (Refusal, bool) {
	addr = addr.WithZone("").Unmap()
	inner, declared := g.translated(addr)
	if !declared {
		inner = embedded(addr)
	}
	if reason := g.judge(addr, declared); reason != ReasonUnknown {
		return Refusal{Addr: addr, Reason: reason}, true
	}
	for _, v4 := range inner {
		if reason := g.judge(v4, false); reason != ReasonUnknown {
			return Refusal{Addr: addr, Reason: reason, Embedded: v4}, true
		}
	}
	return Refusal{}, false
}
