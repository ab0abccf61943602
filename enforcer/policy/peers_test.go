package policy

import (
	"maps"
	"net/netip"
	"testing"
)

// P11: blocks and their holes.
func TestBlocks(t *testing.T) {
	w := scene(
		network("holes", accept(block("198.51.100.0/24", "198.51.100.128/25", "198.51.100.128/26", "198.51.100.4/32"), block("198.51.100.200/32"),
			block("198.51.100.160/28"))),
		application(network("other", accept(block("198.51.100.4/31")))),
		network("pods", accept(block("10.0.0.2/32"))),
		network("six", accept(block("::/0")), accept(block("192.0.2.0/24", "192.0.2.0/24"), block("192.0.2.128/25", "192.0.2.0/24"))),
	)
	w.Policies[0].Egress.Rules[0].Peers[1].Block.CIDR = netip.MustParsePrefix("198.51.100.201/31") // host bits
	judgeAll(t, w, []packet{
		{sentence: "an address of the block matches", peer: "198.51.100.1", want: Allow, tier: TierNetworkPolicy},
		{sentence: "one in a hole does not", peer: "198.51.100.129", want: Deny, tier: TierNetworkPolicy},
		{sentence: "one in a hole inside a hole does not either", peer: "198.51.100.191", want: Deny, tier: TierNetworkPolicy},
		{sentence: "another peer of the rule may allow what a hole left out", peer: "198.51.100.200", want: Allow, tier: TierNetworkPolicy},
		{sentence: "also inside a hole in a hole", peer: "198.51.100.161", want: Allow, tier: TierNetworkPolicy},
		{sentence: "so may another policy", peer: "198.51.100.4", want: Allow, tier: TierNetworkPolicy},
		{sentence: "host bits are tolerated", peer: "198.51.100.201", want: Allow, tier: TierNetworkPolicy},
		{sentence: "a CIDR matches a pod address", peer: "10.0.0.2", want: Allow, tier: TierNetworkPolicy},
		{sentence: "::/0 matches IPv6", peer: "2001:db8::1", want: Allow, tier: TierNetworkPolicy},
		{sentence: "::/0 never matches IPv4", peer: "8.8.8.8", want: Deny, tier: TierNetworkPolicy},
		{sentence: "a mapped address is its IPv4 address", peer: "::ffff:10.0.0.2", want: Allow, tier: TierNetworkPolicy},
		{sentence: "a hole as large as the block leaves nothing", peer: "192.0.2.1", want: Deny, tier: TierNetworkPolicy},
		{sentence: "nor does a larger one", peer: "192.0.2.200", want: Deny, tier: TierNetworkPolicy},
	})
	w = scene(network("four", accept(block("0.0.0.0/0"))))
	judgeAll(t, w, []packet{{sentence: "0.0.0.0/0 never matches IPv6", peer: "2001:db8::1", want: Deny, tier: TierNetworkPolicy}})
}

// P12: full label semantics, own namespace, all namespaces.
func TestSelectors(t *testing.T) {
	for _, c := range []struct {
		sentence string
		peer     Peerage
		db, lab  bool // whether db in shop and probe in lab match
	}{
		{"In matches a listed value", podsOf("", "app in (db,x)"), true, false},
		{"NotIn matches other values and an absent key", podsOf("", "empty notin (x)"), true, true},
		{"NotIn does not match its value", podsOf("", "app notin (db)"), false, true},
		{"Exists matches an empty value", podsOf("", "empty"), true, false},
		{"DoesNotExist matches an absent key only", podsOf("", "!empty"), false, true},
		{"an empty value is a value, absence is not", podsOf("", "empty="), true, false},
		{"a namespace selector alone matches all its pods", podsOf("team=blue", ""), false, true},
		{"both selectors have to match", podsOf("team=blue", "app=db"), false, false},
		{"a namespace's empty value is a value", podsOf("empty=", ""), false, true},
		{"no selectors match all pods", Peerage{Pods: &PodSelector{}}, true, true},
		{"an own namespace is that one only", podsIn("shop", ""), true, false},
		{"a selector of nothing matches nothing", podsOf("", "app=x,app=y"), false, false},
	} {
		verdict := map[bool]Verdict{true: Allow, false: Deny}
		judgeAll(t, scene(network("np", accept(c.peer))), []packet{
			{sentence: c.sentence + ": db", peer: "10.0.0.2", want: verdict[c.db], tier: TierNetworkPolicy},
			{sentence: c.sentence + ": probe", peer: "fd00::3", want: verdict[c.lab], tier: TierNetworkPolicy},
			{sentence: c.sentence + ": never what is no pod", peer: "8.8.8.8", want: Deny, tier: TierNetworkPolicy},
		})
	}
}

// P12: subjects follow labels as well.
func TestSubjects(t *testing.T) {
	p := cluster(TierAdmin, 0, "cnp", deny())
	p.Subject = PodSelector{Namespaces: mustParse("team=red"), Pods: mustParse("app!=db")}
	w := scene(p)
	judgeAll(t, w, []packet{
		{sentence: "a selected pod is denied", peer: "8.8.8.8", want: Deny, tier: TierAdmin},
		{sentence: "a pod of another namespace is not", pod: "probe", peer: "8.8.8.8", want: Allow, tier: TierDefault},
	})
	w.Namespaces["lab"]["team"] = "red"
	judgeAll(t, w, []packet{{sentence: "until its namespace is relabelled", pod: "probe", peer: "8.8.8.8", want: Deny, tier: TierAdmin}})
}

// P14, P17, P18, P19, P20: nodes, own node, own address, both families.
func TestNodesAndSelf(t *testing.T) {
	all := cluster(TierAdmin, 9, "rest", deny())
	all.Ingress = all.Egress
	w := scene(cluster(TierAdmin, 1, "nodes", accept(nodes("zone=west")), accept(podsOf("", "app=host")), accept(podsOf("", "app=db"))), all)
	w.Pods = append(w.Pods, &Pod{Ref: PodRef{"lab", "host", "host"}, Node: "n1", HostNetwork: true,
		Labels: w.Pods[0].Labels, Addresses: addrs("192.168.0.1", "10.7.7.7")})
	w.Pods[3].Labels = map[string]string{"app": "host"}
	c := judgeAll(t, w, []packet{
		{sentence: "P14 an address of a selected node matches", peer: "192.168.0.2", want: Allow, tier: TierAdmin},
		{sentence: "P14 its external address as well", peer: "203.0.113.2", want: Allow, tier: TierAdmin},
		{sentence: "P14 another node's does not", peer: "192.168.0.1", want: Deny, tier: TierAdmin},
		{sentence: "P17 a pod on the host network is no pod peer", peer: "10.7.7.7", want: Deny, tier: TierAdmin},
		{sentence: "P18 the own node gets in over Admin Deny", direction: Ingress, peer: "192.168.0.1", want: Allow, tier: TierUnknown},
		{sentence: "P18 by IPv6 as well", direction: Ingress, peer: "fd01::1", want: Allow, tier: TierUnknown},
		{sentence: "P18 another node does not", direction: Ingress, peer: "192.168.0.2", want: Deny, tier: TierAdmin},
		{sentence: "P18 nor does another pod of the same node", direction: Ingress, peer: "10.0.1.1", want: Deny, tier: TierAdmin},
		{sentence: "P18 a pod does not get out to its own node by that", peer: "fd01::1", want: Deny, tier: TierAdmin},
		{sentence: "P20 a peer's IPv4 address counts", peer: "10.0.0.2", want: Allow, tier: TierAdmin},
		{sentence: "P20 and its IPv6 address", peer: "fd00::2", want: Allow, tier: TierAdmin},
	})
	if _, ok := c.Tables.Endpoints[EndpointOf("host")]; ok {
		t.Error("P17: a pod on the host network must be no endpoint")
	}
	if _, ok := c.Tables.Endpoints[EndpointOf("db")]; ok {
		t.Error("a pod of another node must be no endpoint")
	}
	self := packet{sentence: "P19", peer: "fd00::1"}
	if got := Evaluate(w, self.flow(t, w)); got.Verdict != Allow {
		t.Errorf("P19: a pod's own address: got %+v, want allow", got)
	}
	forged := packet{sentence: "P19", direction: Ingress, peer: "fd00::1"}
	if got := Evaluate(w, forged.flow(t, w)); got.Verdict != Deny {
		t.Errorf("P19: who sends to a pod as if he were the pod: got %+v, want deny", got)
	}
}

// P16, P21: finished pods leave at once, and what has their address is new.
func TestFinishedPods(t *testing.T) {
	w := scene(network("np", accept(podsOf("", "app=db"))))
	w.Pods[1].Finished = true
	w.Pods[2].Addresses = w.Pods[1].Addresses
	c := judgeAll(t, w, []packet{
		{sentence: "the next pod with the address inherits nothing", peer: "10.0.0.2", want: Deny, tier: TierNetworkPolicy},
	})
	if c.Tables.Addresses.Len() != 2 {
		t.Errorf("addresses: got %v, want only those of the node itself", maps.Collect(c.Tables.Addresses.All()))
	}
	w.Pods[0].Finished = true
	if _, ok := Compile(w).Tables.Endpoints[EndpointOf("web")]; ok {
		t.Error("a finished pod must be no endpoint")
	}
}
