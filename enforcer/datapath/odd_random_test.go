package datapath

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/hack/prove/wire"
)

// TestRandomPackets: sequences of packets that are put together at random from
// sound and odd parts, held to the same invariant as FuzzPacket. Few addresses,
// ports and identifications, so that packets have to do with each other.
func TestRandomPackets(t *testing.T) {
	b := newBench(t, fuzzWorld())
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, mostSteps).Draw(t, "frames")
		if failure := b.hold(steps); failure != "" {
			t.Fatal(failure)
		}
	})
}

func drawStep(t *rapid.T) oddStep {
	f := rapid.SampledFrom(families).Draw(t, "family")
	p := drawPacket(t, f)
	if often(t, 4, "an error") {
		about := p.IP()
		p = wire.Problem(drawPeer(t, f), f.pod, byte(rapid.IntRange(0, 13).Draw(t, "type")), 0, about,
			rapid.IntRange(0, len(about)).Draw(t, "quoted"))
	} else if often(t, 3, "a fragment") {
		at := 8 * rapid.IntRange(0, 3).Draw(t, "from")
		if at < len(p.Segment) {
			p = p.Piece(uint32(rapid.IntRange(1, 2).Draw(t, "id")), at, min(at+8*rapid.IntRange(1, 4).Draw(t, "eights"), len(p.Segment)))
		}
	}
	p = drawOdd(t, p)
	if rapid.Bool().Draw(t, "inward") {
		return inward(outcome{}, p)
	}
	return step(outcome{}, p)
}

// often is true once in n times.
func often(t *rapid.T, n int, label string) bool {
	return rapid.IntRange(1, n).Draw(t, label) == 1
}

func drawPeer(t *rapid.T, f family) netip.Addr {
	of := []string{"203.0.113.9", "203.0.113.70", "203.0.113.200", "224.0.0.1"}
	if f.name == six.name {
		of = []string{"fd0f::9", "fd0f::41", "fd0f::8001", "ff02::1"}
	}
	peers := []netip.Addr{f.peer, f.pod}
	for _, a := range of {
		peers = append(peers, netip.MustParseAddr(a))
	}
	return rapid.SampledFrom(peers).Draw(t, "peer")
}

func drawPacket(t *rapid.T, f family) wire.Packet {
	ports := rapid.SampledFrom([]uint16{openPort, shutPort, 300, clientPort})
	from, to := on(f.pod, ports.Draw(t, "from port")), on(drawPeer(t, f), ports.Draw(t, "to port"))
	var p wire.Packet
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0, 1:
		p = wire.TCP(from, to, byte(rapid.SampledFrom([]int{wire.SYN, wire.ACK, wire.SYN | wire.ACK, wire.RST, 0}).Draw(t, "flags")))
	case 2, 3:
		p = wire.UDP(from, to, string(make([]byte, rapid.IntRange(0, 64).Draw(t, "payload"))))
	case 4:
		p = wire.SCTP(from, to)
	case 5:
		p = wire.ICMP(from.Addr(), to.Addr(), rapid.Byte().Draw(t, "type"), 0, make([]byte, 4)...)
	case 6:
		p = wire.Open(rapid.Byte().Draw(t, "protocol"), from, to)
	}
	if rapid.Bool().Draw(t, "turned") {
		p = turned(p)
		if withPorts(p.Protocol) {
			ports := slices.Clone(p.Segment[:4])
			copy(p.Segment, ports[2:])
			copy(p.Segment[2:], ports[:2])
		}
	}
	return p
}

// drawOdd adds what receivers skip, or do not.
func drawOdd(t *rapid.T, p wire.Packet) wire.Packet {
	if p.Is4() {
		if often(t, 3, "with options") {
			p.Options = drawOptions(t)
		}
	} else if often(t, 2, "with a chain") {
		p.Extensions = rapid.SliceOfN(rapid.Custom(drawExtension), 0, 8).Draw(t, "chain")
	}
	if often(t, 8, "tagged") {
		p.Link.Tags = []wire.Tag{{Type: wire.EtherVLAN, Control: uint16(rapid.IntRange(0, 1).Draw(t, "tag"))}}
	}
	if often(t, 4, "near") {
		p.HopLimit = byte(rapid.SampledFrom([]int{1, 255}).Draw(t, "hop limit"))
	}
	if often(t, 4, "with a trailer") {
		p.Link.Trailer = make([]byte, rapid.IntRange(1, 64).Draw(t, "trailer"))
	}
	if often(t, 4, "bent") {
		// Not the first two bytes of the length alone: any of the header.
		at, to := rapid.IntRange(0, 39).Draw(t, "at"), rapid.Byte().Draw(t, "byte")
		p = p.With(func(b []byte) {
			if at < len(b) {
				b[at] = to
			}
		})
	}
	if often(t, 4, "with a lie") {
		n := rapid.IntRange(0, 120).Draw(t, "length")
		lie := wire.PayloadLength(n)
		if p.Is4() {
			lie = wire.TotalLength(n)
		}
		p = p.With(lie)
	}
	return p
}

func drawOptions(t *rapid.T) []byte {
	if rapid.Bool().Draw(t, "any bytes") {
		return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "options")
	}
	return rapid.SampledFrom([][]byte{{1, 1, 0, openPort}, {148, 4, 0, 0}, {131, 7, 4, 1, 2, 3, 4}, {1, 137, 3, 4}, make([]byte, 40)}).Draw(t, "options")
}

func drawExtension(t *rapid.T) wire.Extension {
	bytes := rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "bytes")
	switch rapid.IntRange(0, 7).Draw(t, "extension") {
	case 0:
		return wire.HopByHop(bytes...)
	case 1:
		return wire.DestinationOptions(bytes...)
	case 2:
		return wire.Routing(rapid.Byte().Draw(t, "routing"), byte(rapid.IntRange(0, 1).Draw(t, "left")))
	case 3:
		return wire.FragmentHeader(1, 8*rapid.IntRange(0, 2).Draw(t, "offset"), rapid.Bool().Draw(t, "more"))
	case 4:
		return wire.Authentication()
	case 5:
		return wire.Other(rapid.Byte().Draw(t, "number"))
	case 6:
		return wire.Padded(8 * rapid.IntRange(1, 20).Draw(t, "size"))
	}
	// One that lies about its length.
	return wire.Extension{Number: wire.ProtocolDestination, Header: []byte{0, rapid.Byte().Draw(t, "length"), 0, 0, 0, 0, 0, 0}}
}
