package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// P15, N1, N8: a rule that cannot be understood is closed, and told of.
func TestMalformed(t *testing.T) {
	good := block("192.0.2.0/24")
	bad := Peerage{Malformed: "from the future"}
	for _, c := range []struct {
		sentence string
		tier     Tier
		rule     Rule
		want     Verdict
		in       Tier
		field    string // empty where who made the World has told of it
	}{
		{"an unknown peer empties an Accept rule", TierAdmin, accept(good, bad), Allow, TierDefault, ""},
		{"an unknown peer makes Deny deny everything", TierAdmin, deny(bad).on(tcp(1)), Deny, TierAdmin, ""},
		{"an unknown peer makes Pass deny everything", TierBaseline, pass(bad), Deny, TierBaseline, ""},
		{"an unknown peer empties a NetworkPolicy rule and isolates", TierNetworkPolicy, accept(good, bad), Deny, TierNetworkPolicy, ""},
		{"a peer without a field is unknown", TierAdmin, deny(Peerage{}), Deny, TierAdmin, "spec.egress[0].to[0]"},
		{"a peer of two kinds is malformed", TierAdmin, deny(Peerage{Name: "a.b.c", Block: good.Block}), Deny, TierAdmin, "spec.egress[0].to[0]"},
		{"no peers without saying all is malformed", TierAdmin, Rule{Action: ActionDeny, AllPorts: true}, Deny, TierAdmin, "spec.egress[0].to"},
		{"a bad CIDR is malformed", TierAdmin, deny(Peerage{Block: &Block{}}), Deny, TierAdmin, "spec.egress[0].to[0]"},
		{"a bad hole is malformed", TierAdmin, accept(Peerage{Block: &Block{CIDR: good.Block.CIDR, Except: []netip.Prefix{{}}}}), Allow, TierDefault, "spec.egress[0].to[0]"},
		{"an IPv4-mapped CIDR is malformed", TierAdmin, accept(block("::ffff:192.0.2.0/120")), Allow, TierDefault, "spec.egress[0].to[0]"},
		{"N8 Deny with a name denies everything", TierAdmin, deny(name("example.com")), Deny, TierAdmin, "spec.egress[0].to[0]"},
		{"N8 Pass with a name denies everything", TierAdmin, pass(name("example.com")), Deny, TierAdmin, "spec.egress[0].to[0]"},
		{"N1 an address as a name is malformed", TierAdmin, accept(good, name("1.2.3.4")), Allow, TierDefault, "spec.egress[0].to[1]"},
		{"an unknown action denies everything", TierAdmin, ruleOf(ActionUnknown, []Peerage{good}), Deny, TierAdmin, "spec.egress[0].action"},
		{"a NetworkPolicy rule can only accept", TierNetworkPolicy, deny(good), Deny, TierNetworkPolicy, "spec.egress[0].action"},
		{"a malformed port empties an Accept rule", TierAdmin, accept(good).on(tcp(80), Port{Malformed: "odd"}), Allow, TierDefault, ""},
		{"a port of ICMP is malformed", TierAdmin, deny(good).on(Port{Protocol: 1}), Deny, TierAdmin, "spec.egress[0].protocols[0]"},
		{"a backward range is malformed", TierAdmin, deny(good).on(tcpRange(2, 1)), Deny, TierAdmin, "spec.egress[0].protocols[0]"},
		{"no ports without saying all is malformed", TierNetworkPolicy, accept(good).on(), Deny, TierNetworkPolicy, "spec.egress[0].ports"},
		{"an unknown tier makes Deny come first", TierUnknown, deny(good), Deny, TierAdmin, "spec.egress[0]"},
		{"an unknown tier empties Accept", TierUnknown, accept(good), Allow, TierDefault, "spec.egress[0]"},
	} {
		p := network("p", c.rule)
		if c.tier != TierNetworkPolicy {
			p = cluster(c.tier, 0, "p", c.rule)
		}
		compiled := judgeAll(t, scene(p), []packet{
			{sentence: c.sentence, peer: "192.0.2.1", port: 80, want: c.want, tier: c.in},
			{sentence: c.sentence + ", on another port of another peer too", peer: "8.8.8.8", port: 81, want: c.want, tier: c.in},
		})
		var fields []string
		for _, problem := range compiled.Problems {
			fields = append(fields, problem.Field)
		}
		if got := strings.Join(fields, " "); got != c.field {
			t.Errorf("%s: got problems %v, want one at %q", c.sentence, compiled.Problems, c.field)
		}
	}
}

// P15: names are for egress only.
func TestNameInIngress(t *testing.T) {
	c := judgeAll(t, scene(inward(network("p", accept(name("example.com"))))), []packet{
		{sentence: "a name at ingress matches nothing", direction: Ingress, peer: "8.8.8.8", want: Deny, tier: TierNetworkPolicy},
	})
	if len(c.Problems) != 1 || c.Problems[0].Field != "spec.ingress[0].from[0]" {
		t.Errorf("got problems %v, want one at spec.ingress[0].from[0]", c.Problems)
	}
}

// P15: problems are told also by nodes on which the policy selects nothing.
func TestProblemsOfOtherPods(t *testing.T) {
	p := network("p", accept(Peerage{}))
	p.Subject.Pods = mustParse("app=nowhere")
	want := `NetworkPolicy shop/p: spec.egress[0].to[0]: no peer that this version knows`
	if got := Compile(scene(p)).Problems; len(got) != 1 || got[0].String() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// N8: a name rule allows what the pod resolved, and cluster DNS.
func TestNames(t *testing.T) {
	w := scene(
		cluster(TierAdmin, 1, "cnp", accept(name("*.example.com"), block("192.0.2.1/32")).on(tcp(443)).called("api"),
			deny(block("203.0.113.0/24")).called("no"), deny(block("10.96.0.0/16")).called("no services")),
		network("np", accept(name("b.test")).called("np name"), accept(block("10.0.0.0/8")).on(tcp(1))),
		cluster(TierBaseline, 1, "base", accept(name("c.test")).called("base name"), deny().called("base rest")),
	)
	w.Policies[1].Subject.Pods = mustParse("app=web")
	w.ClusterDNS = addrs("10.96.0.10")
	api := []string{"api.example.com"}
	judgeAll(t, w, []packet{
		{sentence: "a learnt address is accepted where the name rule comes first", peer: "203.0.113.7", port: 443, names: api, want: Allow, tier: TierAdmin, rule: "api"},
		{sentence: "on the rule's ports only", peer: "203.0.113.7", port: 80, names: api, want: Deny, tier: TierAdmin, rule: "no"},
		{sentence: "an address nobody resolved is not", peer: "203.0.113.7", port: 443, want: Deny, tier: TierAdmin, rule: "no"},
		{sentence: "the apex is not the wildcard", peer: "203.0.113.7", port: 443, names: []string{"example.com"}, want: Deny, tier: TierAdmin, rule: "no"},
		{sentence: "the rule's other peers go on", peer: "192.0.2.1", port: 443, want: Allow, tier: TierAdmin, rule: "api"},
		{sentence: "an Admin Deny beats a name of the NetworkPolicy tier", peer: "203.0.113.7", names: []string{"b.test"}, want: Deny, tier: TierAdmin, rule: "no"},
		{sentence: "elsewhere that name allows", peer: "198.51.100.1", names: []string{"b.test"}, want: Allow, tier: TierNetworkPolicy, rule: "np name"},
		{sentence: "two names of one address both count", peer: "203.0.113.7", port: 443, names: []string{"api.example.com", "b.test"}, want: Allow, tier: TierAdmin, rule: "api"},
		{sentence: "a name of Baseline counts where nothing isolates", pod: "probe", peer: "198.51.100.1", names: []string{"c.test"}, want: Allow, tier: TierBaseline, rule: "base name"},
		{sentence: "a name is for egress only", direction: Ingress, peer: "203.0.113.7", port: 443, names: api, want: Allow, tier: TierDefault},
		{sentence: "cluster DNS is allowed in the place of the name rule", peer: "10.96.0.10", protocol: protocolUDP, port: 53, want: Allow, tier: TierAdmin, rule: "api (implied: cluster DNS)"},
		{sentence: "over TCP as well", peer: "10.96.0.10", port: 53, want: Allow, tier: TierAdmin, rule: "api (implied: cluster DNS)"},
		{sentence: "and nothing else of it", peer: "10.96.0.10", protocol: protocolUDP, port: 54, want: Deny, tier: TierAdmin, rule: "no services"},
	})
	w.ClusterDNS = nil
	judgeAll(t, w, []packet{
		{sentence: "without cluster DNS addresses nothing is implied", peer: "10.96.0.10", protocol: protocolUDP, port: 53, want: Deny, tier: TierAdmin, rule: "no services"},
	})
	got := Compile(w).Tables.Endpoints[EndpointOf("web")].Patterns
	if want := []string{"*.example.com", "b.test", "c.test"}; !slices.Equal(got, want) {
		t.Errorf("patterns: got %v, want %v", got, want)
	}
}

// N8: an earlier Deny still keeps a pod from cluster DNS.
func TestImpliedDNSKeepsItsPlace(t *testing.T) {
	w := scene(cluster(TierAdmin, 1, "first", deny(block("10.96.0.10/32"))), network("np", accept(name("example.com"))))
	w.ClusterDNS = addrs("10.96.0.10")
	judgeAll(t, w, []packet{{sentence: "Admin Deny beats what a NetworkPolicy implies", peer: "10.96.0.10", protocol: protocolUDP, port: 53, want: Deny, tier: TierAdmin}})
}
