package wire

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"slices"
)

// Checksum is what becomes of a checksum field.
type Checksum uint8

const (
	// ChecksumRight is what a sender computes.
	ChecksumRight Checksum = iota
	// ChecksumZero is none at all, which UDP over IPv4 may do (RFC 768).
	ChecksumZero
	ChecksumWrong
	// ChecksumAsGiven leaves the bytes that are there.
	ChecksumAsGiven
)

func fill(c Checksum, field []byte, right uint16) {
	switch c {
	case ChecksumRight:
		binary.BigEndian.PutUint16(field, right)
	case ChecksumZero:
		clear(field)
	case ChecksumWrong:
		binary.BigEndian.PutUint16(field, right^0x5a5a)
	}
}

// checksum is RFC 1071's, over all of b but the bytes at 10 of an IPv4 header,
// which are zeroed first.
func checksum(header []byte) uint16 {
	h := slices.Clone(header)
	if len(h) >= 12 {
		clear(h[10:12])
	}
	return fold(sum(0, h))
}

func sum(n uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		n += uint32(binary.BigEndian.Uint16(b))
		n = n&0xffff + n>>16
	}
	if len(b) == 1 {
		n += uint32(b[0]) << 8
	}
	return n
}

func fold(n uint32) uint16 {
	for n > 0xffff {
		n = n&0xffff + n>>16
	}
	return ^uint16(n)
}

// pseudo is the sum of the pseudo header of both families (RFC 9293, 3.1; RFC
// 8200, 8.1).
func pseudo(from, to netip.Addr, protocol uint8, length int) uint32 {
	n := sum(0, from.AsSlice())
	n = sum(n, to.AsSlice())
	return n + uint32(protocol) + uint32(length>>16) + uint32(length&0xffff)
}

// checksumAt is where the two bytes of the checksum stand, or -1.
func checksumAt(protocol uint8) int {
	switch protocol {
	case ProtocolTCP:
		return 16
	case ProtocolUDP:
		return 6
	case ProtocolICMP, ProtocolICMPv6:
		return 2
	}
	return -1
}

// segmentSum is the right checksum of a segment whose own field is zero.
func segmentSum(from, to netip.Addr, protocol uint8, segment []byte) uint16 {
	n := uint32(0)
	if protocol != ProtocolICMP {
		n = pseudo(from, to, protocol, len(segment))
	}
	right := fold(sum(n, segment))
	if right == 0 && protocol == ProtocolUDP {
		return 0xffff // zero means that there is none
	}
	return right
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealed is the segment with its checksum.
func (p Packet) sealed() []byte {
	segment := slices.Clone(p.Segment)
	if p.Checksum == ChecksumAsGiven || p.Fragment.Is {
		return segment
	}
	if p.Protocol == ProtocolSCTP && len(segment) >= 12 {
		clear(segment[8:12])
		switch crc := crc32.Checksum(segment, castagnoli); p.Checksum {
		case ChecksumRight:
			binary.LittleEndian.PutUint32(segment[8:], crc) // RFC 9260, appendix A
		case ChecksumWrong:
			binary.LittleEndian.PutUint32(segment[8:], ^crc)
		}
		return segment
	}
	at := checksumAt(p.Protocol)
	if at < 0 || len(segment) < at+2 {
		return segment
	}
	clear(segment[at : at+2])
	fill(p.Checksum, segment[at:at+2], segmentSum(p.From, p.To, p.Protocol, segment))
	return segment
}
