// Package convert turns the objects of the five policy sources into the one
// rule model of package policy, and Services into what is behind them (P22).
// It knows what the fields of each API mean, what is malformed (SEMANTICS P8
// to P15) and how to say so. It must not know where objects come from, nor
// decide what a malformed rule does: it keeps such rules, with the reason, and
// package policy closes them.
package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
)

// report gathers what is wrong with one object while it is converted.
type report struct {
	ref policy.PolicyRef
	// unclear are the paths of what the text of the object had and its Go type
	// cannot tell; see NetworkPolicy.
	unclear  []string
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

// absent are fields of a peer that an API server demands. The Go types hold an
// empty selector instead, which selects more than anybody wrote.
var absent = map[string]string{
	"pods.podSelector":       "no podSelector; write one, {} for all pods",
	"pods.namespaceSelector": "no namespaceSelector; write one, {} for all namespaces",
}

// unclearIn tells of what is unclear in the item field, which may hold the
// fields known: what is left of the item means more than its author wrote.
func (r *report) unclearIn(field, known string) (where, reason string) {
	for _, path := range r.unclear {
		if path == field {
			return path, fmt.Sprintf("an item that is null; write one of %s, or remove it", known)
		}
		inside, ok := strings.CutPrefix(path, field+".")
		switch {
		case !ok:
			continue
		case strings.HasSuffix(inside, "]"):
			return path, "an item that is null; write a value, or remove it"
		case absent[inside] != "":
			return path, absent[inside]
		case slices.Contains(strings.Split(known, ", "), inside):
			return path, fmt.Sprintf("a number of more than 32 bits; write 1 to %d", lastPort)
		case strings.Contains(inside, "."):
			return path, fmt.Sprintf("unknown field %q; check its spelling", inside)
		}
		return path, fmt.Sprintf("unknown field %q; this version knows %s", inside, known)
	}
	return "", ""
}

// nullRule gives, for a rule that is null, one that nobody understands. An
// empty rule would be taken for one about everybody.
func (r *report) nullRule(field string, action policy.Action) (rule policy.Rule, is bool) {
	if !slices.Contains(r.unclear, field) {
		return policy.Rule{}, false
	}
	peer := r.malformedPeer(field, "a rule that is null; write one, or remove it")
	return policy.Rule{Action: action, AllPorts: true, Peers: []policy.Peerage{peer}}, true
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
