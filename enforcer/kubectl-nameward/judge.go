package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/plugin/names"
)

// judge gives the verdict of the tables, and checks it against the rules.
func (c *cluster) judge(f policy.Flow, peer string) (judgement, error) {
	v := c.view(f.Pod.Node)
	decision := policy.Evaluate(v.world, inside(f))
	j := judgement{
		Verdict: verdictOf(decision.Verdict), Direction: f.Direction.String(),
		Pod: f.Pod.Ref.Namespace + "/" + f.Pod.Ref.Name, Node: f.Pod.Node,
		Peer: peer, Address: f.Peer.String(), Port: f.Port, reason: reason{Why: decision.Why},
	}
	if unpoliced(f) {
		return j, nil
	}
	q := v.query(f)
	enforced, err := q.settle(c, v.tables.Judge, decision, v.compiled.IsolatedBy)
	if err != nil {
		return j, err
	}
	onTrial, err := q.settle(c, v.tables.Audit, policy.EvaluateAudit(v.world, f), v.compiled.AuditIsolatedBy)
	if err != nil {
		return j, err
	}
	j.Verdict, j.reason = enforced.verdict, enforced.reason
	if enforced.verdict == allow && onTrial.verdict == deny {
		j.WouldDeny = &onTrial.reason
	}
	if len(f.Names) > 0 {
		j.Patterns = &q.patterns
		j.Lockdown = c.lockdown(q)
		j.Terms = termsOf(v.tables.Endpoints[q.pod], q.patterns)
	}
	return j, nil
}

// lockdown says who keeps the pod from asking for the flow's name.
func (c *cluster) lockdown(q *query) *lockdown {
	on := q.view.tables.Endpoints[q.pod].Lockdown
	if on == policy.LockdownOff || len(q.patterns) > 0 {
		return nil
	}
	out := &lockdown{Audit: on == policy.LockdownAudit}
	for _, ref := range q.view.compiled.LockedBy(q.flow.Pod) {
		out.By = append(out.By, c.policy(ref))
	}
	return out
}

// unpoliced flows never get to the tables: those of pods that are no endpoints
// (P16, P17), and those of a pod to itself (P19).
func unpoliced(f policy.Flow) bool {
	return f.Pod.HostNetwork || f.Pod.Finished || slices.Contains(f.Pod.Addresses, f.Peer)
}

// inside sees a pod's connection to itself as it is: it goes out and never comes
// in. What does come in with the pod's own address was sent by somebody else.
func inside(f policy.Flow) policy.Flow {
	if slices.Contains(f.Pod.Addresses, f.Peer) {
		f.Direction = policy.Egress
	}
	return f
}

// query is a flow as the tables are asked about it.
type query struct {
	view *view
	flow policy.Flow
	pod  policy.EndpointID
	// patterns of the pod's rules admit the flow's name, and class is what
	// they make of its address: the name is taken for resolved by the pod.
	patterns []string
	class    policy.ClassID
	// targets are what is behind the flow's peer, if it is a Service.
	targets policy.Targets
}

func (v *view) query(f policy.Flow) *query {
	q := &query{view: v, flow: f, pod: policy.EndpointOf(f.Pod.Ref.UID)}
	q.patterns = matching(v.tables.Endpoints[q.pod].Patterns, f.Names)
	q.class = v.compiled.NameClass(q.patterns)
	maps.Copy(v.tables.NameRows, v.compiled.NameRows(q.pod, q.patterns))
	if f.Direction == policy.Egress {
		q.targets, _ = v.tables.Services.Get(policy.ServiceKey{Addr: f.Peer, Protocol: f.Protocol, Port: f.Port})
	}
	return q
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

// settled is a verdict that tables and rules agree on.
type settled struct {
	verdict verdict
	reason  reason
}

// settle looks the flow up as the kernel does, and compares with what the
// rules say.
func (q *query) settle(
	c *cluster,
	judge func(policy.EndpointID, policy.Direction, netip.Addr, uint8, uint16, policy.ClassID) policy.Ruling,
	decision policy.Decision,
	isolatedBy func(policy.EndpointID, policy.Direction) []policy.PolicyRef,
) (settled, error) {
	f := q.flow
	r := ruling{Ruling: judge(q.pod, f.Direction, f.Peer, f.Protocol, f.Port, q.class)}
	if r.Rule {
		var ok bool
		if r.rule, ok = q.view.compiled.Explain(r.List, r.Index); !ok {
			return settled{}, &disagreement{f, fmt.Sprintf("the tables name rule %d of the %s tier, which is none", r.Index, r.Tier)}
		}
	} else if r.Tier == policy.TierNetworkPolicy {
		r.isolatedBy = isolatedBy(q.pod, f.Direction)
	}
	if q.targets.Count > policy.MaxTargets {
		// The one case in which the tables know less than the rules, and deny.
		return settled{deny, reason{Why: fmt.Sprintf("the Service leads to more than %d kinds of backends that policies tell apart, and is closed", policy.MaxTargets)}}, nil
	}
	if err := agree(f, r, decision, q.targets.Count > 0); err != nil {
		return settled{}, err
	}
	return settled{verdictOf(r.Verdict), c.reason(f, r, decision)}, nil
}

// ruling is what the tables say of a flow, and what is behind it.
type ruling struct {
	policy.Ruling
	rule policy.RuleRef // zero where no rule decided
	// isolatedBy is set where the NetworkPolicy tier denied without a rule.
	isolatedBy []policy.PolicyRef
}

// reason tells of a ruling. The sentence is that of the decision, where both
// are about the same rule.
func (c *cluster) reason(f policy.Flow, r ruling, d policy.Decision) reason {
	out := reason{Why: d.Why}
	if r.Tier != policy.TierUnknown {
		out.Tier = r.Tier.String()
	}
	for _, ref := range r.isolatedBy {
		out.IsolatedBy = append(out.IsolatedBy, c.policy(ref))
	}
	if r.Rule {
		place := c.policy(r.rule.Policy)
		out.Policy, out.Rule, out.RuleIndex = &place, r.rule.Rule(), &r.rule.Index
	}
	if r.Tier != d.Tier || r.rule.Policy != d.Policy || out.Rule != d.Rule {
		out.Why = r.sentence(f.Direction) + ", because of one of the backends of the Service"
	}
	return out
}

// sentence is for where the tables name another backend than the rules do.
func (r ruling) sentence(d policy.Direction) string {
	switch {
	case r.Rule && r.Verdict == policy.Allow:
		return fmt.Sprintf("%s accepts it in the %s tier", r.rule, r.Tier)
	case r.Rule:
		return fmt.Sprintf("%s denies it in the %s tier", r.rule, r.Tier)
	case r.Tier == policy.TierNetworkPolicy:
		var by []string
		for _, ref := range r.isolatedBy {
			by = append(by, ref.String())
		}
		return fmt.Sprintf("the pod is isolated for %s by %s, and no rule allows it", d, strings.Join(by, ", "))
	}
	return fmt.Sprintf("no rule decides, and the node default is %s", r.Verdict)
}

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

// agree compares the tables with the rules read one after another. Of several
// backends of a Service, each may speak of another.
func agree(f policy.Flow, r ruling, d policy.Decision, service bool) error {
	if r.Verdict != d.Verdict || r.Tier != d.Tier && !service {
		return &disagreement{f, fmt.Sprintf("the compiled tables say %s in tier %s, but the rules say %s in tier %s", r.Verdict, r.Tier, d.Verdict, d.Tier)}
	}
	rule := ""
	if r.Rule {
		rule = r.rule.Rule()
	}
	if r.rule.Closed || !service && (rule != d.Rule || r.rule.Policy != d.Policy) {
		return &disagreement{f, fmt.Sprintf("the compiled tables decide by %q of %q, but the rules by %q of %q", rule, r.rule.Policy, d.Rule, d.Policy)}
	}
	return nil
}
