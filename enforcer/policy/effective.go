package policy

import (
	"cmp"
	"slices"
	"strings"
)

// tierList is the rules of one tier as they apply to a pod, in the order in
// which they are tried. Pods share one where they have the same rules.
type tierList struct {
	digest digest
	rules  []*rule
}

// effective is all that decides for a pod in one direction, the default aside.
// A list is nil where the tier has no rules.
type effective struct{ admin, network, baseline *tierList }

// rulebook is the policies of a World, in the order in which they are tried.
type rulebook struct {
	census   *census
	resolver resolver
	policies []*Policy // in order of reference
	drafts   map[draftKey][]*draft
	ordered  map[orderKey][]*draft
	lists    map[digest]*tierList
	problems map[*Policy][]Problem
}

type draftKey struct {
	policy    *Policy
	direction Direction
}

type orderKey struct {
	tier      Tier
	direction Direction
}

// newRulebook takes over from before, which may be nil, what its policies and
// its census have in common with it.
func newRulebook(w *World, c *census, before *rulebook, ch *change) *rulebook {
	b := &rulebook{
		census:   c,
		resolver: resolver{census: c, dns: w.ClusterDNS},
		policies: slices.Clone(w.Policies),
		drafts:   map[draftKey][]*draft{},
		ordered:  map[orderKey][]*draft{},
		lists:    map[digest]*tierList{},
		problems: make(map[*Policy][]Problem, len(w.Policies)),
	}
	slices.SortStableFunc(b.policies, func(x, y *Policy) int { return comparePolicyRefs(x.Ref, y.Ref) })
	if before != nil && before.census == c && !ch.policies.whole {
		b.inherit(before, ch)
	}
	for _, p := range b.policies {
		if _, ok := b.problems[p]; !ok {
			b.problems[p] = problemsOf(p)
		}
	}
	for _, d := range []Direction{Ingress, Egress} {
		for _, t := range []Tier{TierAdmin, TierBaseline} {
			if _, ok := b.ordered[orderKey{t, d}]; !ok {
				b.ordered[orderKey{t, d}] = b.order(t, d, w.AWSRuleOrder)
			}
		}
	}
	return b
}

// inherit takes over drafts and problems, and the order of tiers that are as
// they were.
func (b *rulebook) inherit(before *rulebook, ch *change) {
	b.drafts, b.problems = before.drafts, before.problems
	changed := map[Tier]bool{}
	for _, p := range ch.policies.gone {
		delete(b.problems, p)
		delete(b.drafts, draftKey{p, Ingress})
		delete(b.drafts, draftKey{p, Egress})
		changed[p.tier()] = true
	}
	for _, p := range ch.policies.come {
		changed[p.tier()] = true
	}
	for key, drafts := range before.ordered {
		if !changed[key.tier] && !ch.judging {
			b.ordered[key] = drafts
		}
	}
}

// namesPorts says whether a rule for egress has named ports.
func (b *rulebook) namesPorts() bool {
	for key, drafts := range b.drafts {
		if key.direction != Egress {
			continue
		}
		if slices.ContainsFunc(drafts, func(d *draft) bool { return len(d.named) > 0 }) {
			return true
		}
	}
	return false
}

// tier says where p is evaluated. An unknown tier comes first, so that what is
// left of its rules, which is denials, is not overruled (P15).
func (p *Policy) tier() Tier {
	if p.Tier == TierNetworkPolicy || p.Tier == TierBaseline {
		return p.Tier
	}
	return TierAdmin
}

func (b *rulebook) draftsOf(p *Policy, d Direction) []*draft {
	key := draftKey{p, d}
	found, ok := b.drafts[key]
	if ok || p.section(d) == nil {
		return found
	}
	for i := range p.section(d).Rules {
		if draft := newDraft(p, d, i); draft != nil {
			found = append(found, draft)
		}
	}
	b.drafts[key] = found
	return found
}

// order sorts all rules of an Admin or Baseline tier (P3, P4).
func (b *rulebook) order(t Tier, d Direction, awsOrder RuleOrder) []*draft {
	var all []*draft
	for _, p := range b.policies {
		if p.tier() == t {
			all = append(all, b.draftsOf(p, d)...)
		}
	}
	slices.SortStableFunc(all, func(x, y *draft) int { return compareDrafts(x, y, awsOrder) })
	return all
}

// compareDrafts puts the AWS kind before the upstream kind where they share a
// priority, since it sorts the rules of all its objects together: neither
// kind's objects are ever torn apart by the other's.
func compareDrafts(x, y *draft, awsOrder RuleOrder) int {
	if c := cmp.Compare(x.policy.Priority, y.policy.Priority); c != 0 {
		return c
	}
	if x.policy.AWS != y.policy.AWS {
		if x.policy.AWS {
			return -1
		}
		return 1
	}
	name := strings.Compare(x.ref.Policy.Name, y.ref.Policy.Name)
	index := cmp.Compare(x.ref.Index, y.ref.Index)
	if x.policy.AWS && awsOrder == DenyFirst {
		return cmp.Or(cmp.Compare(denyFirst(x.action), denyFirst(y.action)), index, name)
	}
	return cmp.Or(name, index)
}

func denyFirst(a Action) int {
	switch a {
	case ActionDeny:
		return 0
	case ActionAccept:
		return 1
	default:
		return 2
	}
}

// selection is the policies whose subject is one pod.
type selection struct {
	pod      *Pod
	policies []*Policy // in order of reference
	has      map[*Policy]bool
}

func (b *rulebook) selection(p *Pod) *selection {
	s := newSelection(p)
	for _, policy := range b.policies {
		if b.census.selects(&policy.Subject, p) {
			s.add(policy)
		}
	}
	return s
}

func newSelection(p *Pod) *selection { return &selection{pod: p, has: map[*Policy]bool{}} }

func (s *selection) add(p *Policy) {
	s.policies = append(s.policies, p)
	s.has[p] = true
}

func (s *selection) audited() bool {
	return slices.ContainsFunc(s.policies, func(p *Policy) bool { return p.Audit })
}

// enforced leaves out what is on trial (P23).
func (s *selection) enforced() *selection {
	if !s.audited() {
		return s
	}
	out := newSelection(s.pod)
	for _, p := range s.policies {
		if !p.Audit {
			out.add(p)
		}
	}
	return out
}

// isolating gives the policies that isolate the pod in that direction (P6).
func (s *selection) isolating(d Direction) []PolicyRef {
	var refs []PolicyRef
	for _, p := range s.policies {
		if p.Tier == TierNetworkPolicy && p.section(d) != nil {
			refs = append(refs, p.Ref)
		}
	}
	return refs
}

// effective compiles the rules that apply to the pod in that direction.
func (b *rulebook) effective(s *selection, d Direction) *effective {
	var network []*draft
	for _, p := range s.policies {
		if p.Tier == TierNetworkPolicy {
			network = append(network, b.draftsOf(p, d)...)
		}
	}
	return &effective{
		admin:    b.list(s, TierAdmin, b.ordered[orderKey{TierAdmin, d}]),
		network:  b.list(s, TierNetworkPolicy, network),
		baseline: b.list(s, TierBaseline, b.ordered[orderKey{TierBaseline, d}]),
	}
}

func (b *rulebook) list(s *selection, t Tier, drafts []*draft) *tierList {
	list := &tierList{}
	sum := newRendering("tier").number(int(t))
	for _, d := range drafts {
		if !s.has[d.policy] {
			continue
		}
		for _, r := range b.resolver.rules(d, s.pod) {
			list.rules = append(list.rules, r)
			sum = sum.digest(r.digest)
		}
	}
	if len(list.rules) == 0 {
		return nil
	}
	list.digest = sum.sum()
	if known, ok := b.lists[list.digest]; ok {
		return known
	}
	b.lists[list.digest] = list
	return list
}
