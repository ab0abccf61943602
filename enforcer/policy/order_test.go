package policy

import "testing"

// P2, P3, P5, P6, P7: tiers in order, the first match decides, Pass goes on.
func TestTiers(t *testing.T) {
	db := podsIn("", "app=db")
	w := scene(
		cluster(TierAdmin, 1, "first", accept(block("203.0.113.7/32")).called("admin accept"),
			deny(block("203.0.113.0/24")).called("admin deny"), pass(db).on(tcp(1)), pass(block("198.51.100.0/24"))),
		cluster(TierAdmin, 2, "second", deny(block("203.0.113.7/32")), deny(db).called("later deny")),
		network("np", accept(block("203.0.113.0/24")), accept(db).called("np")),
		cluster(TierBaseline, 0, "base", deny(block("8.8.0.0/16")).called("base deny"), pass(block("9.0.0.0/8")).called("base pass")),
		cluster(TierBaseline, 9, "late", deny().called("base rest")),
	)
	w.Policies[2].Subject.Pods = mustParse("app=web")
	judgeAll(t, w, []packet{
		{sentence: "P3 priority 1 accepts before priority 2 denies, P5 finally", peer: "203.0.113.7", want: Allow, tier: TierAdmin, rule: "admin accept"},
		{sentence: "P3 Admin Deny beats a NetworkPolicy that allows", peer: "203.0.113.9", want: Deny, tier: TierAdmin, rule: "admin deny"},
		{sentence: "P3 Pass skips the rest of its tier, other objects included", peer: "10.0.0.2", port: 1, want: Allow, tier: TierNetworkPolicy, rule: "np"},
		{sentence: "P3 without Pass the later Deny decides", peer: "10.0.0.2", port: 2, want: Deny, tier: TierAdmin, rule: "later deny"},
		{sentence: "P6 an isolated pod never gets to Baseline", peer: "8.8.8.8", want: Deny, tier: TierNetworkPolicy},
		{sentence: "P3 Baseline decides for a pod that nothing isolates", pod: "probe", peer: "8.8.8.8", want: Deny, tier: TierBaseline, rule: "base deny"},
		{sentence: "P3 Pass in Baseline goes to the node default", pod: "probe", peer: "9.9.9.9", want: Allow, tier: TierDefault},
		{sentence: "P3 Pass in Admin goes on to Baseline where nothing isolates", pod: "probe", peer: "198.51.100.1", want: Deny, tier: TierBaseline, rule: "base rest"},
		{sentence: "P2 egress rules say nothing about ingress", direction: Ingress, peer: "203.0.113.9", want: Allow, tier: TierDefault},
	})
}

// P6: isolation is per direction, and Baseline stays for the other one.
func TestIsolationIsPerDirection(t *testing.T) {
	w := scene(
		inward(network("in", accept(podsIn("shop", "app=db")))),
		cluster(TierBaseline, 0, "base", deny(block("8.8.8.8/32"))),
		inward(cluster(TierBaseline, 0, "base-in", accept())),
	)
	judgeAll(t, w, []packet{
		{sentence: "an ingress policy does not switch Baseline egress off", peer: "8.8.8.8", want: Deny, tier: TierBaseline},
		{sentence: "nor does it isolate for egress", peer: "8.8.4.4", want: Allow, tier: TierDefault},
		{sentence: "the rule of the ingress policy allows", direction: Ingress, peer: "10.0.0.2", want: Allow, tier: TierNetworkPolicy},
		{sentence: "what it does not allow is denied although Baseline accepts", direction: Ingress, peer: "10.0.1.1", want: Deny, tier: TierNetworkPolicy},
		{sentence: "a pod that is not selected is not isolated", pod: "probe", direction: Ingress, peer: "10.0.0.2", want: Allow, tier: TierBaseline},
	})
}

// P6, P8: the union of all policies that select the pod, two of one name too.
func TestUnion(t *testing.T) {
	w := scene(
		network("same", accept(block("192.0.2.1/32"))),
		application(network("same", accept(block("192.0.2.2/32")))),
	)
	c := judgeAll(t, w, []packet{
		{sentence: "P8 the NetworkPolicy allows its peer", peer: "192.0.2.1", want: Allow, tier: TierNetworkPolicy},
		{sentence: "P8 the ApplicationNetworkPolicy of the same name allows its own", peer: "192.0.2.2", want: Allow, tier: TierNetworkPolicy},
		{sentence: "P6 neither allows the rest", peer: "192.0.2.3", want: Deny, tier: TierNetworkPolicy},
	})
	if got := c.IsolatedBy(EndpointOf("web"), Egress); len(got) != 2 {
		t.Errorf("isolated by %v, want both", got)
	}
	if got := c.IsolatedBy(EndpointOf("web"), Ingress); len(got) != 0 {
		t.Errorf("isolated for ingress by %v, want none", got)
	}
}

// P7: the node default is for what no tier decides, and Deny if unknown.
func TestDefault(t *testing.T) {
	for _, c := range []struct {
		sentence string
		set      Verdict
		want     Verdict
	}{
		{"Allow allows", Allow, Allow}, {"Deny denies", Deny, Deny}, {"an unset default denies", VerdictUnknown, Deny},
	} {
		w := scene()
		w.Default = c.set
		judgeAll(t, w, []packet{{sentence: c.sentence, peer: "8.8.8.8", want: c.want, tier: TierDefault}})
	}
}

// P4: upstream objects one after another, AWS rules of a priority all together.
func TestTies(t *testing.T) {
	all := func(kind func(Policy) Policy) []Policy {
		return []Policy{
			kind(cluster(TierAdmin, 5, "b", accept(block("10.0.0.0/8")).called("b0"), deny(block("192.0.2.0/24")).called("b1"),
				accept(block("2001:db8::/32")).called("b2"))),
			kind(cluster(TierAdmin, 5, "a", pass(block("192.0.2.0/24"), block("2001:db8::/32")).called("a0"), accept(block("192.0.2.0/24")).called("a1"),
				deny(block("0.0.0.0/0")).called("a2"))),
		}
	}
	upstream := func(p Policy) Policy { return p }
	t.Run("upstream takes objects by name and rules as written", func(t *testing.T) {
		judgeAll(t, scene(all(upstream)...), []packet{
			{sentence: "the first rule of the first object decides", peer: "192.0.2.1", want: Allow, tier: TierDefault},
			{sentence: "its Pass comes before the other's Accept", peer: "2001:db8::1", want: Allow, tier: TierDefault},
			{sentence: "all rules of an object come before the next object", peer: "10.0.0.2", want: Deny, tier: TierAdmin, rule: "a2"},
		})
	})
	t.Run("AWS takes Deny before Accept before Pass", func(t *testing.T) {
		judgeAll(t, scene(all(aws)...), []packet{
			{sentence: "Deny wins over Accept of any object, then rule order counts", peer: "192.0.2.1", want: Deny, tier: TierAdmin, rule: "b1"},
			{sentence: "a wide Deny wins over a narrow Accept", peer: "10.0.0.2", want: Deny, tier: TierAdmin, rule: "a2"},
			{sentence: "Accept wins over an earlier Pass", peer: "2001:db8::1", want: Allow, tier: TierAdmin, rule: "b2"},
		})
	})
	t.Run("AWS as written is like upstream", func(t *testing.T) {
		w := scene(all(aws)...)
		w.AWSRuleOrder = AsWritten
		judgeAll(t, w, []packet{
			{sentence: "Pass first", peer: "192.0.2.1", want: Allow, tier: TierDefault},
			{sentence: "object a first", peer: "10.0.0.2", want: Deny, tier: TierAdmin, rule: "a2"},
		})
	})
	t.Run("another priority is never mixed in", func(t *testing.T) {
		w := scene(aws(cluster(TierAdmin, 1, "z", accept(block("192.0.2.1/32")).called("early"))),
			aws(cluster(TierAdmin, 2, "a", deny().called("late"))))
		judgeAll(t, w, []packet{
			{sentence: "a later Deny does not beat an earlier Accept", peer: "192.0.2.1", want: Allow, tier: TierAdmin, rule: "early"},
		})
	})
	t.Run("at one priority the AWS kind comes before the upstream kind", func(t *testing.T) {
		w := scene(cluster(TierAdmin, 5, "a", deny(block("192.0.2.0/24")).called("upstream")),
			aws(cluster(TierAdmin, 5, "z", accept(block("192.0.2.1/32")).called("aws"))))
		judgeAll(t, w, []packet{
			{sentence: "whatever their names are", peer: "192.0.2.1", want: Allow, tier: TierAdmin, rule: "aws"},
			{sentence: "and the upstream kind follows", peer: "192.0.2.2", want: Deny, tier: TierAdmin, rule: "upstream"},
		})
	})
}
