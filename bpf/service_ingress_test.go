package bpf

import "testing"

// TestServiceIsNoCaller: a Service's address is looked behind on the way out
// alone. Who writes it, and a service port, as the source of a packet gets in by
// no rule for the backends (P22).
func TestServiceIsNoCaller(t *testing.T) {
	for _, addr := range []string{service4, service6} {
		k := load(t)
		k.change(isolated)
		k.scene()
		k.service(addr, 40000, KernelCell{Class: peerClass, Port: webPort}) // between calls from there
		k.row(policyIn, peerClass, webPort, allows(0))
		k.expect(in, between(in, addr, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
		k.row(policyIn, cidrClass, webPort, allows(1))
		k.expect(in, between(in, addr, tcp, 443), KernelReasonPASS_NETWORK_POLICY)
	}
}
