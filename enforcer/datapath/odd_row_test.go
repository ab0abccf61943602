package datapath

import (
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/wire"
)

// oddRow is one way to be odd: frames that follow one another, and what is to
// become of each.
type oddRow struct {
	sentence string
	steps    []oddStep
}

type oddStep struct {
	direction policy.Direction
	frame     []byte
	super     super
	want      outcome
}

// outcome is the reason that a frame passes or drops for: in the world that is
// closed but for one port, and in the open one.
type outcome struct{ closed, open string }

// drops: nothing a policy says lets it pass.
func drops(reason string) outcome { return outcome{"deny " + reason, "deny " + reason} }

// passes whatever the policies say.
func passes(reason string) outcome { return outcome{"allow " + reason, "allow " + reason} }

// What the policies decide.
var (
	asOpenPort = outcome{"allow allowed", "allow default-allow"}
	asDenied   = outcome{"deny not-allowed", "allow default-allow"}
)

// family is the pod and its peer in one of the two.
type family struct {
	name           string
	pod, peer, far netip.Addr
}

var (
	four     = family{"IPv4", oddPod.four, oddPeer.four, oddFar.four}
	six      = family{"IPv6", oddPod.six, oddPeer.six, oddFar.six}
	families = []family{four, six}
)

func on(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// To the peer: a packet that opens a connection to one of its ports.
func (f family) tcp(port uint16) wire.Packet {
	return wire.TCP(on(f.pod, clientPort), on(f.peer, port), wire.SYN)
}

func (f family) udp(port uint16) wire.Packet {
	return wire.UDP(on(f.pod, clientPort), on(f.peer, port), "nameward")
}

func (f family) sctp(port uint16) wire.Packet {
	return wire.SCTP(on(f.pod, clientPort), on(f.peer, port))
}

// long is a datagram that is worth cutting.
func (f family) long(port uint16) wire.Packet {
	return wire.UDP(on(f.pod, clientPort), on(f.peer, port), string(make([]byte, 56)))
}

func row(sentence string, steps ...oddStep) oddRow { return oddRow{sentence, steps} }

// step is what the pod sends, unless it is turned.
func step(want outcome, p wire.Packet) oddStep {
	p.Link.From, p.Link.To = podMAC, peerMAC
	return oddStep{direction: policy.Egress, frame: p.Frame(), want: want}
}

// inward is what arrives for the pod.
func inward(want outcome, p wire.Packet) oddStep {
	p.Link.From, p.Link.To = peerMAC, podMAC
	return oddStep{direction: policy.Ingress, frame: p.Frame(), want: want}
}

// bytesOf is a frame that no packet makes: the payload in a frame of any type.
func bytesOf(want outcome, etherType uint16, payload []byte) oddStep {
	link := wire.Link{From: podMAC, To: peerMAC}
	return oddStep{direction: policy.Egress, frame: link.Around(etherType, payload), want: want}
}

// cutTo ends the frame early.
func (s oddStep) cutTo(n int) oddStep {
	s.frame = s.frame[:n]
	return s
}

func (s oddStep) as(super super) oddStep {
	s.super = super
	return s
}

// both makes the row of a packet twice: to the open and to the other port.
func both(sentence string, make func(port uint16) wire.Packet) []oddRow {
	return []oddRow{
		row(sentence+", to the open port", step(asOpenPort, make(openPort))),
		row(sentence+", to another port", step(asDenied, make(shutPort))),
	}
}

// corpus are all rows.
func corpus() []oddRow {
	return slices.Concat(oddLinks(), oddHeaders4(), oddOptions4(), oddAddresses(), oddExtensions(), oddLengths6(),
		oddFragments(), oddFragments6(), oddSegments(), oddSuper(), oddErrors(), oddNeighbours())
}
