package datapath

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/wire"
)

// oracle says which frames may pass and which must, from what a receiver reads
// (wire.Parse) and what the policies say (policy.Evaluate). It shares neither
// with the programs. It remembers what passed, since that lets more pass (D5).
type oracle struct {
	world  *policy.World
	opened map[conversation]bool
	// pieces are first fragments that passed, with how many bytes of the
	// datagram their headers take.
	pieces map[pieceKey]int
}

// conversation is a connection as both its directions show it.
type conversation struct {
	peer              netip.Addr
	protocol          uint8
	peerPort, podPort uint16
	// asker of an echo, whose identifier the ports are.
	asker policy.Direction
}

// pieceKey has no address of the pod: what is sent from or to another than its
// own is a matter of who routes to it.
type pieceKey struct {
	direction policy.Direction
	peer      netip.Addr
	id        uint32
	protocol  uint8 // of IPv4
}

func pieceOf(direction policy.Direction, d wire.Datagram) pieceKey {
	key := pieceKey{direction, d.To, d.ID, d.Protocol}
	if direction == policy.Ingress {
		key.peer = d.From
	}
	return key
}

func newOracle(w *policy.World) *oracle {
	return &oracle{world: w, opened: map[conversation]bool{}, pieces: map[pieceKey]int{}}
}

// judge says whether the frame may pass and whether it must. It must where it
// is sound and allowed.
func (o *oracle) judge(direction policy.Direction, r wire.Reading) (may, must bool) {
	switch {
	case r.Ambiguous != "":
		return false, false
	case r.Fate == wire.Aside:
		return r.EtherType == wire.EtherARP, r.EtherType == wire.EtherARP
	case !r.From.IsValid() || !r.To.IsValid():
		return false, false
	case isDiscoveryType(r):
		return discovers(direction, r), false
	case r.Fate == wire.Piece && r.Offset > 0:
		headers, known := o.pieces[pieceOf(direction, r.Key)]
		return known && r.Offset >= headers, false
	case withPorts(r.Protocol) && !r.HasPorts:
		return false, false // nobody knows to which port it goes
	}
	allowed := o.allows(direction, r)
	talk, has := talkOf(direction, r)
	known := has && o.opened[talk] || o.related(direction, r)
	return allowed || known, allowed && mustPass(r) && !o.spoofed(direction, r)
}

// passed remembers a frame that did.
func (o *oracle) passed(direction policy.Direction, r wire.Reading) {
	if r.Fate == wire.Piece && r.Offset == 0 {
		o.pieces[pieceOf(direction, r.Key)] = r.Headers
	}
	if talk, has := talkOf(direction, r); has {
		o.opened[talk] = true
	}
}

func (o *oracle) allows(direction policy.Direction, r wire.Reading) bool {
	f := policy.Flow{Direction: direction, Pod: o.world.Pods[0], Peer: r.To, Protocol: r.Protocol}
	if direction == policy.Ingress {
		f.Peer = r.From
	}
	if withPorts(r.Protocol) {
		f.Port = r.ToPort
	}
	return policy.Evaluate(o.world, f).Verdict == policy.Allow
}

// spoofed: it leaves for the pod itself, but not from there (P19). The programs
// judge it by the policies, the evaluator does not see it.
func (o *oracle) spoofed(direction policy.Direction, r wire.Reading) bool {
	return direction == policy.Egress && r.From != r.To && slices.Contains(o.world.Pods[0].Addresses, r.To)
}

// mustPass: no receiver would refuse it but for a checksum, of which the
// programs know nothing.
func mustPass(r wire.Reading) bool {
	for _, odd := range r.Odd {
		if !strings.HasPrefix(odd, "checksum of") {
			return false
		}
	}
	whole := r.Fate == wire.Read || r.Fate == wire.Piece && r.Headers <= 20 && !behindFragmentHeader(r)
	return whole && len(r.Extensions) <= mostExtensions
}

// mostExtensions is how many the programs walk: more are nobody's.
const mostExtensions = 6

func behindFragmentHeader(r wire.Reading) bool {
	at := slices.Index(r.Extensions, wire.ProtocolFragment)
	return at >= 0 && at < len(r.Extensions)-1
}

func withPorts(protocol uint8) bool {
	return protocol == wire.ProtocolTCP || protocol == wire.ProtocolUDP || protocol == wire.ProtocolSCTP
}

// talkOf is the conversation that a packet belongs to or opens.
func talkOf(direction policy.Direction, r wire.Reading) (conversation, bool) {
	c := conversation{peer: r.To, protocol: r.Protocol, peerPort: r.ToPort, podPort: r.FromPort}
	if direction == policy.Ingress {
		c.peer, c.peerPort, c.podPort = r.From, r.FromPort, r.ToPort
	}
	if r.HasPorts {
		return c, true
	}
	asks, answers := uint8(8), uint8(0)
	if r.To.Is6() {
		asks, answers = 128, 129
	}
	if !r.HasType || r.Type != asks && r.Type != answers {
		return c, false
	}
	c.peerPort, c.podPort = r.Identifier, r.Identifier
	c.asker = direction
	if r.Type == answers {
		c.asker = opposite(direction)
	}
	return c, true
}

// related: an error between those who speak, about what one of them sent.
func (o *oracle) related(direction policy.Direction, r wire.Reading) bool {
	q := r.Quoted
	if q == nil || r.Type == 5 || q.Fate == wire.Refused || q.Ambiguous != "" || q.IsError() || q.From != r.To {
		return false
	}
	if q.Fate == wire.Piece && q.Offset > 0 || direction == policy.Egress && q.To != r.From {
		return false
	}
	talk, has := talkOf(opposite(direction), *q)
	return has && o.opened[talk]
}

func isDiscoveryType(r wire.Reading) bool {
	if !r.HasType || r.Protocol != wire.ProtocolICMPv6 || r.Fate != wire.Read {
		return false
	}
	return r.Type >= 130 && r.Type <= 137 || r.Type == 143
}

// discovers: hosts find neighbours and routers, and report their groups, on the
// link (RFC 4861, 7.1 and 8.1; RFC 3810, 5); pods play no routers (D4).
func discovers(direction policy.Direction, r wire.Reading) bool {
	groups := r.Type <= 132 || r.Type == 143
	if groups && r.HopLimit != 1 || !groups && r.HopLimit != 255 {
		return false
	}
	if direction == policy.Ingress {
		return true
	}
	if r.Type == 130 || r.Type == 134 || r.Type == 137 {
		return false
	}
	to := r.To.As16()
	link := r.To.IsLinkLocalUnicast() || to[0] == 0xff && to[1]&15 <= 2
	asksNeighbour := r.Type == 135 || r.Type == 136
	return link || asksNeighbour && !r.To.IsMulticast() && r.Size <= 80
}
