package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Flow is a new connection, or a packet of no known one, as its pod sees it.
type Flow struct {
	Direction Direction
	Pod       *Pod
	Peer      netip.Addr
	// Protocol is an IANA number; Port the destination port, 0 where the
	// protocol has none.
	Protocol uint8
	Port     uint16
	// Names are the canonical names for which the pod has a live grant for
	// Peer.
	Names []string
}

// Decision says what happens to a Flow and which rule of whom wants it so.
type Decision struct {
	Verdict Verdict
	// Tier decided; TierUnknown is a flow that no policy can touch.
	Tier Tier
	// Policy and Rule are empty where no rule decided.
	Policy PolicyRef
	Rule   string
	// Why is a sentence for people.
	Why string
}

// Evaluate decides by reading the rules one after another, as the policy APIs
// describe it. It shares nothing with the compiler but what is malformed, so
// that each can be tested against the other. What is on trial does not count.
func Evaluate(w *World, f Flow) Decision { return evaluate(w, f, false) }

// EvaluateAudit is Evaluate with everything in force that is on trial (P23).
func EvaluateAudit(w *World, f Flow) Decision { return evaluate(w, f, true) }

func evaluate(w *World, f Flow, audit bool) Decision { return Decisions(w, f, audit)[0] }

// Decisions gives all that may be said of a Flow; Evaluate, or EvaluateAudit
// where audit is set, gives the first. It is one, but where the peer is a
// Service: then one for each backend that is denied, or where none is for each
// that is allowed. Any of them is a reason for the verdict, and a decision of
// another tier is none.
func Decisions(w *World, f Flow, audit bool) []Decision {
	v := view{world: w, flow: f, audit: audit}
	v.flow.Peer = plain(f.Peer)
	if d, untouched := v.untouched(); untouched {
		return []Decision{d}
	}
	backends := v.backends()
	if len(backends) == 0 {
		return []Decision{v.decide()}
	}
	// Which backend it will be is not known yet: all must be allowed (P22).
	var allowed, denied []Decision
	for _, b := range backends {
		v.backend = &Flow{
			Direction: f.Direction, Pod: f.Pod, Peer: plain(b.Addr), Protocol: f.Protocol, Port: b.Port,
		}
		d := v.decide()
		if d.Verdict == Allow {
			allowed = append(allowed, d)
			continue
		}
		d.Why = fmt.Sprintf("%s (the Service may lead to %s port %d)", d.Why, b.Addr, b.Port)
		denied = append(denied, d)
	}
	if len(denied) > 0 {
		return denied
	}
	return allowed
}

// backends gives those of the Service port that the flow goes to.
func (v *view) backends() []Backend {
	f := &v.flow
	var found []Backend
	for _, s := range v.world.Services {
		if f.Direction != Egress || !holds(s.Addresses, f.Peer) {
			continue
		}
		for _, port := range s.Ports {
			if port.Protocol != f.Protocol || port.Port != f.Port {
				continue
			}
			for _, b := range port.Backends {
				if plain(b.Addr).Is4() == f.Peer.Is4() {
					found = append(found, b)
				}
			}
		}
	}
	return found
}

func (v *view) decide() Decision {
	admin, admitted := v.first(TierAdmin)
	if admitted && admin.action != ActionPass {
		return admin.decision(TierAdmin)
	}
	if by := v.isolating(); len(by) > 0 {
		return v.network(by)
	}
	passed := ""
	if baseline, found := v.first(TierBaseline); found && baseline.action != ActionPass {
		return baseline.decision(TierBaseline)
	} else if found {
		passed = fmt.Sprintf("%s passes the decision on; ", baseline.ref())
	}
	verdict := Deny
	if v.world.Default == Allow || !v.audit && v.defaultOnTrial() {
		verdict = Allow
	}
	return Decision{
		Verdict: verdict, Tier: TierDefault,
		Why: fmt.Sprintf("%sno rule decides, and the node default is %s", passed, verdict),
	}
}

// defaultOnTrial says whether the node default only reports (P23).
func (v *view) defaultOnTrial() bool {
	return v.world.AuditDefault || v.world.AuditNamespaces[v.flow.Pod.Ref.Namespace]
}

// view is one flow in one World.
type view struct {
	world *World
	flow  Flow
	// backend is the flow as it is behind a Service, nil where it goes to none.
	backend *Flow
	// audit counts what is on trial.
	audit bool
}

// untouched finds the flows that no policy can touch.
func (v *view) untouched() (Decision, bool) {
	f := &v.flow
	switch {
	case f.Pod == nil || f.Pod.HostNetwork:
		return Decision{Verdict: Allow, Why: "pods on the host network are not policed"}, true
	case f.Pod.Finished:
		return Decision{Verdict: Allow, Why: "the pod has finished"}, true
	case f.Direction == Egress && holds(f.Pod.Addresses, f.Peer):
		return Decision{Verdict: Allow, Why: "a pod's traffic to itself is not policed"}, true
	case f.Direction == Ingress && holds(v.world.LocalAddresses, f.Peer):
		return Decision{Verdict: Allow, Why: "a pod's own node may always reach it"}, true
	}
	return Decision{}, false
}

func holds(all []netip.Addr, a netip.Addr) bool {
	return slices.ContainsFunc(all, func(b netip.Addr) bool { return plain(b) == a })
}

// hit is a rule that matches.
type hit struct {
	policy    *Policy
	direction Direction
	index     int
	action    Action
	// implied is the allowance of cluster DNS that the rule brings (N8).
	implied bool
	// closed says why the rule denies everything, if it does (P15).
	closed string
}

func (h *hit) ref() RuleRef {
	return RuleRef{
		Policy: h.policy.Ref, Direction: h.direction, Index: h.index,
		Name: h.policy.section(h.direction).Rules[h.index].Name, ImpliedDNS: h.implied,
	}
}

func (h *hit) decision(t Tier) Decision {
	d := Decision{Verdict: Deny, Tier: t, Policy: h.policy.Ref, Rule: h.ref().Rule()}
	switch {
	case h.action == ActionAccept:
		d.Verdict = Allow
		d.Why = fmt.Sprintf("%s accepts it in the %s tier", h.ref(), t)
	case h.closed != "":
		d.Why = fmt.Sprintf("%s denies everything, because it is malformed: %s", h.ref(), h.closed)
	default:
		d.Why = fmt.Sprintf("%s denies it in the %s tier", h.ref(), t)
	}
	return d
}

// first gives the rule of an Admin or Baseline tier that is tried first among
// those that match.
func (v *view) first(t Tier) (hit, bool) {
	var best hit
	found := false
	for i := range v.world.Policies {
		p := v.world.Policies[i]
		known := p.Tier == TierNetworkPolicy || p.Tier == TierBaseline
		if p.Tier != t && (known || t != TierAdmin) || !v.isSubject(p) {
			continue
		}
		for _, h := range v.hits(p) {
			if !found || v.tries(&h, &best) < 0 {
				best, found = h, true
			}
		}
	}
	return best, found
}

// tries is negative if a is tried before b (P3, P4).
func (v *view) tries(a, b *hit) int {
	if a.policy.Priority != b.policy.Priority {
		return cmp.Compare(a.policy.Priority, b.policy.Priority)
	}
	name := strings.Compare(a.policy.Ref.Name, b.policy.Ref.Name)
	if a.policy.AWS != b.policy.AWS {
		if a.policy.AWS {
			return -1
		}
		return 1
	}
	if a.policy.AWS && v.world.AWSRuleOrder == DenyFirst {
		order := []Action{ActionDeny, ActionAccept, ActionPass}
		if a.action != b.action {
			return slices.Index(order, a.action) - slices.Index(order, b.action)
		}
		if a.index != b.index {
			return a.index - b.index
		}
	}
	if name != 0 {
		return name
	}
	if a.index != b.index {
		return a.index - b.index
	}
	if a.implied {
		return 1
	}
	return -1
}

// isolating gives the policies that isolate the pod in this direction (P6).
func (v *view) isolating() []*Policy {
	var by []*Policy
	for i := range v.world.Policies {
		p := v.world.Policies[i]
		if p.Tier == TierNetworkPolicy && p.section(v.flow.Direction) != nil && v.isSubject(p) {
			by = append(by, p)
		}
	}
	slices.SortFunc(by, func(a, b *Policy) int { return comparePolicyRefs(a.Ref, b.Ref) })
	return by
}

// network is the union of the policies' rules, finally (P6).
func (v *view) network(by []*Policy) Decision {
	var refs []string
	for _, p := range by {
		for _, h := range v.hits(p) {
			return h.decision(TierNetworkPolicy)
		}
		refs = append(refs, p.Ref.String())
	}
	return Decision{
		Verdict: Deny, Tier: TierNetworkPolicy,
		Why: fmt.Sprintf("the pod is isolated for %s by %s, and no rule allows it", v.flow.Direction, strings.Join(refs, ", ")),
	}
}

func (v *view) isSubject(p *Policy) bool {
	return (v.audit || !p.Audit) && v.selected(&p.Subject, v.flow.Pod)
}
