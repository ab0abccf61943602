package bpf

import (
	"slices"
	"testing"
)

// TestOdd has a row for each way of D3 to be odd. The pod may reach everything:
// what drops here drops for its form. Cut IP headers are missing: the kernel does
// not run programs on them (bpf_prog_test_run_skb).
func TestOdd(t *testing.T) {
	syn443 := tcpHeader(40000, 443, syn)
	ask := udpHeader(40000, 53)
	six := func(protocol byte, payload []byte) []byte { return v6(ip6(pod6, far6, protocol, payload)) }
	four := func(protocol byte, options, payload []byte, bend ...header4) []byte {
		return v4(ip4(pod4, far4, protocol, options, payload, bend...))
	}
	nops := []byte{1, 1, 1, 0}
	// Whole chain of legitimate extension headers before TCP.
	chain := extension6(dstOptions, routing6(ah, 0, slices.Concat([]byte{dstOptions, 4}, make([]byte, 22),
		extension6(tcp, syn443))))
	cases := []struct {
		name  string
		frame []byte
		want  KernelReason
	}{
		{"plain TCP over IPv4", four(tcp, nil, syn443), KernelReasonPASS_DEFAULT},
		{"plain TCP over IPv6", six(tcp, syn443), KernelReasonPASS_DEFAULT},
		{"ARP", ethernet(etherARP, make([]byte, 28)), KernelReasonPASS_ARP},

		{"a frame of another protocol", ethernet(etherLLDP, make([]byte, 46)), KernelReasonDROP_ETHERTYPE},
		{"an 802.3 length in place of a type", ethernet(46, make([]byte, 46)), KernelReasonDROP_ETHERTYPE},
		{"a VLAN tag", ethernet(etherVLAN, slices.Concat(be16(5), be16(etherIP), ip4(pod4, far4, tcp, nil, syn443))),
			KernelReasonDROP_VLAN},
		{"two VLAN tags", ethernet(etherQinQ, slices.Concat(be16(5), be16(etherVLAN), be16(6), be16(etherIP),
			ip4(pod4, far4, tcp, nil, syn443))), KernelReasonDROP_VLAN},

		{"IPv6 in a frame that says IPv4", v4(ip6(pod6, far6, tcp, syn443)), KernelReasonDROP_BAD_HEADER},
		{"IPv4 in a frame that says IPv6", v6(slices.Concat(ip4(pod4, far4, tcp, nil, syn443), make([]byte, 20))),
			KernelReasonDROP_BAD_HEADER},
		{"an IPv4 header shorter than the least", four(tcp, nil, syn443, headerWords4(4)), KernelReasonDROP_BAD_HEADER},
		{"a total length shorter than the header", four(tcp, nil, syn443, totalLength4(19)), KernelReasonDROP_BAD_HEADER},
		{"a total length of nothing", four(tcp, nil, syn443, totalLength4(0)), KernelReasonDROP_BAD_HEADER},
		{"more length than arrived, IPv4", four(tcp, nil, syn443, totalLength4(4000)), KernelReasonDROP_TRUNCATED},
		{"more length than arrived, IPv6", v6(ip6(pod6, far6, tcp, syn443, payloadLength6(4000))),
			KernelReasonDROP_TRUNCATED},
		{"a transport header behind the packet's own end, IPv4", four(tcp, nil, syn443, totalLength4(30)),
			KernelReasonDROP_TRUNCATED},
		{"a transport header behind the packet's own end, IPv6", v6(ip6(pod6, far6, tcp, syn443, payloadLength6(10))),
			KernelReasonDROP_TRUNCATED},
		{"half a TCP header", four(tcp, nil, syn443[:16]), KernelReasonDROP_TRUNCATED},
		{"half a UDP header", four(udp, nil, ask[:6]), KernelReasonDROP_TRUNCATED},
		{"half an SCTP header", four(sctp, nil, sctpHeader(1, 2)[:8]), KernelReasonDROP_TRUNCATED},
		{"half an ICMP header", four(icmp, nil, echo(8, 1)[:4]), KernelReasonDROP_TRUNCATED},
		{"a TCP header that ends before its ports do", four(tcp, nil, withDataOffset(syn443, 4)),
			KernelReasonDROP_BAD_HEADER},
		{"ESP, which has no ports to read", four(50, nil, make([]byte, 12)), KernelReasonPASS_DEFAULT},

		{"options without effect", four(tcp, nops, syn443), KernelReasonPASS_DEFAULT},
		{"a router alert", four(tcp, []byte{148, 4, 0, 0}, syn443), KernelReasonPASS_DEFAULT},
		{"a loose source route", four(tcp, []byte{131, 7, 4, 8, 8, 8, 8, 0}, syn443), KernelReasonDROP_SOURCE_ROUTE},
		{"a strict source route behind padding", four(tcp, []byte{1, 137, 7, 4, 8, 8, 8, 8}, syn443),
			KernelReasonDROP_SOURCE_ROUTE},
		{"a source route behind the end of options is no option", four(tcp, []byte{0, 131, 3, 4}, syn443),
			KernelReasonPASS_DEFAULT},
		{"an option without length", four(tcp, []byte{68, 0, 0, 0}, syn443), KernelReasonDROP_BAD_HEADER},
		{"an option that leaves the header", four(tcp, []byte{1, 68, 9, 0}, syn443), KernelReasonDROP_BAD_HEADER},
		{"options cut short", v4(ip4(pod4, far4, tcp, []byte{1, 1, 1, 1}, nil)[:22]), KernelReasonDROP_TRUNCATED},

		{"hop-by-hop options", six(hopByHop, extension6(tcp, syn443)), KernelReasonPASS_DEFAULT},
		{"every extension header at once", six(hopByHop, chain), KernelReasonPASS_DEFAULT},
		{"more extension headers than anybody needs", six(hopByHop, chainOf(8, syn443)),
			KernelReasonDROP_EXTENSION_HEADERS},
		{"an extension header cut short", six(hopByHop, []byte{tcp, 0}), KernelReasonDROP_TRUNCATED},
		{"an extension header longer than the packet", six(hopByHop, slices.Concat([]byte{tcp, 200}, make([]byte, 26))),
			KernelReasonDROP_TRUNCATED},
		{"a routing header at its end", six(routing, routing6(tcp, 0, syn443)), KernelReasonPASS_DEFAULT},
		{"a routing header with a way to go", six(routing, routing6(tcp, 1, syn443)), KernelReasonDROP_SOURCE_ROUTE},
		{"no next header", six(noNext, nil), KernelReasonPASS_DEFAULT},
		{"a mapped IPv4 address as source", v6(ip6("::ffff:10.0.0.1", far6, tcp, syn443)),
			KernelReasonDROP_MAPPED_ADDRESS},
		{"a mapped IPv4 address as destination", v6(ip6(pod6, "::ffff:203.0.113.9", tcp, syn443)),
			KernelReasonDROP_MAPPED_ADDRESS},

		{"a first fragment without its ports", four(tcp, nil, syn443[:8], fragment4(1, 0, true)),
			KernelReasonDROP_FRAGMENT_TINY},
		{"a fragment over the TCP header", four(tcp, nil, syn443, fragment4(2, 8, true)),
			KernelReasonDROP_FRAGMENT_OVERLAP},
		{"a fragment over the end of the TCP header", four(tcp, nil, syn443, fragment4(2, 16, true)),
			KernelReasonDROP_FRAGMENT_OVERLAP},
		{"a fragment of which nothing is known, IPv4", four(udp, nil, ask, fragment4(3, 1480, false)),
			KernelReasonDROP_FRAGMENT_UNKNOWN},
		{"a fragment of which nothing is known, IPv6", six(fragmentHdr, fragment6(udp, 3, 1480, false, ask)),
			KernelReasonDROP_FRAGMENT_UNKNOWN},
		{"an atomic fragment is a whole packet", six(fragmentHdr, fragment6(udp, 4, 0, false, ask)),
			KernelReasonPASS_DEFAULT},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := load(t)
			k.change(freeOpen)
			k.expect(out, c.frame, c.want)
		})
	}
}

func withDataOffset(header []byte, words byte) []byte {
	h := slices.Clone(header)
	h[12] = words << 4
	return h
}

func chainOf(n int, last []byte) []byte {
	if n == 1 {
		return extension6(tcp, last)
	}
	return extension6(dstOptions, chainOf(n-1, last))
}

// TestOptionsDoNotPoseAsPorts: the ports are behind the options, even where the
// options read like allowed ports (D3).
func TestOptionsDoNotPoseAsPorts(t *testing.T) {
	k := load(t)
	k.change(isolated)
	k.scene()
	k.row(policyEg, 0, webPort, allows(0))
	// The four bytes read as port 0x0101 to port 443.
	frame := v4(ip4(pod4, far4, tcp, []byte{1, 1, 1, 0xbb}, tcpHeader(40000, 22, syn)))
	verdict, reason := k.run(out, frame)
	if verdict != tcShot || reason.Passes() {
		t.Errorf("got verdict %d (%v), want a drop", verdict, reason)
	}
}

// TestUnknownInterface: an interface that is no pod's drops (D9).
func TestUnknownInterface(t *testing.T) {
	k := load(t)
	frame := between(out, far4, tcp, 443)
	must(t, k.Places.Put(uint32(loopback), KernelPlace{}))
	must(t, k.Slots.Delete(uint32(loopback)))
	k.expect(out, frame, KernelReasonDROP_NO_ENDPOINT)
	k.expect(in, frame, KernelReasonDROP_NO_ENDPOINT)

	// A slot that was left is no endpoint either.
	must(t, k.Slots.Put(uint32(loopback), uint32(podSlot+1)))
	k.expect(out, frame, KernelReasonDROP_NO_ENDPOINT)
}

// TestSlotWithoutShortCut: where another interface has the place, the table of
// slots is asked.
func TestSlotWithoutShortCut(t *testing.T) {
	k := load(t)
	k.change(freeOpen)
	must(t, k.Places.Put(uint32(loopback), KernelPlace{Ifindex: loopback + 65536, Slot: 9}))
	k.expect(out, between(out, far4, tcp, 443), KernelReasonPASS_DEFAULT)
}

// TestNoState: without its table of connections a pod has no traffic.
func TestNoState(t *testing.T) {
	k := load(t)
	k.change(freeOpen)
	must(t, k.Connections.Delete(uint32(podSlot)))
	k.expect(out, between(out, far4, tcp, 443), KernelReasonDROP_NO_STATE)
}

// TestNeighbourDiscoveryCarriesNothing: what leaves the link is no discovery,
// whatever its type says; neighbours at global addresses get the bare question.
func TestNeighbourDiscoveryCarriesNothing(t *testing.T) {
	bare, filled := make([]byte, 32), make([]byte, 400)
	cases := []struct {
		name        string
		kind        byte
		destination string
		hops        byte
		body        []byte
		want        KernelReason
	}{
		{"a neighbour is asked at its global address", 135, far6, 255, bare, KernelReasonPASS_NEIGHBOUR},
		{"a neighbour is answered at its global address", 136, far6, 255, bare, KernelReasonPASS_NEIGHBOUR},
		{"a question to a global address carries data", 135, far6, 255, filled, KernelReasonDROP_NEIGHBOUR},
		{"an answer to a global address carries data", 136, far6, 255, filled, KernelReasonDROP_NEIGHBOUR},
		{"a question to a wider group", 135, "ff0e::1", 255, bare, KernelReasonDROP_NEIGHBOUR},
		{"routers are asked for at a global address", 133, far6, 255, nil, KernelReasonDROP_NEIGHBOUR},
		{"groups are reported to a global address", 143, far6, 1, filled, KernelReasonDROP_NEIGHBOUR},
		{"many groups are reported on the link", 143, "ff02::16", 1, filled, KernelReasonPASS_NEIGHBOUR},
		{"the router is asked at its link-local address", 135, "fe80::1", 255, bare, KernelReasonPASS_NEIGHBOUR},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := load(t)
			k.change(isolated)
			message := slices.Concat(icmpHeader(c.kind, 0), c.body)
			k.expect(out, v6(ip6(pod6, c.destination, icmpv6, message, hopLimit(c.hops))), c.want)
		})
	}
}

// TestNeighbourDiscovery works under default deny, on the link only, and pods
// play hosts, not routers (D4).
func TestNeighbourDiscovery(t *testing.T) {
	cases := []struct {
		name      string
		direction KernelDirection
		kind      byte
		hops      byte
		want      KernelReason
	}{
		{"the pod solicits a neighbour", out, 135, 255, KernelReasonPASS_NEIGHBOUR},
		{"the pod advertises itself", out, 136, 255, KernelReasonPASS_NEIGHBOUR},
		{"the pod solicits routers", out, 133, 255, KernelReasonPASS_NEIGHBOUR},
		{"the pod reports its groups", out, 143, 1, KernelReasonPASS_NEIGHBOUR},
		{"the pod poses as a router", out, 134, 255, KernelReasonDROP_NEIGHBOUR},
		{"the pod redirects", out, 137, 255, KernelReasonDROP_NEIGHBOUR},
		{"the pod poses as a querier", out, 130, 1, KernelReasonDROP_NEIGHBOUR},
		{"a neighbour solicits the pod", in, 135, 255, KernelReasonPASS_NEIGHBOUR},
		{"a router advertises", in, 134, 255, KernelReasonPASS_NEIGHBOUR},
		{"a router redirects", in, 137, 255, KernelReasonPASS_NEIGHBOUR},
		{"a querier asks", in, 130, 1, KernelReasonPASS_NEIGHBOUR},
		{"the node solicits routers", in, 133, 255, KernelReasonPASS_NEIGHBOUR},
		{"the node reports its groups", in, 143, 1, KernelReasonPASS_NEIGHBOUR},
		{"an advertisement came through a router", in, 136, 254, KernelReasonDROP_NEIGHBOUR},
		{"a report went through a router", out, 143, 64, KernelReasonDROP_NEIGHBOUR},
		{"an echo request is no discovery", out, 128, 255, KernelReasonDROP_NETWORK_POLICY},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := load(t)
			k.change(isolated)
			source, destination := "fe80::1", "ff02::1:ff00:2"
			frame := v6(ip6(source, destination, icmpv6, icmpHeader(c.kind, 0), hopLimit(c.hops)))
			k.expect(c.direction, frame, c.want)
		})
	}
}
