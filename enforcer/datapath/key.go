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
	return bpf.KernelRowKey{List: uint64(k.List), Class: uint64(k.Peer), Port: uint64(k.Port)}
}

// Bits of struct peer (bpf/types.h).
const (
	peerLocalNode = 1
	peerService   = 2
)

func kernelPeer(p policy.Peer) bpf.KernelPeer {
	flags := flag(p.LocalNode)*peerLocalNode | flag(p.Service)*peerService
	return bpf.KernelPeer{Class: uint64(p.Class), Flags: uint64(flags)}
}

func serviceKey(k policy.ServiceKey) bpf.KernelServiceKey {
	return bpf.KernelServiceKey{Address: kernelAddress(k.Addr), Port: network(k.Port), Protocol: k.Protocol}
}

func kernelService(t policy.Targets) bpf.KernelService {
	s := bpf.KernelService{Count: uint64(t.Count)}
	for i, cell := range t.Of {
		s.Of[i] = bpf.KernelCell{Class: uint64(cell.Peer), Port: uint64(cell.Port)}
	}
	return s
}

// view is how the kernel sees an endpoint under the lists of t.
func view(id policy.EndpointID, slot uint32, e policy.Endpoint, t *policy.Tables) bpf.KernelEndpoint {
	var own [2]bpf.KernelAddress
	for i, a := range e.Addresses[:min(len(e.Addresses), len(own))] {
		own[i] = kernelAddress(a)
	}
	return bpf.KernelEndpoint{
		Own:     own,
		Id:      uint64(id),
		Slot:    slot,
		Names:   flag(len(e.Patterns) > 0),
		Audited: flag(e.Audited),
		Stances: [2]bpf.KernelStance{kernelStance(e.Stance, t), kernelStance(e.Audit, t)},
	}
}

func kernelStance(s policy.Stance, t *policy.Tables) bpf.KernelStance {
	k := bpf.KernelStance{DefaultAllow: flag(s.Default == policy.Allow)}
	for side, a := range []policy.Attachment{s.Ingress, s.Egress} {
		k.Isolated[side] = flag(a.Isolated)
		for tier, id := range []policy.ListID{a.Admin, a.NetworkPolicy, a.Baseline} {
			k.List[side][tier] = uint64(id)
			if list := t.Lists[id]; list != nil && list.Wide {
				k.Wide[side] |= 1 << tier
			}
		}
	}
	return k
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// network writes a port in network byte order, as the kernel program has it.
func network(port uint16) uint16 { return bits.ReverseBytes16(port) }

// host reads a port in network byte order, as the kernel program reports it.
func host(port uint16) uint16 { return bits.ReverseBytes16(port) }
