// Package convert turns the objects of the five policy sources into the one
// rule model of package policy, and Services into what is behind them (P22).
// It knows what the fields of each API mean, what is malformed (SEMANTICS P8
// to P15) and how to say so. It must not know where objects come from, nor
// decide what a malformed rule does: it keeps such rules, with the reason, and
// package policy closes them.
package convert

import (
	"fmt"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
)

// report gathers what is wrong with one object while it is converted.
type report struct {
	ref policy.PolicyRef
	// unknown are the paths of fields that the object had and its Go type
	// has not.
	unknown  []string
	problems []policy.Problem
}

func (r *report) tell(field, reason string) {
	r.problems = append(r.problems, policy.Problem{Policy: r.ref, Field: field, Reason: reason})
}

func (r *report) malformedPeer(field, reason string) policy.Peerage {
	r.tell(field, reason)
	return policy.Peerage{Malformed: reason}
}

func (r *report) malformedPort(field, reason string) policy.Port {
	r.tell(field, reason)
	return policy.Port{Malformed: reason}
}

// unknownIn tells of an unknown field below field, as a newer API may have
// one: what is left of the item then means more than its author wrote.
func (r *report) unknownIn(field, known string) (where, reason string) {
	for _, path := range r.unknown {
		inside, ok := strings.CutPrefix(path, field+".")
		if !ok {
			continue
		}
		if strings.Contains(inside, ".") {
			return path, fmt.Sprintf("unknown field %q; check its spelling", inside)
		}
		return path, fmt.Sprintf("unknown field %q; this version knows %s", inside, known)
	}
	return "", ""
}

// harden makes a policy safe of which it is not known whom it selects, or in
// which tier: it then speaks of more pods than its author meant, so what it
// denies stays denied, and it neither allows nor passes anything.
func harden(p *policy.Policy, reason string) {
	for _, section := range []*policy.Section{p.Ingress, p.Egress} {
		if section == nil {
			continue
		}
		for i := range section.Rules {
			rule := &section.Rules[i]
			switch rule.Action {
			case policy.ActionAccept:
				rule.AllPeers = false
				rule.Peers = []policy.Peerage{{Malformed: reason}}
			case policy.ActionPass:
				rule.Action = policy.ActionDeny
			}
		}
	}
}

// section gives nil where a cluster policy has no rules, which then does not
// touch that direction (P3).
func section(rules []policy.Rule) *policy.Section {
	if len(rules) == 0 {
		return nil
	}
	return &policy.Section{Rules: rules}
}
