package policy

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Term is a duration that a policy sets. The zero Term leaves it to the node.
type Term struct {
	Set   bool
	Value time.Duration
}

// Fixed is a Term that is set.
func Fixed(d time.Duration) Term { return Term{Set: true, Value: d} }

// Or gives the duration, or the node's where the policy sets none.
func (t Term) Or(node time.Duration) time.Duration {
	if t.Set {
		return t.Value
	}
	return node
}

// Life is what a policy says of how long a learnt address counts (N5): the TTL,
// at least MinTTL, plus Grace.
type Life struct{ MinTTL, Grace Term }

func (l Life) compare(m Life) int {
	return cmp.Or(l.MinTTL.compare(m.MinTTL), l.Grace.compare(m.Grace))
}

func (t Term) compare(u Term) int {
	switch {
	case t.Set == u.Set:
		return cmp.Compare(t.Value, u.Value)
	case u.Set:
		return -1
	}
	return 1
}

// NameTerms are what a policy says of the addresses that its names lead to. The
// zero NameTerms leave everything to the node.
type NameTerms struct {
	Life Life
	// Private are ranges that the names may lead to besides those that the
	// node allows (N10).
	Private []netip.Prefix
}

func (n NameTerms) zero() bool { return n.Life == Life{} && len(n.Private) == 0 }

// Terms are what holds for a pattern of a pod, by all policies that have it.
type Terms struct {
	// Lives are what each policy says, sorted and each once; the longest life
	// holds. Which one that is depends on the answer: a large MinTTL is long
	// for short TTLs, a large Grace for long ones. Never empty.
	Lives []Life
	// Private are the ranges of all of them, sorted.
	Private []netip.Prefix
}

// Equal says whether both come to the same.
func (t Terms) Equal(u Terms) bool {
	return slices.Equal(t.Lives, u.Lives) && slices.Equal(t.Private, u.Private)
}

// and gives the terms with those of one more policy.
func (t Terms) and(n NameTerms) Terms {
	if i, found := slices.BinarySearchFunc(t.Lives, n.Life, Life.compare); !found {
		t.Lives = slices.Insert(slices.Clip(t.Lives), i, n.Life)
	}
	if len(n.Private) > 0 {
		all := slices.Concat(t.Private, n.Private)
		slices.SortFunc(all, netip.Prefix.Compare)
		t.Private = slices.Compact(all)
	}
	return t
}

// zero says whether all is left to the node.
func (t Terms) zero() bool {
	return len(t.Private) == 0 && len(t.Lives) == 1 && t.Lives[0] == Life{}
}

// terms gives, for each pattern for which a policy of the selection sets some,
// what holds; nil where none does.
func (e *effective) terms(s *selection) map[string]Terms {
	if !slices.ContainsFunc(s.policies, func(p *Policy) bool { return !p.Names.zero() }) {
		return nil
	}
	said := make(map[PolicyRef]NameTerms, len(s.policies))
	for _, p := range s.policies {
		said[p.Ref] = p.Names
	}
	found := map[string]Terms{}
	for _, list := range []*tierList{e.admin, e.network, e.baseline} {
		if list == nil {
			continue
		}
		for _, r := range list.rules {
			for _, pattern := range r.names {
				found[pattern] = found[pattern].and(said[r.ref.Policy])
			}
		}
	}
	maps.DeleteFunc(found, func(_ string, t Terms) bool { return t.zero() })
	if len(found) == 0 {
		return nil
	}
	return found
}

// mergeTerms adds, for patterns that only policies on trial have, what these
// say. Where a policy in force has the pattern too, its terms are all there is:
// a trial makes nothing pass, so it may make nothing pass for longer (P23).
func mergeTerms(enforced, full stance) map[string]Terms {
	added := maps.Clone(full.terms)
	maps.DeleteFunc(added, func(pattern string, _ Terms) bool {
		_, inForce := slices.BinarySearch(enforced.patterns, pattern)
		return inForce
	})
	if len(added) == 0 {
		return enforced.terms
	}
	maps.Copy(added, enforced.terms)
	return added
}
