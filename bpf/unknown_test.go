package bpf

import "testing"

// strangers are who is at interfaces of no known pod.
func strangers(open bool) KernelEndpoint {
	return KernelEndpoint{Unknown: 1, Stances: [2]KernelStance{stance(0, 0, [2]uint8{}, open)}}
}

// D9, P18, D4: who is not known yet reaches nobody. What the link needs passes, and
// so do the node and answers to it; nothing that opens a connection does.
func TestUnknownPod(t *testing.T) {
	arp := ethernet(etherARP, make([]byte, 28))
	question := v6(ip6("fe80::1", "ff02::1", icmpv6, icmpHeader(135, 0), hopLimit(255)))
	k := load(t)
	k.change(strangers(false))
	k.peer(node4, KernelPeer{Class: peerClass, Flags: 1})
	for _, c := range []struct {
		sentence  string
		direction KernelDirection
		frame     []byte
		want      KernelReason
	}{
		{"it calls somebody", out, between(out, far4, tcp, 443), KernelReasonDROP_UNKNOWN_POD},
		{"it calls somebody over IPv6", out, between(out, far6, udp, 53), KernelReasonDROP_UNKNOWN_POD},
		{"somebody calls it", in, between(in, peer4, tcp, 80), KernelReasonDROP_UNKNOWN_POD},
		{"it is in the midst of a connection", out, packetOf(true, far4, tcp, 40000, 443, ack), KernelReasonDROP_UNKNOWN_POD},
		{"it sends to itself", out, between(out, pod4, tcp, 443), KernelReasonDROP_UNKNOWN_POD},
		{"its node calls it", in, between(in, node4, tcp, 80), KernelReasonPASS_LOCAL_NODE},
		{"it accepts the call", out, answer(in, node4, tcp, 80), KernelReasonPASS_LOCAL_NODE},
		{"it goes on answering", out, packetOf(true, node4, tcp, 80, 40000, ack), KernelReasonPASS_LOCAL_NODE},
		{"it refuses the call", out, packetOf(true, node4, tcp, 80, 40000, rst|ack), KernelReasonPASS_LOCAL_NODE},
		{"it calls its node", out, between(out, node4, tcp, 10250), KernelReasonDROP_UNKNOWN_POD},
		{"it calls its node in an odd way", out, packetOf(true, node4, tcp, 40000, 10250, syn|fin), KernelReasonDROP_UNKNOWN_POD},
		{"it sends its node what may be an answer or a question", out, between(out, node4, udp, 53), KernelReasonDROP_UNKNOWN_POD},
		{"its node pings it", in, ipBetween(false, node4, icmp, echo(8, 7)), KernelReasonPASS_LOCAL_NODE},
		{"it answers the ping", out, ipBetween(true, node4, icmp, echo(0, 7)), KernelReasonPASS_LOCAL_NODE},
		{"it pings its node", out, ipBetween(true, node4, icmp, echo(8, 7)), KernelReasonDROP_UNKNOWN_POD},
		{"the rest of a datagram to its node, whatever it be", out,
			v4(ip4(pod4, node4, tcp, nil, make([]byte, 40), fragment4(9, 1480, false))), KernelReasonDROP_UNKNOWN_POD},
		{"it resolves an address", out, arp, KernelReasonPASS_ARP},
		{"it looks for a neighbour", out, question, KernelReasonPASS_NEIGHBOUR},
		{"a header is cut short", out, between(out, far4, tcp, 443)[:40], KernelReasonDROP_TRUNCATED},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			k.tb = t
			k.expect(c.direction, c.frame, c.want)
		})
	}
}

// D9, D5: a posture that opens lets pass what the default lets pass, and
// remembers nothing of it for whoever is at the next such interface.
func TestUnknownPodUnderAnOpenPosture(t *testing.T) {
	k := load(t)
	k.change(strangers(true))
	k.expect(out, between(out, far4, udp, 443), KernelReasonPASS_DEFAULT)
	k.expect(in, between(in, peer6, tcp, 80), KernelReasonPASS_DEFAULT)
	k.change(strangers(false))
	k.expect(in, answer(out, far4, udp, 443), KernelReasonDROP_UNKNOWN_POD)
}
