package bpf

import "encoding/binary"

// traceShift leaves 20 bits of hash: TRACE_BITS of maps.h.
const traceShift = 11

// Trace is where the table traces has the address's bit (maybe_exact in
// verdict.h).
func (a KernelAddress) Trace() (index uint32, mask uint64) {
	var mixed uint32
	for i := 0; i < len(a.Byte); i += 4 {
		mixed ^= binary.NativeEndian.Uint32(a.Byte[i:])
	}
	bit := mixed * 0x9e3779b1 & (1<<31 - 1) >> traceShift
	return bit / 64, 1 << (bit % 64)
}
