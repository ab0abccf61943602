package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/plugin/names"
)

// ruling is what the tables say of a flow, and the rule behind it.
type ruling struct {
	policy.Ruling
	rule policy.RuleRef // zero where no rule decided
	// isolatedBy is set where the NetworkPolicy tier denied without a rule.
	isolatedBy []policy.PolicyRef
	// patterns of the pod's rules admit the flow's name.
	patterns []string
}

// judge gives the verdict of the tables, and checks it against the rules.
func (c *cluster) judge(f policy.Flow, peer string) (judgement, error) {
	v := c.view(f.Pod.Node)
	decision := policy.Evaluate(v.world, f)
	j := judgement{
		Verdict: verdictOf(decision.Verdict), Direction: f.Direction.String(),
		Pod: f.Pod.Ref.Namespace + "/" + f.Pod.Ref.Name, Node: f.Pod.Node,
		Peer: peer, Address: f.Peer.String(), Port: f.Port, Why: decision.Why,
	}
	if unpoliced(f) {
		return j, nil
	}
	r, err := v.ask(f)
	if err != nil {
		return j, err
	}
	if err := agree(f, r, decision); err != nil {
		return j, err
	}
	j.Verdict = verdictOf(r.Verdict)
	if r.Tier != policy.TierUnknown {
		j.Tier = r.Tier.String()
	}
	if len(f.Names) > 0 {
		j.Patterns = &r.patterns
	}
	for _, ref := range r.isolatedBy {
		j.IsolatedBy = append(j.IsolatedBy, c.policy(ref))
	}
	if r.Rule {
		place := c.policy(r.rule.Policy)
		j.Policy, j.Rule, j.RuleIndex = &place, r.rule.Rule(), &r.rule.Index
		if j.Rule != decision.Rule || r.rule.Policy != decision.Policy {
			j.Why = fmt.Sprintf("%s accepts it in the %s tier", r.rule, r.Tier)
		}
	}
	return j, nil
}

// unpoliced flows never get to the tables: those of pods that are no endpoints
// (P16, P17), and those of a pod to itself (P19).
func unpoliced(f policy.Flow) bool {
	return f.Pod.HostNetwork || f.Pod.Finished || slices.Contains(f.Pod.Addresses, f.Peer)
}

// ask looks the flow up as the kernel does. The name is taken for resolved by
// the pod, so that the address has the grants of all patterns it matches.
func (v *view) ask(f policy.Flow) (ruling, error) {
	ep := policy.EndpointOf(f.Pod.Ref.UID)
	r := ruling{patterns: matching(v.compiled.Tables.Endpoints[ep].Patterns, f.Names)}
	v.addRows(v.compiled.NameRows(ep, r.patterns))
	r.Ruling = v.tables.Judge(ep, f.Direction, f.Peer, f.Protocol, f.Port, v.compiled.NameClass(r.patterns))
	if r.Rule {
		ref, ok := v.compiled.Explain(r.Policy, r.Tier, r.Index)
		if !ok {
			return r, &disagreement{f, fmt.Sprintf("the tables name rule %d of the %s tier, which is none", r.Index, r.Tier)}
		}
		r.rule = ref
	} else if r.Tier == policy.TierNetworkPolicy {
		r.isolatedBy = v.compiled.IsolatedBy(ep, f.Direction)
	}
	return r, nil
}

func matching(patterns, asked []string) []string {
	found := []string{}
	for _, text := range patterns {
		pattern, err := names.Parse(text)
		if err == nil && slices.ContainsFunc(asked, pattern.Matches) {
			found = append(found, text)
		}
	}
	return found
}

// withOwnRows copies what addRows changes: Compiled is for others to read.
func withOwnRows(t *policy.Tables) policy.Tables {
	own := *t
	own.Rows = maps.Clone(t.Rows)
	return own
}

func (v *view) addRows(rows map[policy.RowKey]policy.Row) { maps.Copy(v.tables.Rows, rows) }

// disagreement is a defect: what is compiled is not what the rules say.
type disagreement struct {
	flow policy.Flow
	what string
}

func (d *disagreement) Error() string {
	f := &d.flow
	return fmt.Sprintf("%s; %s of %s/%s, peer %s, protocol %d, port %d, names %v; please report this with the manifests",
		d.what, f.Direction, f.Pod.Ref.Namespace, f.Pod.Ref.Name, f.Peer, f.Protocol, f.Port, f.Names)
}

// agree compares the tables with the rules read one after another.
func agree(f policy.Flow, r ruling, d policy.Decision) error {
	if r.Verdict != d.Verdict || r.Tier != d.Tier {
		return &disagreement{f, fmt.Sprintf("the compiled tables say %s in tier %s, but the rules say %s in tier %s", r.Verdict, r.Tier, d.Verdict, d.Tier)}
	}
	// With a grant, any rule of the union may be the one that is named.
	if r.Tier == policy.TierNetworkPolicy && len(f.Names) > 0 {
		return nil
	}
	if r.rule.Closed || r.Rule && (r.rule.Policy != d.Policy || r.rule.Rule() != d.Rule) || !r.Rule && d.Rule != "" {
		return &disagreement{f, fmt.Sprintf("the compiled tables decide by %q, but the rules by %q of %s", r.rule, d.Rule, d.Policy)}
	}
	return nil
}
