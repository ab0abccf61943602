package bpf

import (
	"slices"
	"testing"
)

// allowOut lets the pod open connections to port 443, and nothing in.
func allowOut(tb testing.TB) *kernel {
	tb.Helper()
	k := load(tb)
	k.change(isolated)
	k.scene()
	k.row(policyEg, 0, webPort, allows(0))
	return k
}

// TestReplies: replies of what was allowed pass, the same packets without the
// connection do not (D5).
func TestReplies(t *testing.T) {
	for _, protocol := range []byte{tcp, udp, sctp} {
		for _, peer := range []string{far4, far6} {
			k := allowOut(t)
			k.expect(in, answer(out, peer, protocol, 443), KernelReasonDROP_NETWORK_POLICY)
			k.expect(out, between(out, peer, protocol, 443), KernelReasonPASS_NETWORK_POLICY)
			k.expect(in, answer(out, peer, protocol, 443), KernelReasonPASS_REPLY)
			k.expect(out, packetOf(true, peer, protocol, 40000, 443, ack), KernelReasonPASS_ESTABLISHED)
			// Another port of the same peer is another connection.
			k.expect(in, packetOf(false, peer, protocol, 444, 40000, ack), KernelReasonDROP_NETWORK_POLICY)
		}
	}
}

// TestReverseOpening: the peer of an allowed connection may not open one over
// the same ports.
func TestReverseOpening(t *testing.T) {
	k := allowOut(t)
	k.expect(out, between(out, far4, tcp, 443), KernelReasonPASS_NETWORK_POLICY)
	k.expect(in, packetOf(false, far4, tcp, 443, 40000, syn), KernelReasonDROP_NETWORK_POLICY)
	// The connection itself goes on.
	k.expect(in, answer(out, far4, tcp, 443), KernelReasonPASS_REPLY)
}

// TestEcho: replies belong to the requests of the other side only (D5).
func TestEcho(t *testing.T) {
	families := []struct {
		peer                     string
		protocol, request, reply byte
	}{{far4, icmp, 8, 0}, {far6, icmpv6, 128, 129}}
	for _, f := range families {
		k := load(t)
		k.change(isolated)
		k.row(policyEg, 0, 0, allows(0))
		reply := ipBetween(false, f.peer, f.protocol, echo(f.reply, 7))
		k.expect(in, reply, KernelReasonDROP_NETWORK_POLICY)
		k.expect(out, ipBetween(true, f.peer, f.protocol, echo(f.request, 7)), KernelReasonPASS_NETWORK_POLICY)
		k.expect(in, reply, KernelReasonPASS_REPLY)
		k.expect(in, ipBetween(false, f.peer, f.protocol, echo(f.reply, 8)), KernelReasonDROP_NETWORK_POLICY)
		k.expect(in, ipBetween(false, f.peer, f.protocol, echo(f.request, 7)), KernelReasonDROP_NETWORK_POLICY)
	}
}

// TestIdle: entries die as their protocol's would in the kernel's own tracking.
func TestIdle(t *testing.T) {
	const day = 86400
	cases := []struct {
		name     string
		protocol byte
		replied  bool
		close    byte // TCP flags sent by both sides at the end
		seconds  uint64
		want     KernelReason
	}{
		{"a TCP connection lives for days", tcp, true, 0, 4 * day, KernelReasonPASS_ESTABLISHED},
		{"but not for ever", tcp, true, 0, 6 * day, KernelReasonDROP_NETWORK_POLICY},
		{"one that nobody answered does not last", tcp, false, 0, 121, KernelReasonDROP_NETWORK_POLICY},
		{"a closed one is gone soon", tcp, true, fin | ack, 11, KernelReasonDROP_NETWORK_POLICY},
		{"but not before its last packets", tcp, true, fin | ack, 5, KernelReasonPASS_ESTABLISHED},
		{"a reset ends it as well", tcp, true, rst, 11, KernelReasonDROP_NETWORK_POLICY},
		{"a UDP exchange lives for minutes", udp, true, 0, 170, KernelReasonPASS_ESTABLISHED},
		{"and no longer", udp, true, 0, 181, KernelReasonDROP_NETWORK_POLICY},
		{"a question without answer for seconds", udp, false, 0, 31, KernelReasonDROP_NETWORK_POLICY},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := allowOut(t)
			k.run(out, between(out, far4, c.protocol, 443))
			if c.replied {
				k.expect(in, answer(out, far4, c.protocol, 443), KernelReasonPASS_REPLY)
			}
			if c.close != 0 {
				k.run(out, packetOf(true, far4, c.protocol, 40000, 443, c.close))
				k.run(in, packetOf(false, far4, c.protocol, 443, 40000, c.close))
			}
			k.age(c.seconds)
			// Nothing else may let it pass: the rule is gone, without a
			// change of epoch, which would be another question.
			k.forget(policyEg, 0, webPort)
			k.expect(out, packetOf(true, far4, c.protocol, 40000, 443, ack), c.want)
		})
	}
}

// TestPolicyChange re-judges established connections at their next packet: what
// is no longer allowed is cut, the rest goes on (D6).
func TestPolicyChange(t *testing.T) {
	const newPolicy = 0x5001
	moved := named(stance(policyIn, newPolicy, [2]uint8{1, 1}, false))
	cases := []struct {
		name string
		rule row
		want KernelReason
	}{
		{"still allowed", allows(7), KernelReasonPASS_ESTABLISHED},
		{"no longer allowed", nothing, KernelReasonDROP_NETWORK_POLICY},
		{"now denied", adminSays(deny(1)), KernelReasonDROP_ADMIN},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := allowOut(t)
			k.run(out, between(out, far4, tcp, 443))
			k.run(in, answer(out, far4, tcp, 443))
			k.row(newPolicy, 0, webPort, c.rule)
			k.change(moved)
			k.expect(out, packetOf(true, far4, tcp, 40000, 443, ack), c.want)
			if !c.want.Passes() {
				// Cut in both directions.
				k.expect(in, answer(out, far4, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
			}
		})
	}
}

// TestPolicyChangeSeenByReply: the other side's packet may come first.
func TestPolicyChangeSeenByReply(t *testing.T) {
	k := allowOut(t)
	k.run(out, between(out, far4, tcp, 443))
	k.change(isolated)
	k.expect(in, answer(out, far4, tcp, 443), KernelReasonPASS_REPLY)
	k.forget(policyEg, 0, webPort)
	k.change(isolated)
	k.expect(in, answer(out, far4, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
}

// TestNameOutlivesItsTime: a connection outlives the grant that admitted it, not
// the rule; a second connection does not (N6, N7).
func TestNameOutlivesItsTime(t *testing.T) {
	k := load(t)
	k.change(isolated)
	k.scene()
	k.row(policyEg, nameClass, webPort, allows(0))
	k.grant(name4, nameClass, never)
	first := between(out, name4, tcp, 443)
	k.expect(out, first, KernelReasonPASS_NETWORK_POLICY_NAME)
	k.expect(in, answer(out, name4, tcp, 443), KernelReasonPASS_REPLY)
	k.grant(name4, nameClass, 1)

	going := packetOf(true, name4, tcp, 40000, 443, ack)
	k.expect(out, going, KernelReasonPASS_ESTABLISHED)
	k.expect(out, packetOf(true, name4, tcp, 40001, 443, syn), KernelReasonDROP_NETWORK_POLICY)
	// Not even over the same ports; and asking does the first no harm.
	k.expect(out, first, KernelReasonDROP_NETWORK_POLICY)
	k.change(isolated)
	k.expect(out, going, KernelReasonPASS_ESTABLISHED)
	k.forget(policyEg, nameClass, webPort)
	k.change(isolated)
	k.expect(out, going, KernelReasonDROP_NETWORK_POLICY)
}

// TestNewGrantSavesConnection: what another name allows now goes on (N7).
func TestNewGrantSavesConnection(t *testing.T) {
	k := load(t)
	k.change(isolated)
	k.scene()
	k.row(policyEg, nameClass, webPort, allows(0))
	k.grant(name4, nameClass, never)
	k.run(out, between(out, name4, tcp, 443))
	k.forget(policyEg, nameClass, webPort)
	k.row(policyEg, nameClass+1, webPort, allows(0))
	k.grant(name4, nameClass+1, never)
	k.change(isolated)
	k.expect(out, packetOf(true, name4, tcp, 40000, 443, ack), KernelReasonPASS_ESTABLISHED)
}

// TestFragments: later fragments follow the verdict of the first (D3).
func TestFragments(t *testing.T) {
	question := slices.Concat(udpHeader(40000, 443), make([]byte, 1472))
	rest := make([]byte, 100)
	families := []struct {
		name        string
		first, last func(port uint16, id uint16) []byte
	}{
		{"IPv4", func(port, id uint16) []byte {
			first := slices.Concat(udpHeader(40000, port), question[8:])
			return v4(ip4(pod4, far4, udp, nil, first, fragment4(id, 0, true)))
		}, func(_, id uint16) []byte {
			return v4(ip4(pod4, far4, udp, nil, rest, fragment4(id, 1480, false)))
		}},
		{"IPv6", func(port, id uint16) []byte {
			first := slices.Concat(udpHeader(40000, port), question[8:])
			return v6(ip6(pod6, far6, fragmentHdr, fragment6(udp, uint32(id), 0, true, first)))
		}, func(_, id uint16) []byte {
			return v6(ip6(pod6, far6, fragmentHdr, fragment6(udp, uint32(id), 1480, false, rest)))
		}},
	}
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			k := allowOut(t)
			k.expect(out, f.first(443, 1), KernelReasonPASS_NETWORK_POLICY)
			k.expect(out, f.last(443, 1), KernelReasonPASS_FRAGMENT)
			k.expect(out, f.last(443, 2), KernelReasonDROP_FRAGMENT_UNKNOWN)
			k.expect(in, f.last(443, 1), KernelReasonDROP_FRAGMENT_UNKNOWN)
			k.expect(out, f.first(444, 3), KernelReasonDROP_NETWORK_POLICY)
			k.expect(out, f.last(444, 3), KernelReasonDROP_FRAGMENT_UNKNOWN)
			k.age(31)
			k.expect(out, f.last(443, 1), KernelReasonDROP_FRAGMENT_UNKNOWN)
		})
	}
}

// TestErrors: an ICMP error passes if it quotes a connection of the pod, and the
// address it is sent to is the pod's end of it (D4).
func TestErrors(t *testing.T) {
	asked4 := ip4(pod4, far4, udp, nil, udpHeader(40000, 443))
	asked6 := ip6(pod6, far6, udp, udpHeader(40000, 443))
	const router4, router6 = "192.0.2.1", "fd01::1"
	tooBig4 := func(to string, quoted []byte) []byte {
		return v4(ip4(router4, to, icmp, nil, slices.Concat(icmpHeader(3, 4), quoted)))
	}
	tooBig6 := func(to string, quoted []byte) []byte {
		return v6(ip6(router6, to, icmpv6, slices.Concat(icmpHeader(2, 0), quoted)))
	}
	cases := []struct {
		name  string
		frame []byte
		want  KernelReason
	}{
		{"about the connection, IPv4", tooBig4(pod4, asked4), KernelReasonPASS_RELATED},
		{"about the connection, IPv6", tooBig6(pod6, asked6), KernelReasonPASS_RELATED},
		{"cut short as routers do", tooBig4(pod4, asked4[:28]), KernelReasonPASS_RELATED},
		{"about another port", tooBig4(pod4, ip4(pod4, far4, udp, nil, udpHeader(40001, 443))),
			KernelReasonDROP_NETWORK_POLICY},
		{"about another peer", tooBig6(pod6, ip6(pod6, "fd09::8", udp, udpHeader(40000, 443))),
			KernelReasonDROP_NETWORK_POLICY},
		{"about the connection of another address", tooBig4("10.0.0.9", asked4), KernelReasonDROP_NETWORK_POLICY},
		{"without what it is about", tooBig4(pod4, nil), KernelReasonDROP_NETWORK_POLICY},
		{"about an error", tooBig4(pod4, ip4(pod4, far4, icmp, nil, icmpHeader(3, 1))),
			KernelReasonDROP_NETWORK_POLICY},
		{"a redirect is none of them", v4(ip4(router4, pod4, icmp, nil, slices.Concat(icmpHeader(5, 0), asked4))),
			KernelReasonDROP_NETWORK_POLICY},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := allowOut(t)
			k.expect(out, v4(asked4), KernelReasonPASS_NETWORK_POLICY)
			k.expect(out, v6(asked6), KernelReasonPASS_NETWORK_POLICY)
			k.expect(in, c.frame, c.want)
		})
	}
}

// TestErrorsFromPod: the pod may say that its port is closed to who was allowed
// to ask, and no more.
func TestErrorsFromPod(t *testing.T) {
	k := load(t)
	k.change(isolated)
	k.scene()
	k.row(policyIn, 0, webPort, allows(0))
	asked := ip4(far4, pod4, udp, nil, udpHeader(40000, 443))
	closed := v4(ip4(pod4, far4, icmp, nil, slices.Concat(icmpHeader(3, 3), asked)))
	k.expect(out, closed, KernelReasonDROP_NETWORK_POLICY)
	k.expect(in, v4(asked), KernelReasonPASS_NETWORK_POLICY)
	k.expect(out, closed, KernelReasonPASS_RELATED)
	elsewhere := v4(ip4(pod4, "203.0.113.8", icmp, nil, slices.Concat(icmpHeader(3, 3), asked)))
	k.expect(out, elsewhere, KernelReasonDROP_NETWORK_POLICY)
}

// TestOwnTable: state of one pod never helps another (D5): each slot has a table
// of its own.
func TestOwnTable(t *testing.T) {
	k := allowOut(t)
	k.expect(out, between(out, far4, tcp, 443), KernelReasonPASS_NETWORK_POLICY)
	k.pod(isolated) // as a successor on the same slot gets it
	k.expect(in, answer(out, far4, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
}
