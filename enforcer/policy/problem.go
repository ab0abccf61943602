package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem says why a part of a policy is closed instead of doing what its
// author wrote (P15). Values are comparable, so that one found twice can be
// told once.
type Problem struct {
	Policy PolicyRef
	// Field is a path inside the object, such as spec.egress[2].to[0].
	Field  string
	Reason string
}

func (p Problem) String() string {
	if p.Field == "" {
		return fmt.Sprintf("%s: %s", p.Policy, p.Reason)
	}
	return fmt.Sprintf("%s: %s: %s", p.Policy, p.Field, p.Reason)
}

// String is kind and name as kubectl spells them, with the group where the
// kind alone would be ambiguous.
func (r PolicyRef) String() string {
	var b strings.Builder
	b.WriteString(r.Kind)
	if r.Group != "" && r.Group != "networking.k8s.io" {
		b.WriteString("." + r.Group)
	}
	b.WriteByte(' ')
	if r.Namespace != "" {
		b.WriteString(r.Namespace + "/")
	}
	b.WriteString(r.Name)
	return b.String()
}

func comparePolicyRefs(a, b PolicyRef) int {
	return cmp.Or(
		strings.Compare(a.Group, b.Group),
		strings.Compare(a.Kind, b.Kind),
		strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Name, b.Name),
	)
}

func sortProblems(problems []Problem) []Problem {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(
			comparePolicyRefs(a.Policy, b.Policy),
			strings.Compare(a.Field, b.Field),
			strings.Compare(a.Reason, b.Reason),
		)
	})
	return slices.Compact(problems)
}

// RuleRef names one rule of one object to people.
type RuleRef struct {
	Policy    PolicyRef
	Direction Direction
	// Index is the rule's position inside the object, from 0.
	Index int
	// Name is what the author called the rule, or "".
	Name string
	// ImpliedDNS marks the allowance of cluster DNS that a rule with domain
	// names brings with it (N8); Index and Name are then that rule's.
	ImpliedDNS bool
	// Closed marks a denial that no rule asked for: two sets share a content
	// hash (see ClosedIndex). The other fields are then empty.
	Closed bool
}

// Rule is the rule's name, or its position where it has none.
func (r RuleRef) Rule() string {
	if r.Closed {
		return "closed: hash collision"
	}
	rule := r.Name
	if rule == "" {
		rule = fmt.Sprintf("%s[%d]", r.Direction, r.Index)
	}
	if r.ImpliedDNS {
		rule += " (implied: cluster DNS)"
	}
	return rule
}

func (r RuleRef) String() string {
	if r.Closed {
		return r.Rule()
	}
	return fmt.Sprintf("%s rule %s", r.Policy, r.Rule())
}

func comparePodRefs(a, b PodRef) int {
	return cmp.Or(
		strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.UID, b.UID),
	)
}
