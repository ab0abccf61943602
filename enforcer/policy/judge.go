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
	// no endpoint, from this node itself (P18), or for a Service with too many
	// kinds of backends (MaxTargets).
	Tier Tier
	// List is what the pod has in that tier and direction. Rule says that a
	// rule of it decided and Index which, for Compiled.Explain. Without one,
	// the NetworkPolicy tier denied by isolation.
	List  ListID
	Rule  bool
	Index uint32
}

// Judge decides one packet that belongs to no known connection, step by step
// as the kernel program does. Port is the destination port, and zero for
// protocols without ports. Names is the class of the pod's grant for the peer,
// or zero. What a pod sends to its own addresses never gets here (P19): that
// is for the caller to know.
func (t *Tables) Judge(ep EndpointID, d Direction, peer netip.Addr, protocol uint8, port uint16, names ClassID) Ruling {
	e, ok := t.Endpoints[ep]
	if !ok {
		return Ruling{Verdict: Deny}
	}
	return t.judge(&e.Stance, d, peer, protocol, port, names)
}

// Audit is Judge with everything in force that is on trial (P23). What it
// denies and Judge allows passes, and is reported.
func (t *Tables) Audit(ep EndpointID, d Direction, peer netip.Addr, protocol uint8, port uint16, names ClassID) Ruling {
	e, ok := t.Endpoints[ep]
	switch {
	case !ok:
		return Ruling{Verdict: Deny}
	case !e.Audited:
		return t.judge(&e.Stance, d, peer, protocol, port, names)
	}
	return t.judge(&e.Audit, d, peer, protocol, port, names)
}

func (t *Tables) judge(s *Stance, d Direction, peer netip.Addr, protocol uint8, port uint16, names ClassID) Ruling {
	peer = plain(peer)
	at := t.peerOf(peer)
	attached := &s.Egress
	if d == Ingress {
		if at.LocalNode {
			return Ruling{Verdict: Allow}
		}
		attached, names = &s.Ingress, AnyPeer
	}
	q := query{tables: t, attached: attached, otherwise: s.Default}
	q.cells[0] = Cell{at.Class, t.portClassOf(protocol, port)}
	q.name = Cell{names, q.cells[0].Port}
	targets, service := t.Services.Get(ServiceKey{peer, protocol, port})
	if d == Ingress || !at.Service || !service {
		return q.decide(q.cells[:1])
	}
	if targets.Count > MaxTargets {
		return Ruling{Verdict: Deny}
	}
	var first Ruling
	for i := range targets.Count {
		q.cells[1] = targets.Of[i]
		ruling := q.decide(q.cells[:])
		if ruling.Verdict != Allow {
			return ruling
		}
		if i == 0 {
			first = ruling
		}
	}
	return first
}

// peerOf asks the exact addresses, then the longest prefix. Both families lie
// in one trie, IPv4 below ::ffff:0:0/96.
func (t *Tables) peerOf(peer netip.Addr) Peer {
	if p, ok := t.Addresses.Get(peer); ok {
		return p
	}
	for bits := peer.BitLen(); bits >= 0; bits-- {
		if class, ok := t.Prefixes[netip.PrefixFrom(peer, bits).Masked()]; ok {
			return Peer{Class: class}
		}
	}
	if peer.Is4() {
		mapped := netip.AddrFrom16(peer.As16())
		for bits := 95; bits >= 0; bits-- {
			if class, ok := t.Prefixes[netip.PrefixFrom(mapped, bits).Masked()]; ok {
				return Peer{Class: class}
			}
		}
	}
	return Peer{}
}

// plain is the form in which addresses are kept.
func plain(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a // as most are
	}
	return a.Unmap().WithZone("")
}

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

// query is one packet on its way through the tiers.
type query struct {
	tables    *Tables
	attached  *Attachment
	otherwise Verdict
	// cells are the peer's, and that of a backend behind it.
	cells [2]Cell
	// name is the grant's cell; its class is zero where there is none.
	name Cell
}

// say gives the first rule of a list that matches any of the cells.
func (q *query) say(id ListID, cells []Cell) Precedence {
	list, ok := q.tables.Lists[id]
	if !ok {
		return NoRule
	}
	first := NoRule
	for _, cell := range cells {
		row, ok := list.Rows[cell]
		if !ok {
			row, ok = list.Rows[Cell{AnyPeer, cell.Port}]
		}
		if ok {
			first = min(first, row)
		}
	}
	if q.name.Peer != AnyPeer {
		if row, ok := q.tables.NameRows[RowKey{id, q.name}]; ok {
			first = min(first, row)
		}
	}
	return first
}

// decide goes through the tiers (P2, P3, P6, P7).
func (q *query) decide(cells []Cell) Ruling {
	a := q.attached
	if ruling, decided := ruled(TierAdmin, a.Admin, q.say(a.Admin, cells)); decided {
		return ruling
	}
	if a.Isolated {
		if ruling, decided := ruled(TierNetworkPolicy, a.NetworkPolicy, q.say(a.NetworkPolicy, cells)); decided {
			return ruling
		}
		return Ruling{Verdict: Deny, Tier: TierNetworkPolicy, List: a.NetworkPolicy}
	}
	if ruling, decided := ruled(TierBaseline, a.Baseline, q.say(a.Baseline, cells)); decided {
		return ruling
	}
	if q.otherwise == Allow {
		return Ruling{Verdict: Allow, Tier: TierDefault}
	}
	return Ruling{Verdict: Deny, Tier: TierDefault}
}

// ruled says whether the rule ends the evaluation.
func ruled(t Tier, list ListID, row Precedence) (Ruling, bool) {
	ruling := Ruling{Verdict: Deny, Tier: t, List: list, Rule: true, Index: row.Index()}
	switch row.Action() {
	case ActionPass:
		return Ruling{}, false
	case ActionAccept:
		ruling.Verdict = Allow
	}
	return ruling, true
}
