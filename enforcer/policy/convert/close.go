package convert

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
)

// ofRule is a place in a rule, a rule, or all rules of a direction.
var ofRule = regexp.MustCompile(`^spec\.(ingress|egress)(?:\[(\d+)\])?`)

// Close closes what of a policy could not be read at all (P15), for each fault
// that decode.Salvage has found: the rule that it is in, or, where it is in no
// rule, every rule. Where the fault is in what the policy selects, or the whole
// of it, the policy concerns all pods that it may have meant. It gives the
// problems of the policy, those that Salvage has caused taken out.
func Close(p *policy.Policy, problems []policy.Problem, faults []Fault) []policy.Problem {
	for _, f := range faults {
		where := f.Field
		if rule := ofRule.FindStringSubmatch(f.Field); rule != nil {
			where = rule[0]
			closeRule(p, rule[1], rule[2], f.Reason)
		} else {
			harden(p, "the policy is not understood")
			where = topOf(f.Field)
			broaden(p, f.Field)
		}
		problems = slices.DeleteFunc(problems, func(told policy.Problem) bool { return inside(told.Field, where) })
	}
	for _, f := range faults {
		reason := f.Reason + "; until this is right, the rule allows nothing"
		if !ofRule.MatchString(f.Field) {
			reason = f.Reason + "; until this is right, what the policy denies stays denied and it allows nothing"
		}
		problems = append(problems, policy.Problem{Policy: p.Ref, Field: f.Field, Reason: reason})
	}
	return problems
}

// closeRule makes a rule malformed: package policy closes it by its action.
func closeRule(p *policy.Policy, direction, index, reason string) {
	section := p.Ingress
	if direction == "egress" {
		section = p.Egress
	}
	i, _ := strconv.Atoi(index) // none is the first
	if section == nil || i >= len(section.Rules) {
		return
	}
	rule := &section.Rules[i]
	rule.AllPeers, rule.Peers = false, []policy.Peerage{{Malformed: reason}}
	rule.AllPorts, rule.Ports = true, nil
}

// broaden makes the policy concern what a field that nobody could read may have
// said.
func broaden(p *policy.Policy, field string) {
	whole := field == "" || field == "spec"
	if whole || inside(field, "spec.subject") || inside(field, "spec.podSelector") {
		p.Subject = policy.PodSelector{Namespace: p.Ref.Namespace}
	}
	if p.Tier == policy.TierNetworkPolicy && (whole || inside(field, "spec.policyTypes")) {
		for _, section := range []**policy.Section{&p.Ingress, &p.Egress} {
			if *section == nil {
				*section = &policy.Section{}
			}
		}
	}
}

// topOf is the field of the spec that a field is in.
func topOf(field string) string {
	top, found := strings.CutPrefix(field, "spec.")
	if !found {
		return "spec"
	}
	end := strings.IndexAny(top, ".[")
	if end < 0 {
		return field
	}
	return "spec." + top[:end]
}

func inside(field, where string) bool {
	rest, is := strings.CutPrefix(field, where)
	return is && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
