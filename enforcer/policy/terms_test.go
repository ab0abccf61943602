package policy

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// withTerms has the policy say something of its names.
func withTerms(p Policy, life Life, private ...string) Policy {
	p.Names = NameTerms{Life: life, Private: prefixes(private...)}
	return p
}

// N5, N10, P23: which terms hold for which pattern of a pod.
func TestTermsOfPatterns(t *testing.T) {
	short, long := Life{MinTTL: Fixed(time.Second)}, Life{Grace: Fixed(time.Hour)}
	named := func(tier Tier, name string, patterns ...string) Policy {
		var peers []Peerage
		for _, p := range patterns {
			peers = append(peers, Peerage{Name: p})
		}
		r := accept(peers...)
		if tier == TierNetworkPolicy {
			return network(name, r)
		}
		return cluster(tier, 1, name, r)
	}
	trial := func(p Policy) Policy { p.Audit = true; return p }
	for _, c := range []struct {
		sentence string
		policies []Policy
		want     map[string]Terms
	}{
		{"nothing said is nothing kept", []Policy{named(TierNetworkPolicy, "a", "a.test")}, nil},
		{"terms without names are nobody's", []Policy{withTerms(network("a"), short)}, nil},
		{"a policy speaks of its own patterns", []Policy{
			withTerms(named(TierNetworkPolicy, "a", "a.test"), short, "10.0.0.0/8"), named(TierNetworkPolicy, "b", "b.test"),
		}, map[string]Terms{"a.test": {Lives: []Life{short}, Private: prefixes("10.0.0.0/8")}}},
		{"of all its patterns, and in every tier", []Policy{
			withTerms(named(TierAdmin, "a", "a.test", "*.b.test"), short),
		}, map[string]Terms{"a.test": {Lives: []Life{short}}, "*.b.test": {Lives: []Life{short}}}},
		{"of two policies with the pattern both count", []Policy{
			withTerms(named(TierNetworkPolicy, "a", "a.test"), short, "10.0.0.0/8", "fd00::/8"),
			withTerms(named(TierBaseline, "b", "a.test"), long, "10.0.0.0/8", "192.168.0.0/16"),
		}, map[string]Terms{"a.test": {Lives: []Life{long, short}, Private: prefixes("10.0.0.0/8", "192.168.0.0/16", "fd00::/8")}}},
		{"one that says nothing leaves its share to the node", []Policy{
			withTerms(named(TierNetworkPolicy, "a", "a.test"), short), named(TierAdmin, "b", "a.test"),
		}, map[string]Terms{"a.test": {Lives: []Life{{}, short}}}},
		{"on trial, for a pattern that nothing in force has", []Policy{
			trial(withTerms(named(TierNetworkPolicy, "a", "a.test"), long, "10.0.0.0/8")), withTerms(named(TierAdmin, "b", "b.test"), short),
		}, map[string]Terms{"a.test": {Lives: []Life{long}, Private: prefixes("10.0.0.0/8")}, "b.test": {Lives: []Life{short}}}},
		{"a trial gives nothing to a policy in force", []Policy{
			trial(withTerms(named(TierNetworkPolicy, "a", "a.test"), long, "10.0.0.0/8")), named(TierAdmin, "b", "a.test"),
		}, nil},
		{"nor takes it anything", []Policy{
			trial(withTerms(named(TierNetworkPolicy, "a", "a.test"), short)), withTerms(named(TierAdmin, "b", "a.test"), long),
		}, map[string]Terms{"a.test": {Lives: []Life{long}}}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			for range 2 { // in any order
				got := Compile(scene(c.policies...)).Tables.Endpoints[EndpointOf("web")].Terms
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
				slices.Reverse(c.policies)
			}
		})
	}
}

// D6: where nothing but the terms of a policy has changed, no list has, and so
// nothing that a packet meets.
func TestTermsChangeNoList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := drawWorld(t)
		to := *from
		to.Policies = nil
		for _, p := range from.Policies {
			other := *p
			other.Names = drawTerms(t)
			to.Policies = append(to.Policies, &other)
		}
		before, after := Compile(from), Compile(from).Next(&to)
		same(t, after, Compile(&to))
		for id, e := range after.Tables.Endpoints {
			was := before.Tables.Endpoints[id]
			if e.Stance != was.Stance || e.Audit != was.Audit || !slices.Equal(e.Patterns, was.Patterns) {
				t.Fatalf("%v: got %+v, want %+v", e.Pod, e, was)
			}
		}
	})
}

// N5, N10: what holds for a pattern in force is what the policies in force that
// have it say, all of it and nothing else.
func TestTermsAreNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		c := Compile(w)
		for id, e := range c.Tables.Endpoints {
			for _, pattern := range e.Patterns {
				enforced, all := naiveTerms(c, e.Egress, pattern, w), naiveTerms(c, e.Audit.Egress, pattern, w)
				want := enforced
				if len(enforced.Lives) == 0 {
					want = all
				}
				got, said := e.Terms[pattern]
				if !said {
					got = Terms{Lives: []Life{{}}}
				}
				if !got.Equal(want) {
					t.Fatalf("%v, %s: got %v, want %v", id, pattern, got, want)
				}
			}
			if len(e.Terms) > len(e.Patterns) {
				t.Fatalf("%v: terms %v for patterns %v", id, e.Terms, e.Patterns)
			}
		}
	})
}

// naiveTerms reads the rules of the lists one after another.
func naiveTerms(c *Compiled, a Attachment, pattern string, w *World) (t Terms) {
	lives, private := map[Life]bool{}, map[netip.Prefix]bool{}
	for _, id := range a.lists() {
		for n, r := range c.lists[id].rules {
			ref, _ := c.Explain(id, uint32(n)+1)
			if !slices.Contains(r.names, pattern) {
				continue
			}
			i := slices.IndexFunc(w.Policies, func(p *Policy) bool { return p.Ref == ref.Policy })
			lives[w.Policies[i].Names.Life] = true
			for _, p := range w.Policies[i].Names.Private {
				private[p] = true
			}
		}
	}
	for life := range lives {
		t.Lives = append(t.Lives, life)
	}
	for p := range private {
		t.Private = append(t.Private, p)
	}
	slices.SortFunc(t.Lives, Life.compare)
	slices.SortFunc(t.Private, netip.Prefix.Compare)
	return t
}
