package wire

import (
	"encoding/binary"
	"net/netip"
)

// walk is the way from an IPv6 header to the transport header. At is counted
// from the IPv6 header.
type walk struct {
	r      *Reading
	b      []byte
	at     int
	quoted bool
	// fragmentable is where the datagram's own bytes begin, behind a fragment
	// header that cuts; 0 before.
	fragmentable int
}

// read6 follows RFC 8200 and ip6_rcv_core of Linux.
func (r *Reading) read6(b []byte, quoted bool) {
	if len(b) < 40 {
		r.refuse("IPv6 header cut short")
		return
	}
	r.From, r.To = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	r.Protocol, r.HopLimit = b[6], b[7]
	if b[0]>>4 != 6 {
		r.refuse("version is not 6")
		return
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 && r.Protocol == ProtocolHopByHop {
		length = jumbo(b) // RFC 2675
		switch {
		case length < 0:
			// Linux asks for no option and takes all that arrived.
			r.odd("no length, and no jumbo option with one")
			length = len(b) - 40
		case length <= 65535:
			r.odd("a jumbogram that needs no option")
		}
		if length > len(b)-40 {
			r.odd("a jumbogram of which not all arrived")
			length = len(b) - 40
		}
	} else if jumbo(b) >= 0 {
		r.odd("two lengths")
	}
	if length > len(b)-40 && !quoted {
		r.refuse("more length than arrived")
		return
	}
	r.Size = 40 + length
	r.addresses6()
	w := walk{r: r, b: b[:min(40+length, len(b))], at: 40, quoted: quoted}
	w.go6()
}

func (r *Reading) addresses6() {
	if r.From.Is4In6() || r.To.Is4In6() {
		r.Ambiguous = "IPv4-mapped: it may be taken for a packet of IPv4"
	}
	switch {
	case r.From.IsMulticast():
		r.odd("source is a group")
	case r.From.IsLoopback(), r.To.IsLoopback():
		r.odd("loopback address on the wire")
	case r.From.IsUnspecified(), r.To.IsUnspecified():
		r.odd("address of nobody")
	case r.From == r.To:
		r.odd("source is the destination")
	}
}

const jumboOption = 0xc2

// jumbo is the length that a jumbo payload option right behind the IPv6 header
// gives, or -1.
func jumbo(b []byte) int {
	if b[6] != ProtocolHopByHop || len(b) < 48 {
		return -1
	}
	for options := b[42:min(40+(int(b[41])+1)*8, len(b))]; len(options) > 0; {
		if options[0] == 0 {
			options = options[1:]
			continue
		}
		if len(options) < 2 || int(options[1])+2 > len(options) {
			return -1
		}
		if options[0] == jumboOption && options[1] == 4 {
			return int(binary.BigEndian.Uint32(options[2:]))
		}
		options = options[int(options[1])+2:]
	}
	return -1
}

func extensionHeader(number uint8) bool {
	switch number {
	case ProtocolHopByHop, ProtocolRouting, ProtocolFragment, ProtocolAH, ProtocolDestination:
		return true
	}
	return false
}

func (w *walk) go6() {
	r := w.r
	for r.Fate = Read; extensionHeader(r.Protocol); {
		if len(w.b) < w.at+8 {
			w.cut()
			return
		}
		header := w.b[w.at:]
		r.Extensions = append(r.Extensions, r.Protocol)
		if r.Protocol == ProtocolFragment {
			if !w.fragment(header) {
				return
			}
			continue
		}
		if !w.extension(header) {
			return
		}
	}
	if w.fragmentable > 0 {
		r.first(w.b[w.at:], w.at-w.fragmentable, w.quoted)
		return
	}
	r.transport(w.b[w.at:], w.quoted)
}

// cut: the chain does not end in the packet.
func (w *walk) cut() {
	if w.fragmentable > 0 {
		w.r.Ambiguous = "its header is in a later piece" // RFC 7112
		return
	}
	w.r.refuse("extension header cut short")
}

func (w *walk) extension(header []byte) bool {
	r := w.r
	size := (int(header[1]) + 1) * 8
	switch r.Protocol {
	case ProtocolHopByHop:
		if w.at != 40 {
			r.odd("hop-by-hop options not first") // RFC 8200, 4.3
		}
	case ProtocolRouting:
		if header[3] != 0 {
			r.Ambiguous = "a route: the destination is a stop on the way"
		}
		switch header[2] {
		case 2:
			r.odd("a routing header of Mobile IPv6 from nobody's home") // where CONFIG_IPV6_MIP6 is set
		case 3, 4:
			r.odd("a routing header that is switched off") // rpl_seg_enabled, seg6_enabled
		}
	case ProtocolAH:
		size = (int(header[1]) + 2) * 4
		r.odd("authentication without a key")
	}
	if len(w.b) < w.at+size {
		w.cut()
		return false
	}
	if r.Protocol == ProtocolHopByHop || r.Protocol == ProtocolDestination {
		r.options6(header[2:size])
	}
	r.Protocol = header[0]
	w.at += size
	return true
}

// options6 follows ip6_parse_tlv of Linux in what it refuses.
func (r *Reading) options6(options []byte) {
	count, padding := 0, 0
	for len(options) > 0 {
		size := 1
		if options[0] != 0 {
			if len(options) < 2 || int(options[1])+2 > len(options) {
				r.odd("an IPv6 option whose length is wrong")
				return
			}
			size = int(options[1]) + 2
		}
		if options[0] <= 1 {
			padding += size
		} else {
			padding = 0
			count++
			if options[0]>>6 != 0 && options[0] != jumboOption {
				r.odd("an IPv6 option to be refused where it is not known")
			}
		}
		if padding > 7 || count > 8 {
			r.odd("more IPv6 options than Linux takes")
			return
		}
		options = options[size:]
	}
}

// fragment says whether what follows the fragment header can be read on.
func (w *walk) fragment(header []byte) bool {
	r := w.r
	field := binary.BigEndian.Uint16(header[2:])
	offset, more := int(field&0xfff8), field&1 != 0
	if w.fragmentable > 0 {
		r.Ambiguous = "a piece of a piece"
		return false
	}
	if w.nested() {
		r.odd("more than one fragment header")
	}
	r.Protocol = header[0]
	w.at += 8
	if offset == 0 && !more {
		return true // atomic, RFC 6946: read as if the header were not there
	}
	r.Offset, r.More = offset, more
	r.Key = Datagram{From: r.From, To: r.To, ID: binary.BigEndian.Uint32(header[4:])}
	w.fragmentable = w.at
	r.piece(w.b[w.at:])
	return offset == 0 && r.Fate == Piece
}

func (w *walk) nested() bool {
	n := 0
	for _, number := range w.r.Extensions {
		if number == ProtocolFragment {
			n++
		}
	}
	return n > 1
}
