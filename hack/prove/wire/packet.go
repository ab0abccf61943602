package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Numbers of protocols and extension headers (IANA).
const (
	ProtocolHopByHop    = 0
	ProtocolICMP        = 1
	ProtocolTCP         = 6
	ProtocolUDP         = 17
	ProtocolIPv6        = 41
	ProtocolRouting     = 43
	ProtocolFragment    = 44
	ProtocolGRE         = 47
	ProtocolESP         = 50
	ProtocolAH          = 51
	ProtocolICMPv6      = 58
	ProtocolNone        = 59
	ProtocolDestination = 60
	ProtocolSCTP        = 132
	ProtocolMobility    = 135
)

// EtherTypes (IANA).
const (
	EtherIPv4 = 0x0800
	EtherARP  = 0x0806
	EtherVLAN = 0x8100
	EtherIPv6 = 0x86dd
	EtherQinQ = 0x88a8
)

// EthernetBytes is the length of an Ethernet header without tags.
const EthernetBytes = 14

// Packet is one IP packet to be made, in an Ethernet frame. Its family is that
// of To. Zero values are what a sound packet has; every method returns a new
// Packet or new bytes and leaves p as it was.
type Packet struct {
	From, To netip.Addr
	Protocol uint8
	// Segment is the transport header and what follows it.
	Segment []byte
	// Checksum is what is done to the checksum in the segment.
	Checksum Checksum

	HopLimit uint8 // 0: 64
	// ID is the identification of the datagram; of IPv6 only where it is a
	// fragment.
	ID uint32
	// Fragment cuts: where it is set the segment is a piece of a larger one.
	Fragment Fragment
	// Options of IPv4; filled up with zeroes to four bytes.
	Options []byte
	// Extensions of IPv6 in the order in which they stand, before a fragment
	// header that Fragment asks for.
	Extensions []Extension
	// Bends lie: each edits the finished IP packet. The checksum of the IPv4
	// header is right all the same, unless HeaderChecksum says otherwise.
	Bends          []func(packet []byte)
	HeaderChecksum Checksum

	Link Link
}

// Fragment says that a packet is a piece. Offset is in bytes, a multiple of 8.
type Fragment struct {
	Is     bool
	Offset int
	More   bool
}

// Link is what is around the IP packet.
type Link struct {
	From, To [6]byte
	// Tags stand in the frame, outermost first.
	Tags []Tag
	// EtherType is 0 for that of the packet's family.
	EtherType uint16
	// Trailer follows the IP packet, as the padding of short frames does.
	Trailer []byte
}

// Tag is an IEEE 802.1Q or 802.1ad tag.
type Tag struct {
	Type    uint16 // EtherVLAN or EtherQinQ
	Control uint16 // priority and VLAN id; the id 0 is a mere priority
}

// Extension is an IPv6 extension header. The first byte of Header is the number
// of what follows, and filled in.
type Extension struct {
	Number uint8
	Header []byte
}

// With returns p with a bend more.
func (p Packet) With(bends ...func(packet []byte)) Packet {
	p.Bends = slices.Concat(p.Bends, bends)
	return p
}

// Is4 says whether the packet is one of IPv4.
func (p Packet) Is4() bool { return p.To.Is4() }

// Frame is the whole Ethernet frame.
func (p Packet) Frame() []byte { return p.Link.around(p.IP(), p.Is4()) }

// Around puts any payload into a frame of that type.
func (l Link) Around(etherType uint16, payload []byte) []byte {
	l.EtherType = etherType
	return l.around(payload, false)
}

func (l Link) around(payload []byte, is4 bool) []byte {
	kind := l.EtherType
	if kind == 0 {
		kind = EtherIPv6
		if is4 {
			kind = EtherIPv4
		}
	}
	frame := slices.Concat(l.To[:], l.From[:])
	for _, tag := range l.Tags {
		frame = binary.BigEndian.AppendUint16(frame, tag.Type)
		frame = binary.BigEndian.AppendUint16(frame, tag.Control)
	}
	frame = binary.BigEndian.AppendUint16(frame, kind)
	return slices.Concat(frame, payload, l.Trailer)
}

// IP is the packet from its IP header on.
func (p Packet) IP() []byte {
	packet := p.header()
	for _, bend := range p.Bends {
		bend(packet)
	}
	if p.Is4() {
		fill(p.HeaderChecksum, packet[10:12], checksum(packet[:min(headerBytes4(packet), len(packet))]))
	}
	return packet
}

func headerBytes4(packet []byte) int { return max(int(packet[0]&15)*4, 20) }

func (p Packet) header() []byte {
	if p.Is4() {
		return p.header4()
	}
	return p.header6()
}

func (p Packet) hopLimit() byte {
	if p.HopLimit == 0 {
		return 64
	}
	return p.HopLimit
}

func (p Packet) header4() []byte {
	options := slices.Concat(p.Options, make([]byte, -len(p.Options)&3))
	h := make([]byte, 20, 20+len(options)+len(p.Segment))
	h[0] = 4<<4 | byte(5+len(options)/4)
	binary.BigEndian.PutUint16(h[2:], uint16(cap(h)))
	binary.BigEndian.PutUint16(h[4:], uint16(p.ID))
	if p.Fragment.Is {
		binary.BigEndian.PutUint16(h[6:], uint16(p.Fragment.Offset/8)|flag(p.Fragment.More, 0x2000))
	}
	h[8], h[9] = p.hopLimit(), p.Protocol
	copy(h[12:], p.From.AsSlice())
	copy(h[16:], p.To.AsSlice())
	return slices.Concat(h, options, p.sealed())
}

func flag(set bool, bit uint16) uint16 {
	if set {
		return bit
	}
	return 0
}

func (p Packet) header6() []byte {
	chain := slices.Clone(p.Extensions)
	if p.Fragment.Is {
		chain = append(chain, FragmentHeader(p.ID, p.Fragment.Offset, p.Fragment.More))
	}
	h := make([]byte, 40)
	h[0] = 6 << 4
	h[7] = p.hopLimit()
	from, to := p.From.As16(), p.To.As16()
	copy(h[8:], from[:])
	copy(h[24:], to[:])
	next := 6 // where the number of the following header goes
	for _, e := range chain {
		h[next] = e.Number
		next = len(h)
		h = append(h, e.Header...)
	}
	h[next] = p.Protocol
	h = append(h, p.sealed()...)
	binary.BigEndian.PutUint16(h[4:], uint16(len(h)-40))
	return h
}

// Piece is the fragment that carries the bytes from..to of the segment, whose
// checksum is that of the whole. Both are multiples of 8, but for the end.
func (p Packet) Piece(id uint32, from, to int) Packet {
	segment := p.sealed()
	p.ID = id
	p.Fragment = Fragment{Is: true, Offset: from, More: to < len(segment)}
	p.Segment, p.Checksum = segment[from:min(to, len(segment))], ChecksumAsGiven
	return p
}

// Pieces cuts the packet at the given offsets of its segment.
func (p Packet) Pieces(id uint32, at ...int) []Packet {
	var all []Packet
	from := 0
	for _, to := range append(slices.Clone(at), len(p.Segment)) {
		all = append(all, p.Piece(id, from, to))
		from = to
	}
	return all
}
