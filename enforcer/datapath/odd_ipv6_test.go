package datapath

import (
	"fmt"
	"slices"

	"github.com/nameward/nameward/hack/prove/wire"
)

func extended(p wire.Packet, chain ...wire.Extension) wire.Packet {
	p.Extensions = slices.Concat(p.Extensions, chain)
	return p
}

// Short names for chains.
var (
	hopByHop       = wire.HopByHop()
	destination    = wire.DestinationOptions()
	arrived        = wire.Routing(4, 0, oddFar.six)
	atomicFragment = wire.FragmentHeader(77, 0, false)
	sealed         = wire.Authentication()
)

func oddExtensions() []oddRow {
	chains := []struct {
		name  string
		chain []wire.Extension
	}{
		{"hop-by-hop options", []wire.Extension{hopByHop}},
		{"a router alert", []wire.Extension{wire.HopByHop(5, 2, 0, 0)}},
		{"destination options", []wire.Extension{destination}},
		{"destination options of 2048 bytes", []wire.Extension{wire.Padded(2048)}},
		{"a routing header of type 0 at its end", []wire.Extension{wire.Routing(0, 0, oddFar.six)}},
		{"a routing header of type 2 at its end", []wire.Extension{wire.Routing(2, 0, oddFar.six)}},
		{"a routing header of type 3 at its end", []wire.Extension{wire.Routing(3, 0, oddFar.six)}},
		{"a routing header of type 4 at its end", []wire.Extension{arrived}},
		{"a routing header of type 253 at its end", []wire.Extension{wire.Routing(253, 0)}},
		{"an atomic fragment", []wire.Extension{atomicFragment}},
		{"an authentication header", []wire.Extension{sealed}},
		{"all in the order of RFC 8200", []wire.Extension{hopByHop, destination, arrived, atomicFragment, sealed, destination}},
		{"all in another order", []wire.Extension{destination, sealed, atomicFragment, arrived, hopByHop}},
		{"hop-by-hop options behind others", []wire.Extension{destination, hopByHop}},
		{"destination options six times", slices.Repeat([]wire.Extension{destination}, 6)},
		{"hop-by-hop options twice", []wire.Extension{hopByHop, hopByHop}},
		{"two atomic fragments", []wire.Extension{atomicFragment, atomicFragment}},
		{"an option that reads like a port", []wire.Extension{wire.DestinationOptions(0x1e, 4, 0, openPort, 0, openPort)}},
	}
	var rows []oddRow
	for _, c := range chains {
		rows = append(rows, both("IPv6 with "+c.name, func(port uint16) wire.Packet {
			return extended(six.udp(port), c.chain...)
		})...)
	}
	return slices.Concat(rows, oddRoutes(), oddChainEnds())
}

func oddRoutes() []oddRow {
	var rows []oddRow
	for _, kind := range []byte{0, 1, 2, 3, 4, 5, 253, 254, 255} {
		for _, left := range []byte{1, 255} {
			rows = append(rows,
				row(fmt.Sprintf("a routing header of type %d with %d stops to go", kind, left),
					step(drops("source-route"), extended(six.tcp(openPort), wire.Routing(kind, left, oddFar.six)))),
				row(fmt.Sprintf("a routing header of type %d with %d stops to go, behind others", kind, left),
					step(drops("source-route"),
						extended(six.tcp(openPort), hopByHop, destination, wire.Routing(kind, left, oddFar.six)))),
			)
		}
	}
	return rows
}

func oddChainEnds() []oddRow {
	var rows []oddRow
	for _, number := range []uint8{135, 139, 140, 253, 254, 1, 4, 41, 50, 59, 99, 255} {
		open := extended(six.udp(openPort), wire.Other(number))
		rows = append(rows, row(fmt.Sprintf("header %d, behind which nobody looks", number), step(asDenied, open)))
	}
	for n := 7; n <= 12; n++ {
		rows = append(rows, row(fmt.Sprintf("%d extension headers", n),
			step(drops("extension-headers"), extended(six.tcp(openPort), slices.Repeat([]wire.Extension{destination}, n)...))))
	}
	long := wire.Extension{Number: wire.ProtocolDestination, Header: []byte{0, 200, 1, 4, 0, 0, 0, 0}}
	rows = append(rows,
		row("an extension header longer than the packet", step(drops("truncated"), extended(six.udp(openPort), long))),
		row("an authentication header longer than the packet", step(drops("truncated"), extended(six.udp(openPort),
			wire.Extension{Number: wire.ProtocolAH, Header: []byte{0, 255, 0, 0, 0, 0, 0, 0}}))),
		row("options that end behind the packet, and nothing after",
			step(drops("truncated"), extended(wire.Bare(six.pod, six.peer, wire.ProtocolNone, make([]byte, 100)), wire.Padded(64)).
				With(wire.PayloadLength(60)))),
		row("no header at all", step(asDenied, wire.Bare(six.pod, six.peer, wire.ProtocolNone, nil))),
		row("no next header, and bytes that read like an open port",
			step(asDenied, wire.Bare(six.pod, six.peer, wire.ProtocolNone, six.tcp(openPort).Segment))),
	)
	for _, e := range []wire.Extension{hopByHop, destination, arrived, atomicFragment, sealed} {
		for n := range len(e.Header) {
			// The packet says itself that it ends there.
			p := extended(six.udp(openPort), hopByHop)
			p.Protocol, p.Segment, p.Checksum = e.Number, e.Header[:n], wire.ChecksumAsGiven
			rows = append(rows, row(fmt.Sprintf("extension header %d after %d bytes", e.Number, n), step(drops("truncated"), p)))
		}
	}
	return rows
}

func oddLengths6() []oddRow {
	p := six.tcp(openPort)
	var rows []oddRow
	for _, version := range []byte{0, 4, 5, 7, 15} {
		rows = append(rows, row(fmt.Sprintf("version %d in a frame of IPv6", version),
			step(drops("bad-header"), p.With(wire.Version(version)))))
	}
	jumbo := func(p wire.Packet, length byte) wire.Packet {
		return extended(p, wire.HopByHop(0xc2, 4, 0, 0, 0, length)).With(wire.PayloadLength(0))
	}
	return append(rows,
		row("a payload length that ends in the ports", step(drops("truncated"), p.With(wire.PayloadLength(3)))),
		row("a payload length that ends in the TCP header", step(drops("truncated"), p.With(wire.PayloadLength(19)))),
		row("a payload length beyond the frame", step(drops("truncated"), p.With(wire.PayloadLength(21)))),
		row("the greatest payload length", step(drops("truncated"), p.With(wire.PayloadLength(65535)))),
		row("no payload length and no jumbo option: nothing is there",
			step(drops("truncated"), p.With(wire.PayloadLength(0)))),
		row("no payload length behind destination options",
			step(drops("truncated"), extended(p, destination).With(wire.PayloadLength(0)))),
		row("a jumbo option with a length (RFC 2675), to another port", step(asDenied, jumbo(six.tcp(shutPort), 28))),
		row("a jumbo option with a length beside another, to another port",
			step(asDenied, extended(six.tcp(shutPort), wire.HopByHop(0xc2, 4, 0, 0, 0, 28)))),
		row("hop-by-hop options in place of a length, to another port",
			step(asDenied, extended(six.tcp(shutPort), hopByHop).With(wire.PayloadLength(0)))),
	)
}
