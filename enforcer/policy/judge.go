package policy

import (
	"cmp"
	"net/netip"
	"slices"
)

// Ruling is what Tables say about a packet, and why.
type Ruling struct {
	Verdict Verdict
	// Tier decided. TierUnknown is a packet that no tier was asked about: of
	// no endpoint, or from this node itself (P18).
	Tier   Tier
	Policy PolicyID
	// Rule says that a rule decided and Index which, for Compiled.Explain.
	// Without one, the NetworkPolicy tier denied by isolation.
	Rule  bool
	Index uint32
}

// Judge decides one packet that belongs to no known connection, step by step
// as the kernel program does. Port is the destination port, and zero for
// protocols without ports. Names is the class of the pod's grant for the peer,
// or zero. A pod's traffic to its own addresses never gets here (P19): that is
// for the caller to know.
func (t *Tables) Judge(ep EndpointID, d Direction, peer netip.Addr, protocol uint8, port uint16, names ClassID) Ruling {
	e, ok := t.Endpoints[ep]
	if !ok {
		return Ruling{Verdict: Deny}
	}
	class, local := t.classOf(peer)
	attached := e.Egress
	if d == Ingress {
		if local {
			return Ruling{Verdict: Allow}
		}
		attached, names = e.Ingress, AnyPeer
	}
	row := t.row(attached.Policy, class, t.portClassOf(protocol, port))
	if names != AnyPeer {
		row = row.merge(t.nameRow(attached.Policy, names, t.portClassOf(protocol, port)))
	}
	ruling := row.decide(attached.Isolated, e.Default)
	ruling.Policy = attached.Policy
	return ruling
}

// classOf asks the exact addresses, then the longest prefix. Both families lie
// in one trie, IPv4 below ::ffff:0:0/96.
func (t *Tables) classOf(peer netip.Addr) (ClassID, bool) {
	peer = plain(peer)
	if p, ok := t.Addresses[peer]; ok {
		return p.Class, p.LocalNode
	}
	for bits := peer.BitLen(); bits >= 0; bits-- {
		if class, ok := t.Prefixes[netip.PrefixFrom(peer, bits).Masked()]; ok {
			return class, false
		}
	}
	if peer.Is4() {
		mapped := netip.AddrFrom16(peer.As16())
		for bits := 95; bits >= 0; bits-- {
			if class, ok := t.Prefixes[netip.PrefixFrom(mapped, bits).Masked()]; ok {
				return class, false
			}
		}
	}
	return AnyPeer, false
}

// plain is the form in which addresses are kept.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func (t *Tables) portClassOf(protocol uint8, port uint16) PortClass {
	n, found := slices.BinarySearchFunc(t.Ports, PortSpan{Protocol: protocol, First: port}, func(a, b PortSpan) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.First, b.First))
	})
	if !found {
		n--
	}
	if n >= 0 && t.Ports[n].Protocol == protocol && t.Ports[n].First <= port && port <= t.Ports[n].Last {
		return t.Ports[n].Class
	}
	return 0
}

func (t *Tables) row(policy PolicyID, class ClassID, port PortClass) Row {
	if row, ok := t.Rows[RowKey{policy, class, port}]; ok {
		return row
	}
	return t.nameRow(policy, AnyPeer, port)
}

func (t *Tables) nameRow(policy PolicyID, class ClassID, port PortClass) Row {
	if row, ok := t.Rows[RowKey{policy, class, port}]; ok {
		return row
	}
	return emptyRow
}

// merge adds what name rules say. The earlier rule of a tier decides.
func (r Row) merge(names Row) Row {
	r.Admin = min(r.Admin, names.Admin)
	r.Baseline = min(r.Baseline, names.Baseline)
	if r.NetworkPolicy == 0 {
		r.NetworkPolicy = names.NetworkPolicy
	}
	return r
}

func (r Row) decide(isolated bool, otherwise Verdict) Ruling {
	switch r.Admin.Action() {
	case ActionAccept:
		return Ruling{Verdict: Allow, Tier: TierAdmin, Rule: true, Index: r.Admin.Index()}
	case ActionDeny, ActionUnknown:
		return Ruling{Verdict: Deny, Tier: TierAdmin, Rule: true, Index: r.Admin.Index()}
	}
	if isolated {
		if r.NetworkPolicy == 0 {
			return Ruling{Verdict: Deny, Tier: TierNetworkPolicy}
		}
		return Ruling{Verdict: Allow, Tier: TierNetworkPolicy, Rule: true, Index: r.NetworkPolicy - 1}
	}
	switch r.Baseline.Action() {
	case ActionAccept:
		return Ruling{Verdict: Allow, Tier: TierBaseline, Rule: true, Index: r.Baseline.Index()}
	case ActionDeny, ActionUnknown:
		return Ruling{Verdict: Deny, Tier: TierBaseline, Rule: true, Index: r.Baseline.Index()}
	}
	if otherwise == Allow {
		return Ruling{Verdict: Allow, Tier: TierDefault}
	}
	return Ruling{Verdict: Deny, Tier: TierDefault}
}
