package wire

import "encoding/binary"

// TotalLength sets the length that an IPv4 header claims, in bytes.
func TotalLength(n int) func([]byte) {
	return func(p []byte) { binary.BigEndian.PutUint16(p[2:], uint16(n)) }
}

// HeaderWords sets the length that an IPv4 header claims for itself, in units
// of four bytes.
func HeaderWords(n byte) func([]byte) { return func(p []byte) { p[0] = p[0]&0xf0 | n&15 } }

// Version sets the first four bits.
func Version(n byte) func([]byte) { return func(p []byte) { p[0] = p[0]&15 | n<<4 } }

// PayloadLength sets the length that an IPv6 header claims, in bytes.
func PayloadLength(n int) func([]byte) {
	return func(p []byte) { binary.BigEndian.PutUint16(p[4:], uint16(n)) }
}

// Byte sets any byte, counted from the start of the IP header.
func Byte(at int, value byte) func([]byte) { return func(p []byte) { p[at] = value } }
