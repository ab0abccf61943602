package bpf

import "testing"

// TestFragmentsAfterChange: a later fragment of a datagram that is no longer
// allowed is dropped, one of a datagram that still is passes (D6, D3).
func TestFragmentsAfterChange(t *testing.T) {
	type frames struct{ first, later []byte }
	body := make([]byte, 1400)
	to := func(protocol byte, payload []byte, id uint16) frames {
		return frames{
			v4(ip4(pod4, far4, protocol, nil, append(payload, body...), fragment4(id, 0, true))),
			v4(ip4(pod4, far4, protocol, nil, body, fragment4(id, 1480, false))),
		}
	}
	for _, c := range []struct {
		name string
		port uint64 // class of what the rule is for
		frames
	}{
		{"UDP", webPort, to(udp, udpHeader(40000, 443), 1)},
		{"echo", 0, to(icmp, echo(8, 7), 2)},
		{"a protocol without connections", 0, to(47, make([]byte, 8), 3)},
		{"UDP over IPv6", webPort, frames{
			v6(ip6(pod6, far6, fragmentHdr, fragment6(udp, 4, 0, true, append(udpHeader(40000, 443), body...)))),
			v6(ip6(pod6, far6, fragmentHdr, fragment6(udp, 4, 1480, false, body))),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := load(t)
			k.change(isolated)
			k.scene()
			k.row(policyEg, 0, c.port, allows(0))
			k.expect(out, c.first, KernelReasonPASS_NETWORK_POLICY)
			k.expect(out, c.later, KernelReasonPASS_FRAGMENT)
			k.change(isolated)
			k.expect(out, c.later, KernelReasonPASS_FRAGMENT)
			k.forget(policyEg, 0, c.port)
			k.change(isolated)
			k.expect(out, c.later, KernelReasonDROP_NETWORK_POLICY)
		})
	}
}

// TestFragmentsOfAnswerAfterChange: the answer's fragments go by the connection
// that it answers.
func TestFragmentsOfAnswerAfterChange(t *testing.T) {
	body := make([]byte, 1400)
	k := load(t)
	k.change(isolated)
	k.scene()
	k.row(policyEg, 0, webPort, allows(0))
	later := v4(ip4(far4, pod4, udp, nil, body, fragment4(9, 1480, false)))
	k.expect(out, between(out, far4, udp, 443), KernelReasonPASS_NETWORK_POLICY)
	k.expect(in, v4(ip4(far4, pod4, udp, nil, append(udpHeader(443, 40000), body...), fragment4(9, 0, true))), KernelReasonPASS_REPLY)
	k.change(isolated)
	k.expect(in, later, KernelReasonPASS_FRAGMENT)
	k.forget(policyEg, 0, webPort)
	k.change(isolated)
	k.expect(in, later, KernelReasonDROP_NETWORK_POLICY)
}
