package datapath

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/hack/prove/wire"
)

var (
	unknownPiece = drops("fragment-unknown")
	// followed: the first piece was allowed.
	followed = passes("fragment")
	// unfollowed: the first piece was allowed in the open world only.
	unfollowed = outcome{"deny fragment-unknown", "allow fragment"}
)

// oddFragments: later fragments follow the verdict of the first, and only its.
func oddFragments() []oddRow {
	var rows []oddRow
	for _, f := range families {
		open, shut := f.long(openPort), f.long(shutPort)
		say := func(sentence string, steps ...oddStep) {
			rows = append(rows, row(f.name+" fragments: "+sentence, steps...))
		}
		say("all of an allowed datagram", step(asOpenPort, open.Piece(1, 0, 16)), step(followed, open.Piece(1, 16, 32)),
			step(followed, open.Piece(1, 32, 64)))
		say("all of a denied datagram", step(asDenied, shut.Piece(1, 0, 16)), step(unfollowed, shut.Piece(1, 16, 64)))
		say("the first comes last", step(unknownPiece, open.Piece(1, 32, 64)), step(asOpenPort, open.Piece(1, 0, 32)),
			step(followed, open.Piece(1, 32, 64)))
		say("the first never comes", step(unknownPiece, open.Piece(1, 8, 64)), step(unknownPiece, open.Piece(1, 16, 64)))
		say("of another datagram", step(asOpenPort, open.Piece(1, 0, 16)), step(unknownPiece, open.Piece(2, 16, 64)))
		say("the other way", step(asOpenPort, open.Piece(1, 0, 16)),
			inward(unknownPiece, turned(open).Piece(1, 16, 64)))
		say("of another protocol", step(asOpenPort, open.Piece(1, 0, 32)),
			step(unknownPiece, protocolOf(f.tcp(openPort), wire.ProtocolTCP, 64).Piece(1, 32, 64)))
		say("to another peer", step(asOpenPort, open.Piece(1, 0, 16)), step(unknownPiece, away(open, f.far).Piece(1, 16, 64)))
		say("a second first piece, of another port", step(asOpenPort, open.Piece(1, 0, 16)),
			step(asDenied, shut.Piece(1, 0, 16)), step(followed, open.Piece(1, 16, 64)))
		say("the ports come again in a later piece", step(asOpenPort, open.Piece(1, 0, 16)),
			step(drops("fragment-overlap"), overlap(f.tcp(shutPort), 1, 8)),
			step(drops("fragment-overlap"), overlap(f.tcp(shutPort), 1, 16)))
		say("data come again in a later piece", step(asOpenPort, open.Piece(1, 0, 32)), step(followed, open.Piece(1, 8, 24)),
			step(followed, open.Piece(1, 24, 64)))
		say("a last piece that reaches beyond the greatest length", step(asOpenPort, open.Piece(1, 0, 16)),
			step(followed, fragmentAt(open, 1, 65528)))
		rows = append(rows, oddTinyFragments(f)...)
	}
	return rows
}

// protocolOf fills the segment up, so that it can be cut.
func protocolOf(p wire.Packet, protocol uint8, size int) wire.Packet {
	p.Protocol = protocol
	p.Segment = append(slices.Clone(p.Segment), make([]byte, size-len(p.Segment))...)
	return p
}

func turned(p wire.Packet) wire.Packet {
	p.From, p.To = p.To, p.From
	return p
}

func away(p wire.Packet, to netip.Addr) wire.Packet {
	p.To = to
	return p
}

// overlap is a piece with a whole header that lands on another offset.
func overlap(p wire.Packet, id uint32, offset int) wire.Packet {
	p.ID, p.Checksum = id, wire.ChecksumAsGiven
	p.Fragment = wire.Fragment{Is: true, Offset: offset, More: true}
	return p
}

func fragmentAt(p wire.Packet, id uint32, offset int) wire.Packet {
	p = overlap(p, id, offset)
	p.Fragment.More = false
	return p
}

// oddTinyFragments: the ports must be in the first piece (RFC 1858, RFC 7112).
func oddTinyFragments(f family) []oddRow {
	var rows []oddRow
	kinds := []struct {
		name   string
		packet wire.Packet
		tiny   []int
		rest   outcome // of a piece at the offset 8
	}{
		{"TCP", f.tcp(openPort), []int{8, 16}, drops("fragment-overlap")},
		{"SCTP", f.sctp(openPort), []int{8}, drops("fragment-overlap")},
		{"UDP", f.udp(openPort), []int{0, 4}, unknownPiece},
		{"echo", wire.Echo(f.pod, f.peer, 1), []int{0, 4}, unknownPiece},
	}
	for _, k := range kinds {
		for _, n := range k.tiny {
			rows = append(rows, row(fmt.Sprintf("%s: a first fragment with %d bytes of %s", f.name, n, k.name),
				step(drops("fragment-tiny"), k.packet.Piece(1, 0, n)),
				step(k.rest, fragmentAt(k.packet, 1, 8))))
		}
	}
	return rows
}

func oddFragments6() []oddRow {
	behind := func(p wire.Packet, more bool, headers ...wire.Extension) wire.Packet {
		return extended(p, slices.Concat([]wire.Extension{wire.FragmentHeader(5, 0, more)}, headers)...)
	}
	later := func(number uint8, offset int) wire.Packet {
		p := wire.Bare(six.pod, six.peer, number, six.tcp(shutPort).Segment)
		p.ID, p.Fragment = 5, wire.Fragment{Is: true, Offset: offset, More: true}
		return p
	}
	tooMuch := drops("extension-headers")
	return []oddRow{
		// The ports are at 8 to 16 of the datagram: a later piece at 8, which
		// names UDP, would be behind a UDP header without options.
		row("IPv6 fragments: options in the first piece, and a later one on the ports",
			step(tooMuch, behind(six.long(openPort), true, destination)), step(unknownPiece, later(wire.ProtocolUDP, 8)),
			step(unknownPiece, later(wire.ProtocolDestination, 8))),
		row("IPv6 fragments: authentication in the first piece",
			step(tooMuch, behind(six.long(openPort), true, sealed)), step(unknownPiece, later(wire.ProtocolUDP, 24))),
		row("IPv6 fragments: a routing header in the first piece",
			step(tooMuch, behind(six.long(openPort), true, arrived)), step(unknownPiece, later(wire.ProtocolUDP, 24))),
		row("IPv6 fragments: an atomic one in a first piece",
			step(tooMuch, behind(six.long(openPort), true, atomicFragment)), step(unknownPiece, later(wire.ProtocolUDP, 8))),
		row("IPv6 fragments: a first piece in a first piece",
			step(tooMuch, behind(six.long(openPort), true, wire.FragmentHeader(6, 0, true)))),
		row("IPv6 fragments: a later piece in an atomic one",
			step(unknownPiece, behind(six.long(openPort), false, wire.FragmentHeader(6, 16, true)))),
		row("IPv6 fragments: options before the fragment header are not part of the datagram",
			step(asOpenPort, extended(six.long(openPort), destination).Piece(5, 0, 16)),
			step(followed, extended(six.long(openPort), destination).Piece(5, 16, 64)),
			step(followed, six.long(openPort).Piece(5, 16, 64))),
		row("IPv6 fragments: a first piece that ends in its options",
			step(tooMuch, wire.Packet{From: six.pod, To: six.peer, Protocol: wire.ProtocolDestination,
				Segment: wire.Padded(64).Header[:16], Checksum: wire.ChecksumAsGiven, ID: 5,
				Fragment: wire.Fragment{Is: true, More: true}})),
		row("IPv6 fragments: the header of a later piece is behind the packet",
			step(asOpenPort, six.long(openPort).Piece(5, 0, 16)),
			step(drops("truncated"), six.long(openPort).Piece(5, 16, 64).With(wire.PayloadLength(2))),
			step(drops("truncated"), six.long(openPort).Piece(5, 16, 64).With(wire.PayloadLength(7)))),
		row("IPv6 fragments: the reserved bits are nobody's business",
			step(asOpenPort, six.long(openPort).Piece(5, 0, 16).With(wire.Byte(43, 7))),
			step(followed, six.long(openPort).Piece(5, 16, 64).With(wire.Byte(41, 0xff)))),
	}
}
