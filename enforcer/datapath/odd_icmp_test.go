package datapath

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/hack/prove/wire"
)

// oddErrors: an error passes where it quotes a connection of this pod to those
// who speak in it; anything else is ICMP like any other (D4).
func oddErrors() []oddRow {
	var rows []oddRow
	for _, f := range families {
		opened, related := step(asOpenPort, f.udp(openPort)), passes("related")
		say := func(sentence string, steps ...oddStep) {
			rows = append(rows, row(f.name+" errors: "+sentence, append([]oddStep{opened}, steps...)...))
		}
		about := func(p wire.Packet, n int) wire.Packet { return wire.Unreachable(f.peer, f.pod, p, n) }
		least := len(f.udp(0).IP()) - 8 // the header and eight bytes
		say("about the connection, from the peer", inward(related, about(f.udp(openPort), 1000)))
		say("about the connection, with the least quotation", inward(related, about(f.udp(openPort), least)))
		say("about the connection, from a router", inward(related, wire.Unreachable(f.far, f.pod, f.udp(openPort), least)))
		say("quoting less than the ports", inward(asDenied, about(f.udp(openPort), least-5)))
		say("quoting one byte less than eight", inward(asDenied, about(f.udp(openPort), least-1)))
		say("quoting nothing", inward(asDenied, about(f.udp(openPort), 0)))
		say("quoting a header alone", inward(asDenied, about(f.udp(openPort), least-8)))
		say("quoting another port", inward(asDenied, about(f.udp(shutPort), least)))
		say("quoting another protocol", inward(asDenied, about(f.tcp(openPort), least)))
		say("quoting another peer", inward(asDenied, about(away(f.udp(openPort), f.far), least)))
		say("quoting what another pod sent", inward(asDenied, about(sentBy(f.udp(openPort), f.far), least)))
		say("quoting the packet the wrong way", inward(asDenied, about(turned(f.udp(openPort)), least)))
		say("quoting a later fragment", inward(asDenied, about(f.long(openPort).Piece(1, 16, 64), 1000)))
		say("quoting an error", inward(asDenied, about(about(f.udp(openPort), 1000), 1000)))
		say("quoting in a fragment", inward(asDenied, about(f.udp(openPort), 1000).Piece(9, 0, 40)))
		say("quoting the other family", inward(asDenied, wire.Problem(f.peer, f.pod, unreachable(f), 0, other(f).udp(openPort).IP(), 1000)))
		behind := about(f.udp(openPort), least-8)
		behind.Link.Trailer = f.udp(openPort).Segment
		say("the ports are quoted behind the packet", inward(asDenied, behind))
		answer := turned(f.udp(openPort))
		answer.Segment = wire.UDP(on(f.peer, openPort), on(f.pod, clientPort), "answer").Segment
		say("by the pod, about the answer", step(related, wire.Unreachable(f.pod, f.peer, answer, least)))
		say("by the pod, to somebody else", step(asDenied, wire.Unreachable(f.pod, f.far, answer, least)))
		say("by the pod, about an answer to another pod",
			step(asDenied, wire.Unreachable(f.pod, f.peer, away(answer, f.far), least)))
		say("of every kind", slices.Concat(oddErrorKinds(f, least))...)
	}
	return rows
}

func unreachable(f family) byte {
	if f.pod.Is4() {
		return 3
	}
	return 1
}

func other(f family) family {
	if f.pod.Is4() {
		return six
	}
	return four
}

func sentBy(p wire.Packet, from netip.Addr) wire.Packet {
	p.From = from
	return p
}

// oddErrorKinds: which types are errors about a packet. A redirect of IPv4 is
// none: it would have the pod send its traffic elsewhere.
func oddErrorKinds(f family, n int) []oddStep {
	kinds := []byte{3, 4, 11, 12}
	if !f.pod.Is4() {
		kinds = []byte{1, 2, 3, 4}
	}
	var steps []oddStep
	for kind := range byte(20) {
		want := asDenied
		if slices.Contains(kinds, kind) {
			want = passes("related")
		}
		steps = append(steps, inward(want, wire.Problem(f.peer, f.pod, kind, 0, f.udp(openPort).IP(), n)))
	}
	return steps
}

// oddNeighbours: what the kernel needs on the link passes, and nothing in its
// guise (D4).
func oddNeighbours() []oddRow {
	rest := make([]byte, 20)
	message := func(from, to netip.Addr, kind, hops byte) wire.Packet {
		p := wire.ICMP(from, to, kind, 0, rest...)
		p.HopLimit = hops
		return p
	}
	discovers, impostor := passes("neighbour"), drops("neighbour")
	allNodes, link := netip.MustParseAddr("ff02::1"), netip.MustParseAddr("fe80::2")
	ask := message(six.pod, six.peer, 135, 255)
	rows := []oddRow{
		row("a neighbour is asked", step(discovers, ask)),
		row("a neighbour is asked, with options before",
			step(discovers, extended(ask, destination)), step(impostor, extended(ask, wire.Padded(64))),
			step(impostor, extended(ask, wire.Padded(2048)))),
		row("a neighbour is asked in a first fragment", step(asDenied, ask.Piece(3, 0, 16))),
		row("a neighbour is asked by a pod that is nobody yet",
			step(discovers, message(netip.IPv6Unspecified(), netip.MustParseAddr("ff02::1:ff00:2"), 135, 255))),
		row("the pod advertises a router", step(impostor, message(six.pod, allNodes, 134, 255)),
			step(impostor, message(link, link, 134, 255))),
		row("the pod redirects", step(impostor, message(six.pod, six.peer, 137, 255))),
		row("the pod reports its groups with a router alert",
			step(discovers, extended(message(link, netip.MustParseAddr("ff02::16"), 143, 1), wire.HopByHop(5, 2, 0, 0)))),
		row("IGMP is not discovery",
			step(asDenied, wire.Bare(four.pod, netip.MustParseAddr("224.0.0.22"), 2, make([]byte, 8)))),
	}
	for _, hops := range []byte{1, 64, 254} {
		rows = append(rows, row(fmt.Sprintf("a neighbour is asked with hop limit %d", hops),
			step(impostor, message(six.pod, six.peer, 135, hops)), inward(impostor, message(six.peer, six.pod, 135, hops)),
			step(impostor, message(link, allNodes, 135, hops)), inward(impostor, message(link, six.pod, 134, hops))))
	}
	for _, kind := range []byte{0, 5, 100, 101, 127, 138, 139, 140, 141, 142, 144, 146, 148, 151, 153, 155, 160, 200, 255} {
		rows = append(rows, row(fmt.Sprintf("ICMPv6 type %d on the link", kind),
			step(asDenied, message(link, allNodes, kind, 255)), inward(asDenied, message(link, six.pod, kind, 255))))
	}
	return rows
}
