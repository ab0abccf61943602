package bpf

import (
	"slices"
	"testing"
)

const (
	in  = KernelDirectionINGRESS
	out = KernelDirectionEGRESS
)

func accept(index uint32) uint32 { return index<<2 | uint32(KernelActionACTION_ACCEPT) }
func deny(index uint32) uint32   { return index<<2 | uint32(KernelActionACTION_DENY) }
func pass(index uint32) uint32   { return index<<2 | uint32(KernelActionACTION_PASS) }

// nothing is a row in which no tier speaks.
var nothing = row{noRule, noRule, noRule}

// says makes a row in which only the given parts speak.
func says(change func(r *row)) row {
	r := nothing
	change(&r)
	return r
}

func adminSays(precedence uint32) row {
	return says(func(r *row) { r[KernelTierTIER_ADMIN] = precedence })
}

func baselineSays(precedence uint32) row {
	return says(func(r *row) { r[KernelTierTIER_BASELINE] = precedence })
}

func allows(rule uint32) row {
	return says(func(r *row) { r[KernelTierTIER_NETWORK_POLICY] = accept(rule + 1) })
}

// both has what two rows say of different tiers.
func both(a, b row) row {
	for tier := range a {
		a[tier] = min(a[tier], b[tier])
	}
	return a
}

var (
	isolated   = named(stance(policyIn, policyEg, [2]uint8{1, 1}, false))
	free       = named(stance(policyIn, policyEg, [2]uint8{}, false))
	freeOpen   = named(stance(policyIn, policyEg, [2]uint8{}, true))
	noPolicy   = KernelEndpoint{}
	onlyInside = named(stance(policyIn, 0, [2]uint8{1, 0}, true))
)

// never is an expiry that no test lives to see.
const never = ^uint64(0) >> 1

// TestTiers proves the merge of what the tiers say (P2, P3, P5, P6, P7, P11),
// in each direction and family.
func TestTiers(t *testing.T) {
	type cell struct {
		class, port uint64
		says        row
	}
	cases := []struct {
		name  string
		pod   KernelEndpoint
		rows  []cell
		peer4 string
		peer6 string
		want  KernelReason
	}{
		{"without rules the default denies", noPolicy, nil, peer4, peer6, KernelReasonDROP_DEFAULT},
		{"a default of allow allows", freeOpen, nil, peer4, peer6, KernelReasonPASS_DEFAULT},
		{"an isolated pod is not asked for its default", isolated, nil, peer4, peer6, KernelReasonDROP_NETWORK_POLICY},
		{"a rule for every peer allows", isolated, []cell{{0, webPort, allows(0)}}, far4, far6,
			KernelReasonPASS_NETWORK_POLICY},
		{"a rule for the exact peer allows", isolated, []cell{{peerClass, webPort, allows(4)}}, peer4, peer6,
			KernelReasonPASS_NETWORK_POLICY},
		{"a rule for the prefix allows", isolated, []cell{{cidrClass, webPort, allows(0)}}, cidr4, cidr6,
			KernelReasonPASS_NETWORK_POLICY},
		{"a rule for another peer does not", isolated, []cell{{peerClass, webPort, allows(0)}}, cidr4, cidr6,
			KernelReasonDROP_NETWORK_POLICY},
		{"a rule for another port does not", isolated, []cell{{peerClass, webPort + 1, allows(0)}}, peer4, peer6,
			KernelReasonDROP_NETWORK_POLICY},
		{"a class with a row of its own is not every peer", isolated,
			[]cell{{0, webPort, allows(0)}, {peerClass, webPort, adminSays(deny(1))}}, peer4, peer6,
			KernelReasonDROP_ADMIN},
		{"a class without one is", isolated, []cell{{0, webPort, allows(0)}}, peer4, peer6,
			KernelReasonPASS_NETWORK_POLICY},
		{"Admin Accept needs no other tier", isolated, []cell{{peerClass, webPort, adminSays(accept(3))}}, peer4, peer6,
			KernelReasonPASS_ADMIN},
		{"Admin Deny beats an allowing policy", isolated, []cell{{peerClass, webPort, both(adminSays(deny(3)), allows(0))}}, peer4, peer6, KernelReasonDROP_ADMIN},
		{"Admin Pass leaves it to the isolated pod's policies", isolated,
			[]cell{{peerClass, webPort, adminSays(pass(3))}}, peer4, peer6, KernelReasonDROP_NETWORK_POLICY},
		{"Admin Pass leaves it to Baseline", free, []cell{{peerClass, webPort, both(adminSays(pass(3)), baselineSays(accept(1)))}}, peer4, peer6, KernelReasonPASS_BASELINE},
		{"Baseline is not asked about an isolated pod", isolated,
			[]cell{{peerClass, webPort, baselineSays(accept(1))}}, peer4, peer6, KernelReasonDROP_NETWORK_POLICY},
		{"Baseline Deny beats a default of allow", freeOpen,
			[]cell{{peerClass, webPort, baselineSays(deny(1))}}, peer4, peer6, KernelReasonDROP_BASELINE},
		{"Baseline Pass leaves it to the default", freeOpen,
			[]cell{{peerClass, webPort, baselineSays(pass(1))}}, peer4, peer6, KernelReasonPASS_DEFAULT},
		{"an action that nobody knows denies", free,
			[]cell{{peerClass, webPort, adminSays(3 << 2)}}, peer4, peer6, KernelReasonDROP_ADMIN},
		{"an action that nobody knows denies in Baseline too", freeOpen,
			[]cell{{peerClass, webPort, baselineSays(3 << 2)}}, peer4, peer6, KernelReasonDROP_BASELINE},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := load(t)
			k.change(c.pod)
			k.scene()
			for _, d := range []KernelDirection{out, in} {
				for _, r := range c.rows {
					k.row(c.pod.Stances[enforced].List[d-1][0], r.class, r.port, r.says)
				}
				for _, peer := range []string{c.peer4, c.peer6} {
					k.expect(d, between(d, peer, tcp, 443), c.want)
				}
			}
		})
	}
}

// scene gives the addresses of the fixture their classes and port 443 its own.
func (k *kernel) scene() {
	k.peer(peer4, KernelPeer{Class: peerClass})
	k.peer(peer6, KernelPeer{Class: peerClass})
	k.prefix("192.0.2.0/24", cidrClass)
	k.prefix("fd01::/16", cidrClass)
	k.port(tcp, 443, webPort)
	k.port(udp, 443, webPort)
	k.port(sctp, 443, webPort)
}

// between is the first packet of a connection to port, from the pod (out) or to
// it.
func between(d KernelDirection, peer string, protocol byte, port uint16) []byte {
	return packetOf(d == out, peer, protocol, 40000, port, syn)
}

// answer is the packet that comes back.
func answer(d KernelDirection, peer string, protocol byte, port uint16) []byte {
	return packetOf(d != out, peer, protocol, port, 40000, syn|ack)
}

func packetOf(leaves bool, peer string, protocol byte, from, to uint16, flags byte) []byte {
	var transport []byte
	switch protocol {
	case tcp:
		transport = tcpHeader(from, to, flags)
	case udp:
		transport = udpHeader(from, to)
	case sctp:
		transport = sctpHeader(from, to)
	}
	return ipBetween(leaves, peer, protocol, transport)
}

func ipBetween(leaves bool, peer string, protocol byte, payload []byte) []byte {
	pod, isSix := pod4, slices.Contains([]byte(peer), ':')
	if isSix {
		pod = pod6
	}
	source, destination := pod, peer
	if !leaves {
		source, destination = peer, pod
	}
	if isSix {
		return v6(ip6(source, destination, protocol, payload))
	}
	return v4(ip4(source, destination, protocol, nil, payload))
}

// TestIsolationIsPerDirection: a policy for ingress leaves egress alone (P6).
func TestIsolationIsPerDirection(t *testing.T) {
	k := load(t)
	k.change(onlyInside)
	k.scene()
	k.expect(in, between(in, peer4, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
	k.expect(out, between(out, peer4, tcp, 443), KernelReasonPASS_DEFAULT)
}

// TestFamiliesStayApart: an IPv6 prefix that covers the mapped form of IPv4
// speaks for no IPv4 address where 0.0.0.0/0 is there too (P11).
func TestFamiliesStayApart(t *testing.T) {
	k := load(t)
	k.change(isolated)
	k.prefix("::/0", cidrClass)
	k.prefix("0.0.0.0/0", 0)
	k.row(policyEg, cidrClass, 0, allows(0))
	k.expect(out, between(out, far6, tcp, 443), KernelReasonPASS_NETWORK_POLICY)
	k.expect(out, between(out, far4, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
}

// TestLocalNode: its own node reaches a pod over Admin Deny, for ingress only
// (P18).
func TestLocalNode(t *testing.T) {
	k := load(t)
	k.change(isolated)
	k.peer(node4, KernelPeer{Class: peerClass, Flags: 1})
	k.row(policyIn, peerClass, 0, adminSays(deny(1)))
	k.row(policyEg, peerClass, 0, adminSays(deny(1)))
	k.expect(in, between(in, node4, tcp, 443), KernelReasonPASS_LOCAL_NODE)
	k.expect(out, answer(in, node4, tcp, 443), KernelReasonPASS_REPLY)
	k.expect(out, between(out, node4, tcp, 443), KernelReasonDROP_ADMIN)
}

// TestSelf: a pod may reach its own address (P19), and no other passes as its
// own: a pod that can forge packets would write one address into both fields,
// and be past its policy. Nor does anybody who sends to the pod pass as itself.
func TestSelf(t *testing.T) {
	k := load(t)
	k.change(isolated)
	k.expect(out, between(out, pod4, tcp, 443), KernelReasonPASS_SELF)
	k.expect(out, between(out, pod6, udp, 443), KernelReasonPASS_SELF)
	k.expect(in, v6(ip6(pod6, pod6, udp, udpHeader(40000, 8443))), KernelReasonDROP_NETWORK_POLICY)
	k.expect(in, v4(ip4(pod4, pod4, tcp, nil, tcpHeader(40000, 8443, syn))), KernelReasonDROP_NETWORK_POLICY)
	for _, d := range []KernelDirection{out, in} {
		k.expect(d, v4(ip4(far4, far4, udp, nil, udpHeader(40000, 443))), KernelReasonDROP_NETWORK_POLICY)
		k.expect(d, v6(ip6(far6, far6, udp, udpHeader(40000, 443))), KernelReasonDROP_NETWORK_POLICY)
		k.expect(d, v6(ip6("::", "::", udp, udpHeader(40000, 443))), KernelReasonDROP_NETWORK_POLICY)
	}
	bare := isolated
	bare.Own = [2]KernelAddress{}
	k.bare(bare)
	k.expect(out, between(out, pod4, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
}

// TestPortClasses: the destination port decides, of the right protocol, in each
// direction; what has no ports matches rules without ports only (P9, P13).
func TestPortClasses(t *testing.T) {
	for _, protocol := range []byte{tcp, udp, sctp} {
		for _, d := range []KernelDirection{in, out} {
			k := load(t)
			k.change(isolated)
			k.port(protocol, 8443, webPort)
			k.row([]uint64{policyIn, policyEg}[d-1], 0, webPort, allows(0))
			k.expect(d, between(d, far4, protocol, 8443), KernelReasonPASS_NETWORK_POLICY)
			for _, other := range []byte{tcp, udp, sctp} {
				if other != protocol {
					k.expect(d, between(d, far4, other, 8443), KernelReasonDROP_NETWORK_POLICY)
				}
			}
			// The port stands on the wrong side.
			k.expect(d, packetOf(d == out, far4, protocol, 8443, 40000, syn), KernelReasonDROP_NETWORK_POLICY)
		}
	}
	k := load(t)
	k.change(isolated)
	k.port(tcp, 443, webPort)
	k.row(policyEg, 0, 0, allows(0))
	k.expect(out, ipBetween(true, far4, icmp, echo(8, 7)), KernelReasonPASS_NETWORK_POLICY)
	k.expect(out, ipBetween(true, far4, 47, make([]byte, 8)), KernelReasonPASS_NETWORK_POLICY)
	k.expect(out, between(out, far4, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
}
