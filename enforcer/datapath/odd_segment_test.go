package datapath

import (
	"fmt"
	"slices"

	"github.com/nameward/nameward/hack/prove/wire"
)

func edit(p wire.Packet, bend func(segment []byte)) wire.Packet {
	p.Segment = slices.Clone(p.Segment)
	bend(p.Segment)
	return p
}

func summed(p wire.Packet, c wire.Checksum) wire.Packet {
	p.Checksum = c
	return p
}

// ends has the packet say that it ends after n bytes of the segment.
func ends(p wire.Packet, n int) wire.Packet {
	p.Segment, p.Checksum = p.Segment[:n], wire.ChecksumAsGiven
	return p
}

// oddSegments: a segment that its receiver will not take opens nothing, and is
// judged by the ports that it shows.
func oddSegments() []oddRow {
	var rows []oddRow
	for _, f := range families {
		say := func(sentence string, make func(port uint16) wire.Packet) {
			rows = append(rows, both(f.name+": "+sentence, make)...)
		}
		for _, c := range []struct {
			name string
			sum  wire.Checksum
		}{{"no", wire.ChecksumZero}, {"a wrong", wire.ChecksumWrong}} {
			say("UDP with "+c.name+" checksum", func(port uint16) wire.Packet { return summed(f.udp(port), c.sum) })
			say("TCP with "+c.name+" checksum", func(port uint16) wire.Packet { return summed(f.tcp(port), c.sum) })
			say("SCTP with "+c.name+" checksum", func(port uint16) wire.Packet { return summed(f.sctp(port), c.sum) })
		}
		for _, n := range []byte{0, 7, 8, 15, 17, 255} {
			say(fmt.Sprintf("UDP that claims %d bytes of 16", n), func(port uint16) wire.Packet {
				return edit(f.udp(port), func(s []byte) { s[4], s[5] = 0, n })
			})
		}
		for words := range byte(16) {
			bent := func(port uint16) wire.Packet {
				return edit(f.tcp(port), func(s []byte) { s[12] = words << 4 })
			}
			if words < 5 {
				rows = append(rows, row(fmt.Sprintf("%s: a TCP header of %d words", f.name, words),
					step(drops("bad-header"), bent(openPort))))
				continue
			}
			say(fmt.Sprintf("a TCP header of %d words in a packet of 5", words), bent)
		}
		for _, flags := range []byte{0, wire.FIN, wire.RST, wire.ACK, wire.SYN | wire.FIN, wire.SYN | wire.RST, wire.SYN | wire.ACK, 0xff} {
			say(fmt.Sprintf("TCP with flags %#02x and no connection", flags), func(port uint16) wire.Packet {
				return wire.TCP(on(f.pod, clientPort), on(f.peer, port), flags)
			})
		}
		rows = append(rows, oddShortSegments(f)...)
		for _, protocol := range []uint8{2, 4, 33, 41, 46, 47, 50, 88, 89, 97, 103, 112, 115, 136, 137, 143, 253, 255} {
			rows = append(rows, row(fmt.Sprintf("%s: protocol %d with the bytes of the open port", f.name, protocol),
				step(asDenied, wire.Bare(f.pod, f.peer, protocol, f.tcp(openPort).Segment))))
		}
	}
	return append(rows,
		row("ICMPv6 in IPv4", step(asDenied, wire.Bare(four.pod, four.peer, wire.ProtocolICMPv6, []byte{135, 0, 0, 0, 0, 0, 0, 0}))),
		row("ICMP in IPv6", step(asDenied, wire.Bare(six.pod, six.peer, wire.ProtocolICMP, []byte{8, 0, 0, 0, 0, 0, 0, 0}))),
		row("ICMP in IPv6, without its header", step(drops("truncated"), wire.Bare(six.pod, six.peer, wire.ProtocolICMP, nil))),
		row("port 0", step(asDenied, four.udp(0)), step(asDenied, four.tcp(0))))
}

func oddShortSegments(f family) []oddRow {
	var rows []oddRow
	kinds := []struct {
		name   string
		packet wire.Packet
		least  int
	}{
		{"TCP", f.tcp(openPort), 20}, {"UDP", f.udp(openPort), 8}, {"SCTP", f.sctp(openPort), 12},
		{"echo", wire.Echo(f.pod, f.peer, 1), 8},
	}
	for _, k := range kinds {
		for _, n := range []int{0, 1, 3, 4, 7, k.least - 1} {
			rows = append(rows, row(fmt.Sprintf("%s: %d bytes of %s", f.name, n, k.name),
				step(drops("truncated"), ends(k.packet, n))))
		}
		p := ends(k.packet, 3)
		p.Link.Trailer = k.packet.Segment[3:]
		rows = append(rows, row(fmt.Sprintf("%s: the rest of %s is behind the packet", f.name, k.name),
			step(drops("truncated"), p)))
	}
	return rows
}

// oddSuper: packets that a card would cut, and packets that only say so.
func oddSuper() []oddRow {
	big := func(p wire.Packet) wire.Packet {
		p.Segment = append(slices.Clone(p.Segment), make([]byte, 2800)...)
		return p
	}
	cut := super{segment: 1400, segments: 2}
	var rows []oddRow
	for _, f := range families {
		for _, c := range []struct {
			name string
			make func(port uint16) wire.Packet
		}{{"TCP", f.tcp}, {"UDP", f.udp}} {
			rows = append(rows,
				row(f.name+": a super-packet of "+c.name+" to the open port", step(asOpenPort, big(c.make(openPort))).as(cut)),
				row(f.name+": a super-packet of "+c.name+" to another port", step(asDenied, big(c.make(shutPort))).as(cut)))
		}
	}
	bigTCP6 := func(port uint16) wire.Packet {
		return extended(big(six.tcp(port)), wire.HopByHop(0xc2, 4, 0, 1, 0, 0)).With(wire.PayloadLength(0))
	}
	return append(rows,
		row("BIG TCP over IPv4 to the open port", step(asOpenPort, big(four.tcp(openPort)).With(wire.TotalLength(0))).as(cut)),
		row("BIG TCP over IPv4 to another port", step(asDenied, big(four.tcp(shutPort)).With(wire.TotalLength(0))).as(cut)),
		row("BIG TCP over IPv6 to the open port", step(asOpenPort, bigTCP6(openPort)).as(cut)),
		row("BIG TCP over IPv6 to another port", step(asDenied, bigTCP6(shutPort)).as(cut)),
		row("BIG TCP over IPv6 without the option, to another port",
			step(asDenied, big(six.tcp(shutPort)).With(wire.PayloadLength(0))).as(cut)),
		row("no length in what is no super-packet", step(drops("bad-header"), big(four.tcp(openPort)).With(wire.TotalLength(0)))))
}
