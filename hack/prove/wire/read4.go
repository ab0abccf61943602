package wire

import (
	"encoding/binary"
	"net/netip"
)

// read4 follows RFC 791 and ip_rcv_core of Linux. quoted: the packet stands in
// an ICMP error, and ends where the quotation does.
func (r *Reading) read4(b []byte, quoted bool) {
	if len(b) < 20 {
		r.refuse("IPv4 header cut short")
		return
	}
	r.From, r.To = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	r.Protocol, r.HopLimit = b[9], b[8]
	words, total := int(b[0]&15), int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case b[0]>>4 != 4:
		r.refuse("version is not 4")
		return
	case words < 5:
		r.refuse("header shorter than an IPv4 header")
		return
	case total < words*4:
		r.refuse("total length shorter than the header")
		return
	case total > len(b) && !quoted, words*4 > len(b):
		r.refuse("more length than arrived")
		return
	}
	r.Size = total
	b = b[:min(total, len(b))]
	if !quoted && checksum(b[:words*4]) != binary.BigEndian.Uint16(b[10:]) {
		r.odd("checksum of the IPv4 header")
	}
	r.addresses4()
	r.options4(b[20 : words*4])
	r.transport4(b, words*4, quoted)
}

func (r *Reading) transport4(b []byte, header int, quoted bool) {
	cut := binary.BigEndian.Uint16(b[6:])
	payload := b[header:]
	r.Offset, r.More = int(cut&0x1fff)*8, cut&0x2000 != 0
	if r.Offset == 0 && !r.More {
		r.Fate = Read
		r.transport(payload, quoted)
		return
	}
	r.Key = Datagram{r.From, r.To, uint32(binary.BigEndian.Uint16(b[4:])), r.Protocol}
	r.piece(payload)
	if r.Offset == 0 && r.Fate == Piece {
		r.first(payload, 0, quoted)
	}
}

// piece is common to the fragments of both families.
func (r *Reading) piece(payload []byte) {
	r.Fate, r.Bytes = Piece, len(payload)
	switch {
	case r.More && len(payload)%8 != 0:
		// Linux trims it, others refuse it.
		r.odd("a piece whose length is no multiple of 8")
	case len(payload) == 0:
		r.refuse("a piece of nothing")
	case r.Offset+len(payload) > 65535:
		r.odd("a piece behind the greatest length")
	}
}

// first reads the headers of a first piece; before is how many bytes of the
// datagram were headers already.
func (r *Reading) first(payload []byte, before int, quoted bool) {
	r.transport(payload, quoted)
	need := headerBytes(r.Protocol)
	if r.Fate == Refused {
		// Some wait for the rest (RFC 1858: a tiny fragment).
		r.Fate, r.Why = Piece, ""
		r.Ambiguous = "its header is in a later piece"
	}
	r.Headers = before + need
}

// headerBytes is how much of a transport header is read to know the flow.
func headerBytes(protocol uint8) int {
	switch protocol {
	case ProtocolTCP:
		return 20
	case ProtocolSCTP:
		return 12
	case ProtocolUDP, ProtocolICMP, ProtocolICMPv6:
		return 8
	}
	return 0
}

func (r *Reading) addresses4() {
	from := r.From
	switch {
	case from.IsMulticast(), from.As4()[0] >= 240:
		r.odd("source is a group or reserved")
	case from.IsLoopback(), r.To.IsLoopback():
		r.odd("loopback address on the wire")
	case from.IsUnspecified(), r.To.IsUnspecified():
		r.odd("address of nobody")
	case from == r.To:
		r.odd("source is the destination")
	}
}

// options4 follows ip_options_compile of Linux in what it refuses.
func (r *Reading) options4(options []byte) {
	for len(options) > 0 {
		kind := options[0]
		if kind == 0 {
			return
		}
		if kind == 1 {
			options = options[1:]
			continue
		}
		if kind == 131 || kind == 137 {
			r.Ambiguous = "a source route: the destination is a stop on the way"
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			r.odd("an IPv4 option whose length is wrong")
			return
		}
		r.option4(options[:options[1]])
		options = options[options[1]:]
	}
}

func (r *Reading) option4(o []byte) {
	bad := false
	switch o[0] {
	case 7: // record route
		bad = len(o) < 3 || o[2] < 4
	case 68: // timestamp
		bad = len(o) < 4 || o[2] < 5
	case 130, 134: // security
		bad = true // refused without the kernel's leave
	case 148: // router alert
		bad = len(o) < 4
	}
	if bad {
		r.odd("an IPv4 option that Linux does not take")
	}
}
