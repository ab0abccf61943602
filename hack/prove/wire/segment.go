package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Flags of TCP.
const (
	FIN = 0x01
	SYN = 0x02
	RST = 0x04
	PSH = 0x08
	ACK = 0x10
)

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

// Open is a packet that opens a flow of the protocol: a SYN, a datagram, an
// INIT, an echo request whose identifier is the port of from. Of a protocol
// without ports it is eight bytes.
func Open(protocol uint8, from, to netip.AddrPort) Packet {
	switch protocol {
	case ProtocolTCP:
		return TCP(from, to, SYN)
	case ProtocolUDP:
		return UDP(from, to, "nameward")
	case ProtocolSCTP:
		return SCTP(from, to)
	case ProtocolICMP, ProtocolICMPv6:
		return Echo(from.Addr(), to.Addr(), from.Port())
	}
	return Bare(from.Addr(), to.Addr(), protocol, make([]byte, 8))
}

// Bare is a packet with any segment, sent as it is given.
func Bare(from, to netip.Addr, protocol uint8, segment []byte) Packet {
	return Packet{From: from, To: to, Protocol: protocol, Segment: segment, Checksum: ChecksumAsGiven}
}

// TCP is a segment without options and data.
func TCP(from, to netip.AddrPort, flags byte) Packet {
	s := slices.Concat(be16(from.Port()), be16(to.Port()), make([]byte, 16))
	s[7] = 1 // sequence number
	if flags&ACK != 0 {
		s[11] = 1
	}
	s[12], s[13] = 5<<4, flags
	binary.BigEndian.PutUint16(s[14:], 0xffff) // window
	return Packet{From: from.Addr(), To: to.Addr(), Protocol: ProtocolTCP, Segment: s}
}

// UDP is a datagram.
func UDP(from, to netip.AddrPort, payload string) Packet {
	s := slices.Concat(be16(from.Port()), be16(to.Port()), be16(uint16(8+len(payload))), be16(0), []byte(payload))
	return Packet{From: from.Addr(), To: to.Addr(), Protocol: ProtocolUDP, Segment: s}
}

// SCTP is an INIT (RFC 9260, 3.3.2).
func SCTP(from, to netip.AddrPort) Packet {
	init := []byte{1, 0, 0, 20, 0, 0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9}
	s := slices.Concat(be16(from.Port()), be16(to.Port()), make([]byte, 8), init)
	return Packet{From: from.Addr(), To: to.Addr(), Protocol: ProtocolSCTP, Segment: s}
}

// ICMP is a message of the version that belongs to the addresses' family; rest
// is everything behind the checksum.
func ICMP(from, to netip.Addr, kind, code byte, rest ...byte) Packet {
	p := Packet{From: from, To: to, Protocol: ProtocolICMPv6, Segment: slices.Concat([]byte{kind, code, 0, 0}, rest)}
	if p.Is4() {
		p.Protocol = ProtocolICMP
	}
	return p
}

// Echo is an echo request (ping).
func Echo(from, to netip.Addr, identifier uint16) Packet {
	return echo(from, to, 8, 128, identifier)
}

// EchoReply is the answer to Echo(to, from, identifier).
func EchoReply(from, to netip.Addr, identifier uint16) Packet {
	return echo(from, to, 0, 129, identifier)
}

func echo(from, to netip.Addr, kind4, kind6 byte, identifier uint16) Packet {
	kind := kind6
	if to.Is4() {
		kind = kind4
	}
	return ICMP(from, to, kind, 0, slices.Concat(be16(identifier), be16(1), []byte("nameward"))...)
}

// Unreachable is the error "port unreachable" about a packet, of which it
// quotes the first n bytes.
func Unreachable(from, to netip.Addr, about Packet, n int) Packet {
	kind, code := byte(1), byte(4)
	if to.Is4() {
		kind, code = 3, 3
	}
	return Problem(from, to, kind, code, about.IP(), n)
}

// Problem is any ICMP error that quotes the first n bytes of an IP packet.
func Problem(from, to netip.Addr, kind, code byte, about []byte, n int) Packet {
	return ICMP(from, to, kind, code, slices.Concat(make([]byte, 4), about[:min(n, len(about))])...)
}
