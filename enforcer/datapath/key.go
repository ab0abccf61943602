package datapath

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// mappedBits is how many bits stand before an IPv4 address in its 16-byte form.
const mappedBits = 96

func kernelAddress(a netip.Addr) bpf.KernelAddress {
	return bpf.KernelAddress{Byte: a.As16()}
}

func addressOf(k bpf.KernelAddress) netip.Addr {
	return netip.AddrFrom16(k.Byte).Unmap()
}

func prefixKey(p netip.Prefix) bpf.KernelPrefixKey {
	key := bpf.KernelPrefixKey{Length: uint32(p.Bits())}
	if p.Addr().Is4() {
		key.Length += mappedBits
	}
	address := p.Addr().As16()
	for i := range key.Word {
		key.Word[i] = binary.NativeEndian.Uint32(address[4*i:])
	}
	return key
}

func rowKey(k policy.RowKey) bpf.KernelRowKey {
	return bpf.KernelRowKey{Policy: uint64(k.Policy), Class: uint64(k.Peer), Port: uint64(k.Port)}
}

func kernelRow(r policy.Row) bpf.KernelRow {
	return bpf.KernelRow{Admin: uint32(r.Admin), Baseline: uint32(r.Baseline), NetworkPolicy: r.NetworkPolicy}
}

func kernelPeer(p policy.Peer) bpf.KernelPeer {
	return bpf.KernelPeer{Class: uint64(p.Class), LocalNode: uint64(flag(p.LocalNode))}
}

func kernelEndpoint(id policy.EndpointID, slot uint32, e policy.Endpoint) bpf.KernelEndpoint {
	var own [2]bpf.KernelAddress
	for i, a := range e.Addresses[:min(len(e.Addresses), len(own))] {
		own[i] = kernelAddress(a)
	}
	return bpf.KernelEndpoint{
		Own:          own,
		Id:           uint64(id),
		Policy:       [2]uint64{uint64(e.Ingress.Policy), uint64(e.Egress.Policy)},
		Slot:         slot,
		Isolated:     [2]uint8{flag(e.Ingress.Isolated), flag(e.Egress.Isolated)},
		DefaultAllow: flag(e.Default == policy.Allow),
		Names:        flag(len(e.Patterns) > 0) * namesWanted,
	}
}

// Bits of struct endpoint (bpf/types.h).
const (
	namesWanted = 1
	namesFirst  = 2
)

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// host reads a port in network byte order, as the kernel program reports it.
func host(port uint16) uint16 { return bits.ReverseBytes16(port) }
