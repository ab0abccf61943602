package kernel

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/cluster"
)

// Where a pod has no address of the family, it sends from and gets to one that
// is nobody's.
var stray = []netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd99::1")}

const ethernet = 14

// frame is the packet on the wire. The nonce makes the connection a new one.
// Checksums are left out: the programs must not need them, since hardware may
// fill them in later.
func frame(f policy.Flow, nonce uint16) []byte {
	own := ownAddress(f)
	source, destination := own, f.Peer
	if f.Direction == policy.Ingress {
		source, destination = f.Peer, own
	}
	payload := transport(f.Protocol, f.Port, nonce)
	if f.Peer.Is4() {
		return ipv4(source, destination, f.Protocol, payload)
	}
	return ipv6(source, destination, f.Protocol, payload)
}

// ownAddress is the peer itself where the pod talks to itself (P19).
func ownAddress(f policy.Flow) netip.Addr {
	all := f.Pod.Addresses
	if slices.Contains(all, f.Peer) {
		return f.Peer
	}
	for _, a := range slices.Concat(all, stray) {
		if a.Is4() == f.Peer.Is4() {
			return a
		}
	}
	panic("an address of each family is in stray")
}

func ipv4(source, destination netip.Addr, protocol uint8, payload []byte) []byte {
	const header = 20
	f := make([]byte, ethernet+header, ethernet+header+len(payload))
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	ip := f[ethernet:]
	ip[0], ip[8], ip[9] = 4<<4|header/4, 64, protocol
	binary.BigEndian.PutUint16(ip[2:], uint16(header+len(payload)))
	copy(ip[12:], source.AsSlice())
	copy(ip[16:], destination.AsSlice())
	return append(f, payload...)
}

func ipv6(source, destination netip.Addr, protocol uint8, payload []byte) []byte {
	const header = 40
	f := make([]byte, ethernet+header, ethernet+header+len(payload))
	binary.BigEndian.PutUint16(f[12:], 0x86dd)
	ip := f[ethernet:]
	ip[0], ip[6], ip[7] = 6<<4, protocol, 64
	binary.BigEndian.PutUint16(ip[4:], uint16(len(payload)))
	copy(ip[8:], source.AsSlice())
	copy(ip[24:], destination.AsSlice())
	return append(f, payload...)
}

// transport is the first header of a connection: a SYN, an INIT, an echo
// request, or bytes that mean nothing here.
func transport(protocol uint8, port, nonce uint16) []byte {
	h := make([]byte, 20)
	switch protocol {
	case cluster.ICMP, cluster.ICMPv6:
		h[0] = map[uint8]byte{cluster.ICMP: 8, cluster.ICMPv6: 128}[protocol]
		binary.BigEndian.PutUint16(h[4:], nonce)
		return h[:8]
	case cluster.TCP, cluster.UDP, cluster.SCTP:
		binary.BigEndian.PutUint16(h[0:], nonce)
		binary.BigEndian.PutUint16(h[2:], port)
	}
	switch protocol {
	case cluster.TCP:
		h[12], h[13] = 5<<4, 2 // length, SYN
	case cluster.UDP:
		binary.BigEndian.PutUint16(h[4:], uint16(len(h)))
	case cluster.SCTP:
		h[12] = 1 // INIT
	}
	return h
}
