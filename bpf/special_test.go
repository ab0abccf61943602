package bpf

import (
	"slices"
	"testing"
)

// TestDHCPIsNotSpecial: under default deny a pod neither asks for leases nor is
// given any, of either family; where a rule allows it, it is as any UDP (D4).
func TestDHCPIsNotSpecial(t *testing.T) {
	discover := v4(ip4("0.0.0.0", "255.255.255.255", udp, nil, udpHeader(68, 67)))
	offer := v4(ip4("10.0.0.254", "255.255.255.255", udp, nil, udpHeader(67, 68)))
	solicit := v6(ip6("fe80::1", "ff02::1:2", udp, udpHeader(546, 547)))
	reply := v6(ip6("fe80::2", "fe80::1", udp, udpHeader(547, 546)))
	k := load(t)
	k.change(isolated)
	k.expect(out, discover, KernelReasonDROP_NETWORK_POLICY)
	k.expect(out, solicit, KernelReasonDROP_NETWORK_POLICY)
	k.expect(in, offer, KernelReasonDROP_NETWORK_POLICY)
	k.expect(in, reply, KernelReasonDROP_NETWORK_POLICY)
	k.row(policyEg, 0, 0, allows(0))
	k.expect(out, discover, KernelReasonPASS_NETWORK_POLICY)
	k.expect(out, solicit, KernelReasonPASS_NETWORK_POLICY)
}

// TestFragmentsOfAnotherProtocol: numbers of datagrams are by protocol (RFC 791),
// so an allowed one speaks for no fragment of another protocol that has its
// number, nor for one to another address (D3).
func TestFragmentsOfAnotherProtocol(t *testing.T) {
	first := slices.Concat(udpHeader(40000, 443), make([]byte, 1472))
	k := allowOut(t)
	k.expect(out, v4(ip4(pod4, far4, udp, nil, first, fragment4(9, 0, true))), KernelReasonPASS_NETWORK_POLICY)
	rest := func(to string, protocol byte) []byte {
		return v4(ip4(pod4, to, protocol, nil, make([]byte, 100), fragment4(9, 1480, false)))
	}
	k.expect(out, rest(far4, udp), KernelReasonPASS_FRAGMENT)
	k.expect(out, rest(far4, tcp), KernelReasonDROP_FRAGMENT_UNKNOWN)
	k.expect(out, rest("203.0.113.8", udp), KernelReasonDROP_FRAGMENT_UNKNOWN)
	k.expect(out, v6(ip6(pod6, far6, fragmentHdr, fragment6(udp, 9, 1480, false, make([]byte, 100)))), KernelReasonDROP_FRAGMENT_UNKNOWN)
}

// TestFragmentsOfTheOtherDirection: a datagram that the pod was allowed to send
// speaks for no fragment that it is sent, though both have one number (D3).
func TestFragmentsOfTheOtherDirection(t *testing.T) {
	first := slices.Concat(udpHeader(40000, 443), make([]byte, 1472))
	rest := make([]byte, 100)
	k := allowOut(t)
	k.expect(out, v4(ip4(pod4, far4, udp, nil, first, fragment4(9, 0, true))), KernelReasonPASS_NETWORK_POLICY)
	k.expect(in, v4(ip4(far4, pod4, udp, nil, rest, fragment4(9, 1480, false))), KernelReasonDROP_FRAGMENT_UNKNOWN)
	k.expect(out, v6(ip6(pod6, far6, fragmentHdr, fragment6(udp, 9, 0, true, first))), KernelReasonPASS_NETWORK_POLICY)
	k.expect(in, v6(ip6(far6, pod6, fragmentHdr, fragment6(udp, 9, 1480, false, rest))), KernelReasonDROP_FRAGMENT_UNKNOWN)
	// The answer in fragments is one: its first is the connection's.
	reply := slices.Concat(udpHeader(443, 40000), make([]byte, 1472))
	k.expect(in, v4(ip4(far4, pod4, udp, nil, reply, fragment4(9, 0, true))), KernelReasonPASS_REPLY)
	k.expect(in, v4(ip4(far4, pod4, udp, nil, rest, fragment4(9, 1480, false))), KernelReasonPASS_FRAGMENT)
}

// TestVersionsOfHeaders: a frame that says IPv4 holds no header of another
// version, be its length right, nor one that says IPv6 (D3).
func TestVersionsOfHeaders(t *testing.T) {
	version := func(n byte) header4 { return func(h []byte) { h[0] = h[0]&0x0f | n<<4 } }
	for _, n := range []byte{0, 5, 6, 15} {
		k := load(t)
		k.change(freeOpen)
		k.expect(out, v4(ip4(pod4, far4, tcp, nil, tcpHeader(40000, 443, syn), version(n))), KernelReasonDROP_BAD_HEADER)
		six := ip6(pod6, far6, tcp, tcpHeader(40000, 443, syn))
		if n != 6 {
			six[0] = n << 4
			k.expect(out, v6(six), KernelReasonDROP_BAD_HEADER)
		}
	}
}

// TestEveryExtensionHeaderAlone: the ports are those behind the header, whichever
// it is; what cannot be walked has none to offer (D3).
func TestEveryExtensionHeaderAlone(t *testing.T) {
	allowed, other := tcpHeader(40000, 443, syn), tcpHeader(40000, 22, syn)
	authenticated := func(next []byte) []byte {
		return slices.Concat([]byte{tcp, 4}, make([]byte, 22), next)
	}
	long := func(next []byte) []byte { return slices.Concat([]byte{tcp, 2}, make([]byte, 22), next) }
	plain := func(next []byte) []byte { return extension6(tcp, next) }
	for _, c := range []struct {
		name   string
		header byte
		around func([]byte) []byte
	}{
		{"hop-by-hop", hopByHop, plain},
		{"hop-by-hop of three units", hopByHop, long},
		{"destination options", dstOptions, plain},
		{"destination options of three units", dstOptions, long},
		{"a routing header at its end", routing, plain},
		{"authentication", ah, authenticated},
		{"an atomic fragment", fragmentHdr, func(next []byte) []byte { return fragment6(tcp, 5, 0, false, next) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := allowOut(t)
			k.expect(out, v6(ip6(pod6, far6, c.header, c.around(allowed))), KernelReasonPASS_NETWORK_POLICY)
			k.expect(out, v6(ip6(pod6, far6, c.header, c.around(other))), KernelReasonDROP_NETWORK_POLICY)
		})
	}
	for name, header := range map[string]byte{"mobility": 135, "host identity": 139, "shim6": 140, "ESP": 50} {
		t.Run(name+" is not walked", func(t *testing.T) {
			k := allowOut(t)
			k.expect(out, v6(ip6(pod6, far6, header, extension6(tcp, allowed))), KernelReasonDROP_NETWORK_POLICY)
		})
	}
}
