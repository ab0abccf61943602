package wire

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// transport reads the header that follows IP. Where a packet is quoted, or cut
// into pieces, eight bytes must do (RFC 792).
func (r *Reading) transport(b []byte, quoted bool) {
	whole := r.Fate == Read && !quoted
	switch r.Protocol {
	case ProtocolTCP:
		r.tcp(b, quoted)
	case ProtocolUDP:
		r.udp(b, whole)
	case ProtocolSCTP:
		if r.ports(b, 12, quoted) && whole && !soundSCTP(b) {
			r.odd("checksum of SCTP")
		}
	case ProtocolICMP, ProtocolICMPv6:
		if r.To.Is4() == (r.Protocol == ProtocolICMP) {
			r.icmp(b, whole)
		} else {
			r.odd("ICMP of the other family")
		}
	}
	if whole && r.Protocol != ProtocolUDP && r.Fate == Read && !r.soundSegment(b) {
		r.odd("checksum of the transport header")
	}
}

// ports reads what the protocols with ports begin with.
func (r *Reading) ports(b []byte, header int, quoted bool) bool {
	if len(b) >= 4 {
		r.HasPorts = true
		r.FromPort, r.ToPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	if quoted {
		header = 8
	}
	if len(b) < header {
		r.refuse("transport header cut short")
		return false
	}
	return true
}

func (r *Reading) tcp(b []byte, quoted bool) {
	if !r.ports(b, 20, quoted) || quoted {
		return
	}
	r.Flags = b[13]
	if b[12]>>4 < 5 {
		r.refuse("TCP header shorter than a TCP header")
		return
	}
	if int(b[12]>>4)*4 > len(b) {
		if r.Fate == Piece {
			return // its options are in a later piece
		}
		r.odd("TCP header longer than the packet")
	}
}

func (r *Reading) udp(b []byte, whole bool) {
	if !r.ports(b, 8, false) || !whole {
		return
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 && !r.To.Is4() {
		length = len(b) // RFC 2675
	}
	if length < 8 || length > len(b) {
		r.odd("length of UDP")
		return
	}
	b = b[:length]
	if b[6] == 0 && b[7] == 0 {
		if !r.To.Is4() {
			r.odd("no checksum, which UDP over IPv6 must have") // RFC 8200, 8.1
		}
		return
	}
	if !r.soundSegment(b) {
		r.odd("checksum of the transport header")
	}
}

func (r *Reading) soundSegment(b []byte) bool {
	at := checksumAt(r.Protocol)
	if at < 0 || (r.Protocol == ProtocolICMP) != r.To.Is4() && at == 2 {
		return true
	}
	zeroed := bytes.Clone(b)
	clear(zeroed[at : at+2])
	return segmentSum(r.From, r.To, r.Protocol, zeroed) == binary.BigEndian.Uint16(b[at:])
}

func soundSCTP(b []byte) bool {
	zeroed := bytes.Clone(b)
	clear(zeroed[8:12])
	return crc32.Checksum(zeroed, castagnoli) == binary.LittleEndian.Uint32(b[8:])
}

func (r *Reading) icmp(b []byte, whole bool) {
	if len(b) < 8 {
		r.refuse("ICMP header cut short")
		return
	}
	r.HasType, r.Type, r.Code, r.Identifier = true, b[0], b[1], binary.BigEndian.Uint16(b[4:])
	if !whole || !r.IsError() {
		return
	}
	quoted := Reading{EtherType: r.EtherType}
	if r.To.Is4() {
		quoted.read4(b[8:], true)
	} else {
		quoted.read6(b[8:], true)
	}
	r.Quoted = &quoted
}
