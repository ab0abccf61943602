package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// HopByHop is a hop-by-hop options header; options are filled up with padding.
func HopByHop(options ...byte) Extension { return optionsHeader(ProtocolHopByHop, options) }

// DestinationOptions is a destination options header.
func DestinationOptions(options ...byte) Extension {
	return optionsHeader(ProtocolDestination, options)
}

// optionsHeader pads with PadN (RFC 8200, 4.2).
func optionsHeader(number uint8, options []byte) Extension {
	h := slices.Concat([]byte{0, 0}, options)
	if n := -len(h) & 7; n == 1 {
		h = append(h, 0)
	} else if n > 1 {
		h = slices.Concat(h, []byte{1, byte(n - 2)}, make([]byte, n-2))
	}
	h[1] = byte(len(h)/8 - 1)
	return Extension{number, h}
}

// Routing is a routing header of any type (RFC 8200, 4.4; type 2 is RFC 6275,
// 3 RFC 6554, 4 RFC 8754).
func Routing(kind, segmentsLeft byte, via ...netip.Addr) Extension {
	h := []byte{0, byte(2 * len(via)), kind, segmentsLeft, 0, 0, 0, 0}
	if kind == 4 {
		h[4] = byte(max(len(via)-1, 0)) // last entry
	}
	for _, a := range via {
		b := a.As16()
		h = append(h, b[:]...)
	}
	return Extension{ProtocolRouting, h}
}

// FragmentHeader is one that stands anywhere in a chain (RFC 8200, 4.5).
func FragmentHeader(id uint32, offset int, more bool) Extension {
	h := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(offset)&^7|flag(more, 1))
	return Extension{ProtocolFragment, binary.BigEndian.AppendUint32(h, id)}
}

// Authentication is a header of RFC 4302 with 12 bytes of check value.
func Authentication() Extension {
	h := make([]byte, 24)
	h[1], h[7] = 4, 9
	return Extension{ProtocolAH, h}
}

// Other is a header in the form that RFC 6564 asks of new ones.
func Other(number uint8) Extension { return Extension{number, make([]byte, 8)} }

// Padded is a destination options header of the given size, a multiple of 8 up
// to 2048, full of data that a receiver skips.
func Padded(size int) Extension {
	h := make([]byte, size)
	h[1] = byte(size/8 - 1)
	for at := 2; at < size; {
		n := min(size-at-2, 255)
		if n < 0 {
			break // Pad1
		}
		h[at], h[at+1] = 0x1e, byte(n) // RFC 4727: for experiments, to be skipped
		at += 2 + n
	}
	return Extension{ProtocolDestination, h}
}
