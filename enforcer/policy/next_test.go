package policy

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// D6, D7: where policies alone change, and pods are the very same, what is built
// upon the tables of before is what is built anew, again and again.
func TestNextOfPoliciesIsCompile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := drawWorld(t)
		built := Compile(from)
		for range count(t, "changes", 1, 4) {
			to := *from
			to.Policies = changePolicies(t, from.Policies)
			built = built.Next(&to)
			same(t, built, Compile(&to))
			from = &to
		}
	})
}

// P3, P6: a policy that is gone decides nothing any more, and one that comes
// back decides as before, also where only it has changed.
func TestPolicyThatGoes(t *testing.T) {
	for _, c := range []struct {
		sentence string
		policy   Policy
	}{
		{"of the Admin tier", cluster(TierAdmin, 1, "cnp", deny())},
		{"of the NetworkPolicy tier", network("np")},
		{"of the Baseline tier", cluster(TierBaseline, 1, "cnp", deny())},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			with := scene(cluster(TierAdmin, 9, "other", accept(block("192.0.2.1/32"))), c.policy)
			without := *with
			without.Policies = slices.Clone(with.Policies[:1])
			f := packet{peer: "8.8.8.8", port: 80}.flow(t, with)
			built := Compile(with)
			for _, step := range []struct {
				when string
				w    *World
				want Verdict
			}{{"gone", &without, Allow}, {"back", with, Deny}, {"gone again", &without, Allow}} {
				built = built.Next(step.w)
				if got := judge(built, EndpointOf("web"), f); got.Verdict != step.want {
					t.Errorf("%s: got %+v, want %v", step.when, got, step.want)
				}
			}
		})
	}
}
