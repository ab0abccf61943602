package bpf

import (
	"slices"
	"testing"
)

// TestPolicyChangeOfIngress: who opened a connection decides under which policy
// it is judged again, whoever sends the next packet (D6).
func TestPolicyChangeOfIngress(t *testing.T) {
	const newPolicy = 0x5001
	moved := named(stance(newPolicy, policyEg, [2]uint8{1, 1}, false))
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
			for _, answersFirst := range []bool{false, true} {
				k := load(t)
				k.change(isolated)
				k.scene()
				k.row(policyIn, 0, webPort, allows(0))
				// What the pod may open itself must make no difference.
				k.row(policyEg, 0, 0, adminSays(deny(9)))
				k.expect(in, between(in, far4, tcp, 443), KernelReasonPASS_NETWORK_POLICY)
				k.expect(out, answer(in, far4, tcp, 443), KernelReasonPASS_REPLY)
				k.row(newPolicy, 0, webPort, c.rule)
				k.change(moved)
				if answersFirst {
					want := c.want
					if want.Passes() {
						want = KernelReasonPASS_REPLY
					}
					k.expect(out, packetOf(true, far4, tcp, 443, 40000, ack), want)
					continue
				}
				k.expect(in, packetOf(false, far4, tcp, 40000, 443, ack), c.want)
			}
		})
	}
}

// TestEveryProtocolIsJudgedAgain: a change cuts exchanges without connections as
// well, echo included (D5, D6).
func TestEveryProtocolIsJudgedAgain(t *testing.T) {
	for _, c := range []struct {
		name        string
		ask, answer []byte
	}{
		{"UDP", packetOf(true, far4, udp, 40000, 443, 0), packetOf(false, far4, udp, 443, 40000, 0)},
		{"SCTP", packetOf(true, far6, sctp, 40000, 443, 0), packetOf(false, far6, sctp, 443, 40000, 0)},
		{"echo", ipBetween(true, far4, icmp, echo(8, 7)), ipBetween(false, far4, icmp, echo(0, 7))},
		{"echo over IPv6", ipBetween(true, far6, icmpv6, echo(128, 7)), ipBetween(false, far6, icmpv6, echo(129, 7))},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := load(t)
			k.change(isolated)
			k.row(policyEg, 0, 0, allows(0))
			k.expect(out, c.ask, KernelReasonPASS_NETWORK_POLICY)
			k.expect(in, c.answer, KernelReasonPASS_REPLY)
			k.change(isolated)
			k.expect(in, c.answer, KernelReasonPASS_REPLY)
			k.forget(policyEg, 0, 0)
			k.change(isolated)
			k.expect(in, c.answer, KernelReasonDROP_NETWORK_POLICY)
			k.expect(out, c.ask, KernelReasonDROP_NETWORK_POLICY)
		})
	}
}

// TestErrorsAfterAChange: an error about a connection that the policy allows no
// more is none, and one about a connection that it still allows is (D4, D6).
func TestErrorsAfterAChange(t *testing.T) {
	asked := ip4(pod4, far4, udp, nil, udpHeader(40000, 443))
	tooBig := v4(ip4("192.0.2.1", pod4, icmp, nil, slices.Concat(icmpHeader(3, 4), asked)))
	k := allowOut(t)
	k.expect(out, v4(asked), KernelReasonPASS_NETWORK_POLICY)
	k.change(isolated)
	k.expect(in, tooBig, KernelReasonPASS_RELATED)
	k.forget(policyEg, 0, webPort)
	k.change(isolated)
	k.expect(in, tooBig, KernelReasonDROP_NETWORK_POLICY)
}

// TestErrorsOfTCP: eight bytes of what is quoted are enough to know it by
// (RFC 792), of TCP too, which path MTU discovery lives by (D4).
func TestErrorsOfTCP(t *testing.T) {
	k := allowOut(t)
	k.expect(out, between(out, far4, tcp, 443), KernelReasonPASS_NETWORK_POLICY)
	k.expect(out, between(out, far6, tcp, 443), KernelReasonPASS_NETWORK_POLICY)
	quoted4 := ip4(pod4, far4, tcp, nil, tcpHeader(40000, 443, ack))[:28]
	quoted6 := ip6(pod6, far6, tcp, tcpHeader(40000, 443, ack))[:48]
	k.expect(in, v4(ip4("192.0.2.1", pod4, icmp, nil, slices.Concat(icmpHeader(3, 4), quoted4))), KernelReasonPASS_RELATED)
	k.expect(in, v6(ip6("fd01::1", pod6, icmpv6, slices.Concat(icmpHeader(2, 0), quoted6))), KernelReasonPASS_RELATED)
	for _, kind := range []byte{4, 11, 12} {
		k.expect(in, v4(ip4("192.0.2.1", pod4, icmp, nil, slices.Concat(icmpHeader(kind, 0), quoted4))), KernelReasonPASS_RELATED)
	}
	for _, kind := range []byte{1, 3, 4} {
		k.expect(in, v6(ip6("fd01::1", pod6, icmpv6, slices.Concat(icmpHeader(kind, 0), quoted6))), KernelReasonPASS_RELATED)
	}
}

// TestBusyConnectionsStay: idle times count from the last packet of either side
// (D5).
func TestBusyConnectionsStay(t *testing.T) {
	going := packetOf(true, far4, udp, 40000, 443, 0)
	coming := packetOf(false, far4, udp, 443, 40000, 0)
	k := allowOut(t)
	k.expect(out, going, KernelReasonPASS_NETWORK_POLICY)
	k.expect(in, coming, KernelReasonPASS_REPLY)
	k.forget(policyEg, 0, webPort)
	for range 3 {
		k.age(100)
		k.expect(out, going, KernelReasonPASS_ESTABLISHED)
		k.age(100)
		k.expect(in, coming, KernelReasonPASS_REPLY)
	}
	k.age(181)
	k.expect(in, coming, KernelReasonDROP_NETWORK_POLICY)
}

// TestNoStateOfNamelessPackets: what has no ports to be told apart by is judged
// packet by packet, so that none speaks for another; nor does a reset (D5).
func TestNoStateOfNamelessPackets(t *testing.T) {
	const gre = 47
	k := load(t)
	k.change(isolated)
	k.row(policyEg, 0, 0, allows(0))
	body := make([]byte, 8)
	k.expect(out, ipBetween(true, far4, gre, body), KernelReasonPASS_NETWORK_POLICY)
	k.expect(out, ipBetween(true, far4, gre, body), KernelReasonPASS_NETWORK_POLICY)
	k.expect(in, ipBetween(false, far4, gre, body), KernelReasonDROP_NETWORK_POLICY)
	k.expect(out, packetOf(true, far4, tcp, 40000, 443, rst), KernelReasonPASS_NETWORK_POLICY)
	k.expect(in, packetOf(false, far4, tcp, 443, 40000, ack), KernelReasonDROP_NETWORK_POLICY)
}
