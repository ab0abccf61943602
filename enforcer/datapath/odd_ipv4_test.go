package datapath

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/hack/prove/wire"
)

func oddHeaders4() []oddRow {
	p := four.tcp(openPort)
	var rows []oddRow
	for words := range byte(5) {
		rows = append(rows, row(fmt.Sprintf("an IPv4 header of %d words", words),
			step(drops("bad-header"), p.With(wire.HeaderWords(words)))))
	}
	for _, version := range []byte{0, 5, 6, 15} {
		rows = append(rows, row(fmt.Sprintf("version %d in a frame of IPv4", version),
			step(drops("bad-header"), p.With(wire.Version(version)))))
	}
	rows = append(rows,
		row("a header longer than all that arrived", step(drops("bad-header"), p.With(wire.HeaderWords(15)))),
		row("a total length of nothing", step(drops("bad-header"), p.With(wire.TotalLength(0)))),
		row("a total length shorter than the header", step(drops("bad-header"), p.With(wire.TotalLength(19)))),
		row("a total length without the ports", step(drops("truncated"), p.With(wire.TotalLength(20)))),
		row("a total length that ends in the ports", step(drops("truncated"), p.With(wire.TotalLength(23)))),
		row("a total length that ends in the TCP header", step(drops("truncated"), p.With(wire.TotalLength(39)))),
		row("a total length beyond the frame", step(drops("truncated"), p.With(wire.TotalLength(41)))),
		row("the greatest total length", step(drops("truncated"), p.With(wire.TotalLength(65535)))),
		row("a wrong checksum of the header is the receiver's to refuse", step(asOpenPort, headerSum(p))),
		row("a wrong checksum opens nothing", step(asDenied, headerSum(four.tcp(shutPort)))),
		row("the reserved flag (RFC 3514)", step(asDenied, four.tcp(shutPort).With(wire.Byte(6, 0x80)))),
		row("hop limit 1", step(asDenied, four.udp(shutPort).With(wire.Byte(8, 1)))),
	)
	for _, n := range []int{1, 6, 1000} {
		p := four.udp(shutPort)
		p.Link.Trailer = slices.Repeat([]byte{0, openPort}, n)
		rows = append(rows, row(fmt.Sprintf("%d bytes behind the packet", 2*n), step(asDenied, p)))
	}
	return rows
}

func headerSum(p wire.Packet) wire.Packet {
	p.HeaderChecksum = wire.ChecksumWrong
	return p
}

func optioned(p wire.Packet, options ...byte) wire.Packet {
	p.Options = options
	return p
}

// oddOptions4: where the ports would be without options, they read like ports.
func oddOptions4() []oddRow {
	var rows []oddRow
	for words := 1; words <= 10; words++ {
		like := func(port byte) []byte { return append([]byte{1, 1, 0, port}, make([]byte, 4*words-4)...) }
		rows = append(rows,
			row(fmt.Sprintf("%d words of options that read like the open port", words),
				step(asDenied, optioned(four.tcp(shutPort), like(openPort)...))),
			row(fmt.Sprintf("%d words of options that read like another port", words),
				step(asOpenPort, optioned(four.udp(openPort), like(shutPort)...))),
			row(fmt.Sprintf("%d words of options, and the frame ends in them", words),
				step(drops("truncated"), optioned(four.udp(openPort), slices.Repeat([]byte{1}, 4*words)...)).
					cutTo(wire.EthernetBytes+20+4*words-1)),
		)
	}
	return append(rows, oddOptionKinds4()...)
}

func oddOptionKinds4() []oddRow {
	kinds := []struct {
		name    string
		want    outcome
		options []byte
	}{
		{"nothing but padding", asDenied, []byte{1, 1, 1, 1}},
		{"the end at once", asDenied, []byte{0}},
		{"a record of the route", asDenied, []byte{7, 7, 4, 0, 0, 0, 0}},
		{"a timestamp", asDenied, []byte{68, 8, 5, 0, 0, 0, 0, 0}},
		{"a router alert", asDenied, []byte{148, 4, 0, 0}},
		{"a security label (CIPSO)", asDenied, []byte{134, 6, 0, 0, 0, 1}},
		{"an option of nobody", asDenied, []byte{0x9e, 4, 0, openPort}},
		{"an option that fills forty bytes", asDenied, append([]byte{0x9e, 40}, make([]byte, 38)...)},
		{"a loose source route", drops("source-route"), []byte{131, 7, 4, 203, 0, 113, 9}},
		{"a strict source route", drops("source-route"), []byte{137, 7, 4, 203, 0, 113, 9}},
		{"a source route behind padding", drops("source-route"), []byte{1, 1, 1, 131, 7, 4, 203, 0, 113, 9}},
		{"a source route at its end", drops("source-route"), []byte{131, 7, 8, 203, 0, 113, 9}},
		{"a source route of no length", drops("source-route"), []byte{137}},
		{"a source route behind another option", drops("source-route"), []byte{148, 4, 0, 0, 131, 3, 4}},
		{"a source route inside another option is data", asDenied, []byte{0x9e, 7, 131, 3, 4, 0, 0}},
		{"a source route behind the end is none", asDenied, []byte{0, 131, 3, 4}},
		{"an option of length 0", drops("bad-header"), []byte{148, 0}},
		{"an option of length 1", drops("bad-header"), []byte{148, 1}},
		{"an option that leaves the header", drops("bad-header"), []byte{148, 5, 0, 0}},
		{"an option whose length would be in the segment", drops("bad-header"), []byte{1, 1, 1, 148}},
		{"the second option leaves the header", drops("bad-header"), []byte{148, 4, 0, 0, 7, 39, 4, 0}},
	}
	var rows []oddRow
	for _, k := range kinds {
		rows = append(rows, row("IPv4 options: "+k.name, step(k.want, optioned(four.tcp(shutPort), k.options...))))
	}
	return rows
}

// oddAddresses: what is no host's address is judged as what it is, an address.
func oddAddresses() []oddRow {
	own := passes("self")
	to := func(a string) wire.Packet {
		p := six.udp(openPort)
		if p.To = netip.MustParseAddr(a); p.To.Is4() {
			p.From = four.pod
		}
		return p
	}
	from := func(a string, p wire.Packet) wire.Packet {
		p.From = netip.MustParseAddr(a)
		return p
	}
	rows := []oddRow{
		row("from the pod to itself, IPv4", step(own, wire.UDP(on(four.pod, 7), on(four.pod, 7), ""))),
		row("from the pod to itself, IPv6", step(own, wire.UDP(on(six.pod, 7), on(six.pod, 7), ""))),
		row("as if from the pod to itself, inward, IPv4", inward(asDenied, wire.UDP(on(four.pod, 7), on(four.pod, shutPort), ""))),
		row("as if from the pod to itself, inward, IPv6", inward(asDenied, wire.UDP(on(six.pod, 7), on(six.pod, shutPort), ""))),
		row("from the peer to the peer (land)", step(asDenied, wire.TCP(on(four.peer, 81), on(four.peer, 81), wire.SYN))),
		row("from nobody to nobody, IPv4", step(asDenied, from("0.0.0.0", to("0.0.0.0")))),
		row("from nobody to nobody, IPv6", step(asDenied, from("::", to("::")))),
		row("from another's address to the open port", step(asOpenPort, from("203.0.113.77", four.udp(openPort)))),
		row("from another's address to another port", step(asDenied, from("203.0.113.77", four.udp(shutPort)))),
		row("from a group to another port", step(asDenied, from("224.0.0.1", four.udp(shutPort)))),
		row("from loopback to another port, IPv6", step(asDenied, from("::1", six.udp(shutPort)))),
	}
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "169.254.169.254", "224.0.0.1", "239.255.255.250",
		"240.0.0.1", "255.255.255.254", "255.255.255.255", "10.9.0.255",
		"::", "::1", "::10.9.0.2", "64:ff9b::10.9.0.2", "2002:a09:2::1", "fe80::1", "fec0::1", "ff01::1", "ff02::1",
		"ff05::1:3", "ff0e::1", "100::1", "::fffe:10.9.0.2",
	} {
		rows = append(rows, row("to "+a, step(asDenied, to(a))))
	}
	mapped := drops("mapped-address")
	return append(rows,
		row("to the mapped form of the peer's address", step(mapped, mappedTo(six.tcp(openPort)))),
		row("from the mapped form of the pod's address", step(mapped, from("::ffff:10.9.0.1", six.tcp(openPort)))),
		row("to the peer from the mapped form, inward",
			inward(mapped, from("::ffff:10.9.0.2", wire.TCP(on(six.peer, 1), on(six.pod, openPort), wire.SYN)))),
	)
}

func mappedTo(p wire.Packet) wire.Packet {
	p.To = netip.AddrFrom16(four.peer.As16())
	return p
}
