package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
)

// S2: an answer is given only where the tables and the rules agree, down to the
// rule; of a Service's backends, each may tell of another.
func TestAgreement(t *testing.T) {
	object := policy.PolicyRef{Group: "networking.k8s.io", Kind: "NetworkPolicy", Namespace: "app", Name: "web"}
	rule := func(index int) policy.RuleRef {
		return policy.RuleRef{Policy: object, Direction: policy.Egress, Index: index}
	}
	tables := func(v policy.Verdict, tier policy.Tier, ref policy.RuleRef) ruling {
		return ruling{Ruling: policy.Ruling{Verdict: v, Tier: tier, Rule: ref != policy.RuleRef{}}, rule: ref}
	}
	rules := func(v policy.Verdict, tier policy.Tier, ref policy.RuleRef) policy.Decision {
		d := policy.Decision{Verdict: v, Tier: tier, Policy: ref.Policy}
		if ref != (policy.RuleRef{}) {
			d.Rule = ref.Rule()
		}
		return d
	}
	none := policy.RuleRef{}
	for _, test := range []struct {
		sentence string
		tables   ruling
		rules    policy.Decision
		service  bool
		want     string // "" is agreement
	}{
		{"the same rule of the same tier is agreement",
			tables(policy.Deny, policy.TierAdmin, rule(1)), rules(policy.Deny, policy.TierAdmin, rule(1)), false, ""},
		{"another verdict is a defect",
			tables(policy.Allow, policy.TierAdmin, rule(1)), rules(policy.Deny, policy.TierAdmin, rule(1)), false, "say allow in tier admin, but the rules say deny"},
		{"another tier is a defect",
			tables(policy.Deny, policy.TierBaseline, rule(1)), rules(policy.Deny, policy.TierAdmin, rule(1)), false, "say deny in tier baseline"},
		{"another rule is a defect",
			tables(policy.Deny, policy.TierAdmin, rule(1)), rules(policy.Deny, policy.TierAdmin, rule(2)), false, "decide by"},
		{"a rule of the tables alone is a defect",
			tables(policy.Deny, policy.TierNetworkPolicy, rule(1)), rules(policy.Deny, policy.TierNetworkPolicy, none), false, "decide by"},
		{"a rule of the reading alone is a defect",
			tables(policy.Deny, policy.TierNetworkPolicy, none), rules(policy.Deny, policy.TierNetworkPolicy, rule(1)), false, "decide by"},
		{"a collision of hashes is a defect to report",
			tables(policy.Deny, policy.TierAdmin, policy.RuleRef{Closed: true}), rules(policy.Deny, policy.TierAdmin, none), false, "decide by"},
		{"of a Service, another backend may be told of",
			tables(policy.Deny, policy.TierAdmin, rule(1)), rules(policy.Deny, policy.TierDefault, none), true, ""},
		{"of a Service, another verdict is a defect all the same",
			tables(policy.Allow, policy.TierAdmin, rule(1)), rules(policy.Deny, policy.TierDefault, none), true, "say allow in tier admin"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			flow := policy.Flow{Direction: policy.Egress, Pod: &policy.Pod{}, Peer: netip.MustParseAddr("192.0.2.1")}
			got := ""
			if err := agree(flow, test.tables, test.rules, test.service); err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// S2: a difference ends the program with a code of its own and asks for a
// report, wherever it is noticed.
func TestDisagreementIsADefect(t *testing.T) {
	var stderr strings.Builder
	difference := &disagreement{policy.Flow{Pod: &policy.Pod{Ref: policy.PodRef{Namespace: "app", Name: "web"}}}, "the compiled tables say this"}
	got := conclude(rootCommand(), &stderr, fmt.Errorf("tests.yaml:3: %w", difference))
	if got != exitDefect {
		t.Errorf("exit code: got %d, want %d", got, exitDefect)
	}
	for _, want := range []string{"internal error", "tests.yaml:3", "app/web", "please report this"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("got %q, want %q in it", stderr.String(), want)
		}
	}
}
