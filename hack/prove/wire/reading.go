package wire

import (
	"encoding/binary"
	"net/netip"
)

// Fate is what becomes of a frame at its receiver.
type Fate uint8

const (
	FateUnknown Fate = iota
	// Refused: no stack hands it on. Fields are set as far as one could read.
	Refused
	// Aside: it is no IP packet.
	Aside
	// Piece: a fragment; it waits for the others of its datagram.
	Piece
	// Read: handed to the transport protocol.
	Read
)

// String names the fate in failures.
func (f Fate) String() string {
	return [...]string{"unknown", "refused", "aside", "piece", "read"}[f]
}

// Reading is what receivers make of a frame. Where stacks differ it is that of
// the one that reads most, and Odd says what a strict one would refuse it for.
type Reading struct {
	Fate Fate
	// Why a frame is Refused.
	Why string
	// Odd are the things that Linux, as it comes, or the RFCs refuse.
	Odd []string
	// Ambiguous says why receivers may take the packet for one of another
	// flow than the fields here describe, or "".
	Ambiguous string

	EtherType uint16 // behind all tags
	From, To  netip.Addr
	HopLimit  uint8
	// Size is the length of the IP packet in bytes.
	Size int
	// Extensions are the numbers of the IPv6 headers that were walked.
	Extensions []uint8
	// Protocol is that of the transport header, or the one at which reading
	// stopped.
	Protocol uint8
	// HasPorts says that ports of TCP, UDP or SCTP were read.
	HasPorts         bool
	FromPort, ToPort uint16
	Flags            uint8 // TCP
	// HasType says that an ICMP header was read. Identifier is its bytes 4, 5.
	HasType    bool
	Type, Code uint8
	Identifier uint16

	// Of a Piece. Key tells datagrams apart. Offset is where its bytes go;
	// Headers is how many bytes from the start of the datagram a first piece
	// has in headers that the reading rests on.
	Key     Datagram
	Offset  int
	Bytes   int
	More    bool
	Headers int

	// Quoted is the packet inside an ICMP error, as far as it is there.
	Quoted *Reading
}

// Datagram is how receivers tell fragmented datagrams apart; Protocol is 0 in
// IPv6, which does not look at it.
type Datagram struct {
	From, To netip.Addr
	ID       uint32
	Protocol uint8
}

// Sound says that every receiver reads it, and all read the same.
func (r *Reading) Sound() bool { return r.Fate == Read && len(r.Odd) == 0 && r.Ambiguous == "" }

// IsError says whether it is an ICMP error message, which never answers
// another (RFC 1122, 3.2.2; RFC 4443, 2.4).
func (r *Reading) IsError() bool {
	if !r.HasType {
		return false
	}
	if r.To.Is4() {
		return r.Type == 3 || r.Type == 4 || r.Type == 5 || r.Type == 11 || r.Type == 12
	}
	return r.Type < 128
}

func (r *Reading) odd(what string) { r.Odd = append(r.Odd, what) }

func (r *Reading) refuse(why string) { r.Fate, r.Why = Refused, why }

// Parse reads a frame as it stands on the wire, tags included.
func Parse(frame []byte) Reading {
	r := Reading{}
	if len(frame) < EthernetBytes {
		r.refuse("no Ethernet header")
		return r
	}
	r.EtherType = binary.BigEndian.Uint16(frame[12:])
	rest := frame[EthernetBytes:]
	for r.EtherType == EtherVLAN || r.EtherType == EtherQinQ {
		// A mere priority is read as if it were not there, an id by whoever
		// has an interface for it.
		r.Ambiguous = "it belongs to another network, or does not"
		if len(rest) < 4 {
			r.refuse("a tag cut short")
			return r
		}
		r.EtherType = binary.BigEndian.Uint16(rest[2:])
		rest = rest[4:]
	}
	switch r.EtherType {
	case EtherIPv4:
		r.read4(rest, false)
	case EtherIPv6:
		r.read6(rest, false)
	default:
		r.Fate = Aside
	}
	return r
}
