package policy

import "testing"

// P9, P13: numbers, ranges, whole protocols, and rules without ports.
func TestPorts(t *testing.T) {
	w := scene(
		network("np",
			accept(block("192.0.2.1/32")).on(tcp(80), tcp(82), tcpRange(8000, 8010), tcpRange(8005, 9000), udp(53)),
			accept(block("192.0.2.2/32")).on(Port{Protocol: protocolSCTP, Last: 65535}),
			accept(block("192.0.2.3/32")),
			accept().on(tcp(443)),
		),
	)
	judgeAll(t, w, []packet{
		{sentence: "P9 a number matches", peer: "192.0.2.1", port: 80, want: Allow, tier: TierNetworkPolicy},
		{sentence: "P9 one between two numbers does not", peer: "192.0.2.1", port: 81, want: Deny, tier: TierNetworkPolicy},
		{sentence: "P9 the first port of a range matches", peer: "192.0.2.1", port: 8000, want: Allow, tier: TierNetworkPolicy},
		{sentence: "P9 the last port of an overlapping range matches", peer: "192.0.2.1", port: 9000, want: Allow, tier: TierNetworkPolicy},
		{sentence: "P9 the port behind it does not", peer: "192.0.2.1", port: 9001, want: Deny, tier: TierNetworkPolicy},
		{sentence: "P9 the same number of another protocol does not match", peer: "192.0.2.1", protocol: protocolUDP, port: 80, want: Deny, tier: TierNetworkPolicy},
		{sentence: "P9 UDP matches", peer: "192.0.2.1", protocol: protocolUDP, port: 53, want: Allow, tier: TierNetworkPolicy},
		{sentence: "P13 ICMP does not match a rule with ports", peer: "192.0.2.1", protocol: 1, want: Deny, tier: TierNetworkPolicy},
		{sentence: "P9 a whole protocol matches its port 0", peer: "192.0.2.2", protocol: protocolSCTP, want: Allow, tier: TierNetworkPolicy},
		{sentence: "P9 a whole protocol matches its last port", peer: "192.0.2.2", protocol: protocolSCTP, port: 65535, want: Allow, tier: TierNetworkPolicy},
		{sentence: "P9 a whole protocol is no other", peer: "192.0.2.2", port: 1, want: Deny, tier: TierNetworkPolicy},
		{sentence: "P13 no ports means ICMP too", peer: "192.0.2.3", protocol: 1, want: Allow, tier: TierNetworkPolicy},
		{sentence: "P13 no peers means everybody", peer: "2001:db8::1", port: 443, want: Allow, tier: TierNetworkPolicy},
		{sentence: "P13 but on these ports only", peer: "2001:db8::1", port: 444, want: Deny, tier: TierNetworkPolicy},
	})
}

// P13: a section without rules denies everything, and only in its direction.
func TestNoRules(t *testing.T) {
	w := scene(inward(network("np")))
	judgeAll(t, w, []packet{
		{sentence: "ingress without rules denies", direction: Ingress, peer: "10.0.0.2", want: Deny, tier: TierNetworkPolicy},
		{sentence: "egress is not touched", peer: "10.0.0.2", want: Allow, tier: TierDefault},
	})
}

// P10: ingress named ports are those of the selected pod.
func TestNamedPortsIngress(t *testing.T) {
	w := scene(inward(network("np",
		accept(podsOf("", "")).on(namedPort("http")),
		accept(block("203.0.113.0/24")).on(Port{Name: "dns", Protocol: protocolUDP}),
		accept().on(namedPort("missing")),
	)))
	judgeAll(t, w, []packet{
		{sentence: "the number of the selected pod matches", direction: Ingress, peer: "10.0.1.1", port: 8080, want: Allow, tier: TierNetworkPolicy},
		{sentence: "that of the client does not", direction: Ingress, peer: "10.0.1.1", port: 7070, want: Deny, tier: TierNetworkPolicy},
		{sentence: "a CIDR may reach a named port of the pod", direction: Ingress, peer: "203.0.113.9", protocol: protocolUDP, port: 53, want: Allow, tier: TierNetworkPolicy},
		{sentence: "not on the protocol that the rule does not name", direction: Ingress, peer: "203.0.113.9", port: 53, want: Deny, tier: TierNetworkPolicy},
		{sentence: "an unresolved name matches nothing but isolates", direction: Ingress, peer: "8.8.8.8", port: 80, want: Deny, tier: TierNetworkPolicy},
	})
	w.Pods[1].Node = "n1"
	judgeAll(t, w, []packet{
		{sentence: "another selected pod has its own number", pod: "db", direction: Ingress, peer: "10.0.1.1", port: 9090, want: Allow, tier: TierNetworkPolicy},
		{sentence: "and not the first one's", pod: "db", direction: Ingress, peer: "10.0.1.1", port: 8080, want: Deny, tier: TierNetworkPolicy},
	})
}

// P10: egress named ports are those of each peer pod, as pairs.
func TestNamedPortsEgress(t *testing.T) {
	w := scene(network("np",
		accept(podsOf("", "app in (db,probe)"), block("203.0.113.0/24"), nodes(""), name("example.com")).on(namedPort("http")),
	))
	judgeAll(t, w, []packet{
		{sentence: "a peer pod's own number matches", peer: "10.0.0.2", port: 9090, want: Allow, tier: TierNetworkPolicy},
		{sentence: "on its IPv6 address too", peer: "fd00::2", port: 9090, want: Allow, tier: TierNetworkPolicy},
		{sentence: "another pod's number does not: no cross product", peer: "10.0.0.2", port: 7070, want: Deny, tier: TierNetworkPolicy},
		{sentence: "that pod has it", peer: "10.0.1.1", port: 7070, want: Allow, tier: TierNetworkPolicy},
		{sentence: "the number on another protocol does not match", peer: "10.0.0.2", protocol: protocolUDP, port: 9090, want: Deny, tier: TierNetworkPolicy},
		{sentence: "a named port never matches a CIDR", peer: "203.0.113.9", port: 9090, want: Deny, tier: TierNetworkPolicy},
		{sentence: "nor a node", peer: "192.168.0.2", port: 9090, want: Deny, tier: TierNetworkPolicy},
		{sentence: "nor a name", peer: "8.8.8.8", port: 9090, names: []string{"example.com"}, want: Deny, tier: TierNetworkPolicy},
	})
	w = scene(cluster(TierAdmin, 0, "cnp", deny().on(namedPort("dns"))))
	w.Pods[1].Ports = []NamedPort{{"dns", protocolUDP, 5353}, {"dns", protocolTCP, 5300}}
	judgeAll(t, w, []packet{
		{sentence: "without a protocol the container port's counts", peer: "10.0.0.2", protocol: protocolUDP, port: 5353, want: Deny, tier: TierAdmin},
		{sentence: "for each port of that name", peer: "10.0.0.2", port: 5300, want: Deny, tier: TierAdmin},
		{sentence: "and not crosswise", peer: "10.0.0.2", protocol: protocolUDP, port: 5300, want: Allow, tier: TierDefault},
		{sentence: "no peers means every pod that has the port, not every address", peer: "8.8.8.8", port: 5300, want: Allow, tier: TierDefault},
	})
}
