package cluster

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
)

// Packet is the first of a connection, as a policed pod sees it.
type Packet struct {
	// Pod is its namespace and name.
	Pod       string
	Direction policy.Direction
	Peer      netip.Addr
	// Protocol is an IANA number, Port the destination port; 0 where the
	// protocol has none.
	Protocol uint8
	Port     uint16
	// Names are those for which the pod has a live grant for Peer.
	Names []string
}

// Peers are all addresses that packets go to or come from.
var Peers = func() []netip.Addr {
	all := slices.Clone(elsewhere)
	for slot := range Slots {
		all = append(all, slotAddrs(slot)...)
	}
	return all
}()

var packetPorts = []uint16{0, 1, 2, 53, 53, 79, 80, 80, 80, 81, 443, 8080, 8081, 65535}

const (
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	GRE    = 47
	ICMPv6 = 58
	SCTP   = 132
)

// Packets draws n packets of the cluster's policed pods, fewer where it has
// none.
func (c *Cluster) Packets(random *rand.Rand, n int) []Packet {
	policed := c.Policed()
	if len(policed) == 0 {
		return nil
	}
	all := make([]Packet, 0, n)
	for range n {
		p := Packet{
			Pod: policed[random.IntN(len(policed))].Name(), Direction: policy.Direction(1 + random.IntN(2)),
			Peer: Peers[random.IntN(len(Peers))], Protocol: drawProtocol(random),
		}
		if pods := c.Pods; random.IntN(3) == 0 {
			if all := pods[random.IntN(len(pods))].model.Addresses; len(all) > 0 {
				p.Peer = all[random.IntN(len(all))]
			}
		}
		if len(c.Lessons) > 0 && random.IntN(4) == 0 {
			l := c.Lessons[random.IntN(len(c.Lessons))]
			p.Pod, p.Peer, p.Direction = l.Pod, l.Peer, policy.Egress
		}
		if p.Protocol == TCP || p.Protocol == UDP || p.Protocol == SCTP {
			p.Port = packetPorts[random.IntN(len(packetPorts))]
		}
		if p.Protocol == ICMP && p.Peer.Is6() {
			p.Protocol = ICMPv6
		}
		p.Names = c.NamesOf(p)
		all = append(all, p)
	}
	return all
}

func drawProtocol(random *rand.Rand) uint8 {
	return [...]uint8{TCP, TCP, TCP, UDP, UDP, SCTP, ICMP, GRE}[random.IntN(8)]
}

// NamesOf gives the names for which the packet's pod has a live grant.
func (c *Cluster) NamesOf(p Packet) []string {
	if p.Direction != policy.Egress {
		return nil
	}
	for _, l := range c.Lessons {
		if l.Pod == p.Pod && l.Peer == p.Peer && !l.Expired {
			return l.Names
		}
	}
	return nil
}

// Flow is the packet for the evaluator. It says no where the pod is none that
// is policed.
func (p Packet) Flow(w *policy.World) (policy.Flow, bool) {
	pod := Subject(w, p.Pod)
	return policy.Flow{
		Direction: p.Direction, Pod: pod, Peer: p.Peer, Protocol: p.Protocol, Port: p.Port, Names: p.Names,
	}, pod != nil
}

var protocolNames = map[uint8]string{ICMP: "icmp", TCP: "tcp", UDP: "udp", GRE: "gre", ICMPv6: "icmpv6", SCTP: "sctp"}

// String is how a packet is told to people.
func (p Packet) String() string {
	preposition := "to"
	if p.Direction == policy.Ingress {
		preposition = "from"
	}
	text := fmt.Sprintf("%s of %s %s %s, %s", p.Direction, p.Pod, preposition, p.Peer, protocolNames[p.Protocol])
	if p.Protocol == TCP || p.Protocol == UDP || p.Protocol == SCTP {
		text += fmt.Sprintf(" port %d", p.Port)
	}
	if len(p.Names) > 0 {
		text += ", learnt as " + strings.Join(p.Names, " ")
	}
	return text
}
