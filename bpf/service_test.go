package bpf

import (
	"math/bits"
	"testing"
)

const service4, service6 = "10.96.0.7", "fd09::7"

// service makes the address one of Services, with tcp port leading to backends
// of these kinds.
func (k *kernel) service(addr string, port uint16, of ...KernelCell) {
	k.tb.Helper()
	value := KernelService{Count: uint64(len(of))}
	copy(value.Of[:], of)
	key := KernelServiceKey{Address: address(addr), Port: bits.ReverseBytes16(port), Protocol: tcp}
	must(k.tb, k.Services.Put(key, value))
	k.peer(addr, KernelPeer{Class: cidrClass, Flags: 2})
}

// TestServices judges a Service by its backends and by its own address, in
// every tier (P22).
func TestServices(t *testing.T) {
	const other, target = 0x2003, 0x4002
	one, two := KernelCell{Class: peerClass, Port: target}, KernelCell{Class: other, Port: target}
	type cell struct {
		class, port uint64
		says        row
	}
	for _, c := range []struct {
		name    string
		pod     KernelEndpoint
		targets []KernelCell
		rows    []cell
		want    KernelReason
	}{
		{"a rule for the backends allows", isolated, []KernelCell{one}, []cell{{peerClass, target, allows(0)}},
			KernelReasonPASS_NETWORK_POLICY},
		{"a rule for the backends on the Service's port does not", isolated, []KernelCell{one},
			[]cell{{peerClass, webPort, allows(0)}}, KernelReasonDROP_NETWORK_POLICY},
		{"a rule for the Service's own address and port allows", isolated, []KernelCell{one, two},
			[]cell{{cidrClass, webPort, allows(0)}}, KernelReasonPASS_NETWORK_POLICY},
		{"a rule for its address on the target port does not", isolated, []KernelCell{one},
			[]cell{{cidrClass, target, allows(0)}}, KernelReasonDROP_NETWORK_POLICY},
		{"one of two kinds of backends is not enough", isolated, []KernelCell{one, two},
			[]cell{{peerClass, target, allows(0)}}, KernelReasonDROP_NETWORK_POLICY},
		{"both are", isolated, []KernelCell{one, two},
			[]cell{{peerClass, target, allows(0)}, {other, target, allows(1)}}, KernelReasonPASS_NETWORK_POLICY},
		{"each may be allowed by another tier", isolated, []KernelCell{one, two},
			[]cell{{peerClass, target, adminSays(accept(1))}, {other, target, allows(1)}}, KernelReasonPASS_ADMIN},
		{"one denied by the Admin tier closes", isolated, []KernelCell{one, two},
			[]cell{{0, target, allows(0)}, {other, target, adminSays(deny(1))}}, KernelReasonDROP_ADMIN},
		{"an earlier rule for the Service's address opens", isolated, []KernelCell{one, two},
			[]cell{{cidrClass, webPort, adminSays(accept(1))}, {other, target, adminSays(deny(2))}}, KernelReasonPASS_ADMIN},
		{"a later one does not", isolated, []KernelCell{one, two},
			[]cell{{cidrClass, webPort, adminSays(accept(3))}, {other, target, adminSays(deny(2))}}, KernelReasonDROP_ADMIN},
		{"a rule for every peer on the target port allows", isolated, []KernelCell{one, two},
			[]cell{{0, target, allows(0)}}, KernelReasonPASS_NETWORK_POLICY},
		{"Baseline denies a backend of a pod that nothing isolates", freeOpen, []KernelCell{one, two},
			[]cell{{other, target, baselineSays(deny(1))}}, KernelReasonDROP_BASELINE},
		{"without a word the default decides", freeOpen, []KernelCell{one, two}, nil, KernelReasonPASS_DEFAULT},
		{"too many kinds of backends are closed", freeOpen, make([]KernelCell, 17), nil, KernelReasonDROP_SERVICE},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := load(t)
			k.change(c.pod)
			k.scene()
			for _, r := range c.rows {
				k.row(policyEg, r.class, r.port, r.says)
			}
			for _, addr := range []string{service4, service6} {
				k.service(addr, 443, c.targets...)
				k.expect(out, between(out, addr, tcp, 443), c.want)
			}
		})
	}
}

// TestServiceLimits: what is no port of the Service, and all that comes in, is
// judged by the address alone (P22).
func TestServiceLimits(t *testing.T) {
	k := load(t)
	k.change(isolated)
	k.scene()
	k.row(policyEg, peerClass, webPort, allows(0))
	k.row(policyIn, peerClass, webPort, allows(0))
	k.service(service4, 443, KernelCell{Class: peerClass, Port: webPort})
	k.expect(out, between(out, service4, tcp, 443), KernelReasonPASS_NETWORK_POLICY)
	k.expect(out, between(out, service4, udp, 443), KernelReasonDROP_NETWORK_POLICY)
	k.expect(out, between(out, service4, tcp, 444), KernelReasonDROP_NETWORK_POLICY)
	k.expect(out, ipBetween(true, service4, icmp, echo(8, 7)), KernelReasonDROP_NETWORK_POLICY)
	k.expect(in, between(in, service4, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
}
