package bpf

import (
	"testing"
)

// TestNames: a grant opens for the port classes of its rules, in every tier,
// and what came first still decides (P3, N2, N5).
func TestNames(t *testing.T) {
	cases := []struct {
		name    string
		pod     KernelEndpoint
		address row // what the rules say of every peer
		byName  row
		class   uint64 // of the grant
		expires uint64
		want    KernelReason
	}{
		{"a name rule of the NetworkPolicy tier allows", isolated, nothing, allows(2), nameClass,
			never, KernelReasonPASS_NETWORK_POLICY_NAME},
		{"a name rule of the Admin tier accepts", isolated, nothing, adminSays(accept(2)), nameClass,
			never, KernelReasonPASS_ADMIN_NAME},
		{"a name rule of the Baseline tier accepts", free, nothing, baselineSays(accept(2)),
			nameClass, never, KernelReasonPASS_BASELINE_NAME},
		{"an Admin name rule is told apart where both tiers allow", isolated, nothing,
			both(adminSays(accept(2)), allows(0)), nameClass, never,
			KernelReasonPASS_ADMIN_NAME},
		{"a NetworkPolicy name does not help a pod that is not isolated", free, nothing, allows(2),
			nameClass, never, KernelReasonDROP_DEFAULT},
		{"an earlier Deny beats the name", isolated, adminSays(deny(1)), adminSays(accept(2)), nameClass, never,
			KernelReasonDROP_ADMIN},
		{"a later Deny does not", isolated, adminSays(deny(3)), adminSays(accept(2)), nameClass, never,
			KernelReasonPASS_ADMIN_NAME},
		{"an earlier Baseline Deny beats the name", free, baselineSays(deny(1)), baselineSays(accept(2)), nameClass,
			never, KernelReasonDROP_BASELINE},
		{"Admin Deny beats a name of the NetworkPolicy tier", isolated, adminSays(deny(1)), allows(0), nameClass,
			never, KernelReasonDROP_ADMIN},
		{"a grant of another class has no rows", isolated, nothing, allows(2), nameClass + 1, never,
			KernelReasonDROP_NETWORK_POLICY},
		{"an expired grant opens nothing, with nobody to remove it", isolated, nothing, allows(2),
			nameClass, 1, KernelReasonDROP_NETWORK_POLICY},
		{"a grant does not fall back to the rules for every peer", free, baselineSays(deny(4)),
			nothing, nameClass, never, KernelReasonDROP_BASELINE},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			pods := []KernelEndpoint{c.pod}
			if c.address[KernelTierTIER_ADMIN] == noRule && c.byName[KernelTierTIER_ADMIN] == noRule {
				// The short cut for pods without Admin rules
				// changes nothing but the cost.
				short := c.pod
				short.Stances[enforced].List[out-1][KernelTierTIER_ADMIN] = 0
				pods = append(pods, short)
			}
			for _, pod := range pods {
				k := load(t)
				k.change(pod)
				k.scene()
				k.row(policyEg, 0, webPort, c.address)
				k.row(policyEg, nameClass, webPort, c.byName)
				for _, peer := range []string{name4, name6} {
					k.grant(peer, c.class, c.expires)
					k.expect(out, between(out, peer, tcp, 443), c.want)
				}
			}
		})
	}
}

// TestNameIsForEgressOnly: an address learnt by name may not connect in.
func TestNameIsForEgressOnly(t *testing.T) {
	k := load(t)
	k.change(isolated)
	k.scene()
	k.row(policyIn, nameClass, webPort, allows(0))
	k.grant(name4, nameClass, never)
	k.expect(in, between(in, name4, tcp, 443), KernelReasonDROP_NETWORK_POLICY)
}
