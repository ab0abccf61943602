package bpf

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Protocol numbers (IANA).
const (
	icmp   = 1
	tcp    = 6
	udp    = 17
	ah     = 51
	icmpv6 = 58
	sctp   = 132

	hopByHop    = 0
	routing     = 43
	fragmentHdr = 44
	noNext      = 59
	dstOptions  = 60
)

const (
	fin = 0x01
	syn = 0x02
	rst = 0x04
	ack = 0x10
)

// A datagram is built inside out: a transport header, then IP around it, then
// Ethernet around that. Each step is a slice of bytes, so that a row can put
// anything anywhere.

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

func tcpHeader(from, to uint16, flags byte) []byte {
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h[0:], from)
	binary.BigEndian.PutUint16(h[2:], to)
	h[12], h[13] = 5<<4, flags
	return h
}

func udpHeader(from, to uint16) []byte {
	return slices.Concat(be16(from), be16(to), be16(8), be16(0))
}

func sctpHeader(from, to uint16) []byte {
	return slices.Concat(be16(from), be16(to), make([]byte, 8))
}

// icmpHeader is also ICMPv6's; the last four bytes are free.
func icmpHeader(kind, code byte, rest ...byte) []byte {
	h := make([]byte, 8)
	h[0], h[1] = kind, code
	copy(h[4:], rest)
	return h
}

func echo(kind byte, identifier uint16) []byte {
	return icmpHeader(kind, 0, be16(identifier)...)
}

// header4 lets a row bend single fields of an IPv4 header.
type header4 func(h []byte)

func fragment4(id uint16, offset int, more bool) header4 {
	return func(h []byte) {
		v := uint16(offset / 8)
		if more {
			v |= 0x2000
		}
		binary.BigEndian.PutUint16(h[4:], id)
		binary.BigEndian.PutUint16(h[6:], v)
	}
}

func totalLength4(n int) header4 {
	return func(h []byte) { binary.BigEndian.PutUint16(h[2:], uint16(n)) }
}

func headerWords4(n byte) header4 { return func(h []byte) { h[0] = h[0]&0xf0 | n } }

func ip4(from, to string, protocol byte, options, payload []byte, bend ...header4) []byte {
	h := make([]byte, 20, 60)
	h[0] = 4<<4 | byte(5+len(options)/4)
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(options)+len(payload)))
	h[8], h[9] = 64, protocol
	copy(h[12:], netip.MustParseAddr(from).AsSlice())
	copy(h[16:], netip.MustParseAddr(to).AsSlice())
	for _, b := range bend {
		b(h)
	}
	return slices.Concat(h, options, payload)
}

type header6 func(h []byte)

func hopLimit(n byte) header6 { return func(h []byte) { h[7] = n } }

func payloadLength6(n int) header6 {
	return func(h []byte) { binary.BigEndian.PutUint16(h[4:], uint16(n)) }
}

func ip6(from, to string, protocol byte, payload []byte, bend ...header6) []byte {
	h := make([]byte, 40)
	h[0] = 6 << 4
	binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
	h[6], h[7] = protocol, 64
	source, destination := netip.MustParseAddr(from).As16(), netip.MustParseAddr(to).As16()
	copy(h[8:], source[:])
	copy(h[24:], destination[:])
	for _, b := range bend {
		b(h)
	}
	return slices.Concat(h, payload)
}

// extension6 is an eight-byte extension header before next.
func extension6(nextHeader byte, next []byte) []byte {
	return slices.Concat([]byte{nextHeader, 0, 0, 0, 0, 0, 0, 0}, next)
}

func routing6(nextHeader, segmentsLeft byte, next []byte) []byte {
	return slices.Concat([]byte{nextHeader, 0, 0, segmentsLeft, 0, 0, 0, 0}, next)
}

func fragment6(nextHeader byte, id uint32, offset int, more bool, next []byte) []byte {
	v := uint16(offset)
	if more {
		v |= 1
	}
	h := slices.Concat([]byte{nextHeader, 0}, be16(v), binary.BigEndian.AppendUint32(nil, id))
	return slices.Concat(h, next)
}

const (
	etherIP   = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
	etherIPv6 = 0x86dd
	etherLLDP = 0x88cc
)

func ethernet(kind uint16, payload []byte) []byte {
	return slices.Concat(make([]byte, 12), be16(kind), payload)
}

func v4(packet []byte) []byte { return ethernet(etherIP, packet) }
func v6(packet []byte) []byte { return ethernet(etherIPv6, packet) }
