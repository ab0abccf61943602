package policy

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// bigWorld is the size to plan for: a node with 110 pods in a cluster of
// 10,000 pods and 1,000 namespaces, with 2,000 policies that hold 20,000 CIDRs
// and 500 selectors. All CIDRs lie in cluster-wide policies, so none can be
// left out because it does not concern this node.
func bigWorld() *World {
	w := &World{
		Node: "node-0", Default: Allow, Namespaces: map[string]labels.Set{},
		ClusterDNS:     addrs("10.96.0.10"),
		LocalAddresses: addrs("192.168.0.1"),
	}
	for i := range 1000 {
		ns := fmt.Sprintf("ns-%03d", i)
		w.Namespaces[ns] = labels.Set{"kubernetes.io/metadata.name": ns, "team": fmt.Sprint("team-", i%40)}
	}
	for i := range 91 {
		w.Nodes = append(w.Nodes, Node{fmt.Sprint("node-", i), nil, []netip.Addr{netip.AddrFrom4([4]byte{192, 168, 0, byte(i + 1)})}})
	}
	for i := range 10000 {
		w.Pods = append(w.Pods, new(bigPod(i)))
	}
	for i := range 1960 {
		w.Policies = append(w.Policies, new(bigNetworkPolicy(i)))
	}
	for i := range 40 {
		w.Policies = append(w.Policies, new(bigClusterPolicy(i)))
	}
	return w
}

func bigPod(i int) Pod {
	return Pod{
		Ref:  PodRef{fmt.Sprintf("ns-%03d", i%1000), fmt.Sprintf("pod-%d", i), fmt.Sprintf("uid-%d", i)},
		Node: fmt.Sprint("node-", i/110),
		Labels: labels.Set{
			"app": fmt.Sprint("app-", i/1000), "pod-template-hash": fmt.Sprint(i % 3000),
			"release": fmt.Sprint("r", i%7), "version": fmt.Sprint("v", i%5),
		},
		Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})},
		Ports:     []NamedPort{{"http", protocolTCP, uint16(8080 + i%3)}},
	}
}

// bigNetworkPolicy is one of two of its namespace: who may come in, and where
// its pods may go.
func bigNetworkPolicy(i int) Policy {
	ns := fmt.Sprintf("ns-%03d", i%980)
	p := Policy{
		Ref:     PolicyRef{"networking.k8s.io", "NetworkPolicy", ns, fmt.Sprint("np-", i)},
		Tier:    TierNetworkPolicy,
		Subject: PodSelector{Namespace: ns},
	}
	port := []Port{{Protocol: protocolTCP, First: uint16(8000 + i%8*10), Last: uint16(8000 + i%8*10)}}
	if i < 980 {
		p.Ingress = &Section{Rules: []Rule{
			{Action: ActionAccept, AllPorts: true, Peers: []Peerage{{Pods: &PodSelector{Namespace: ns}}}},
			{Action: ActionAccept, Ports: []Port{{Protocol: protocolTCP, Name: "http"}}, Peers: []Peerage{{Pods: bigSelector(i)}}},
		}}
		return p
	}
	p.Egress = &Section{Rules: []Rule{
		{Action: ActionAccept, Ports: port, Peers: []Peerage{{Pods: bigSelector(i)}}},
		{Action: ActionAccept, Ports: port, Peers: []Peerage{{Name: "*.example.com"}, {Name: fmt.Sprintf("api-%d.test", i)}}},
	}}
	return p
}

func bigSelector(i int) *PodSelector {
	return &PodSelector{
		Namespaces: mustParse(fmt.Sprint("team=team-", i%40)),
		Pods:       mustParse(fmt.Sprintf("app in (app-%d,app-%d)", i%10, i%7)),
	}
}

func mustParse(text string) labels.Selector {
	s, err := labels.Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

// bigClusterPolicy has 20 egress rules of 25 CIDRs each, nested and with
// holes, for all pods.
func bigClusterPolicy(i int) Policy {
	p := Policy{
		Ref:  PolicyRef{"policy.networking.k8s.io", "ClusterNetworkPolicy", "", fmt.Sprint("cnp-", i)},
		Tier: TierAdmin, Priority: int32(i), Egress: &Section{},
	}
	if i%2 == 1 {
		p.Tier = TierBaseline
	}
	for n := range 20 {
		r := Rule{Action: []Action{ActionDeny, ActionAccept, ActionPass}[n%3], AllPorts: n%4 == 0}
		if !r.AllPorts {
			first := uint16(443 + n%5*1000)
			r.Ports = []Port{{Protocol: protocolTCP, First: first, Last: first + 10}}
		}
		for k := range 25 {
			at := (i*20+n)*25 + k
			a := netip.AddrFrom4([4]byte{byte(20 + at%180), byte(at >> 8), byte(at), 0})
			cidr := netip.PrefixFrom(a, []int{24, 24, 24, 26, 32, 20, 16}[k%7]).Masked()
			b := &Block{CIDR: cidr}
			if cidr.Bits() < 24 {
				b.Except = []netip.Prefix{netip.PrefixFrom(a, 25).Masked()}
			}
			r.Peers = append(r.Peers, Peerage{Block: b})
		}
		p.Egress.Rules = append(p.Egress.Rules, r)
	}
	return p
}

func BenchmarkCompile(b *testing.B) {
	w := bigWorld()
	b.ReportAllocs()
	var c *Compiled
	for b.Loop() {
		c = Compile(w)
	}
	reportSize(b, c.Tables)
	var before, after runtime.MemStats
	c = nil
	runtime.GC()
	runtime.ReadMemStats(&before)
	c = Compile(w)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-kept")
	runtime.KeepAlive(c)
}

func reportSize(b *testing.B, t *Tables) {
	rows := 0
	for _, list := range t.Lists {
		rows += len(list.Rows)
	}
	b.ReportMetric(float64(rows), "rows")
	b.ReportMetric(float64(len(t.Lists)), "lists")
	b.ReportMetric(float64(t.Addresses.Len()), "addresses")
	b.ReportMetric(float64(len(t.Prefixes)), "prefixes")
	b.ReportMetric(float64(len(t.Ports)), "spans")
}

// One policy more, as when somebody applies one.
func BenchmarkTransition(b *testing.B) {
	w := bigWorld()
	from := Compile(w)
	next := *w
	next.Policies = append(next.Policies[:len(next.Policies):len(next.Policies)], new(bigClusterPolicy(41)))
	to := Compile(&next)
	b.ReportAllocs()
	var t *Tables
	for b.Loop() {
		t = Transition(from, to)
	}
	reportSize(b, t)
}

// One pod comes to another node, and goes again: two changes.
func BenchmarkPodElsewhere(b *testing.B) {
	w := bigWorld()
	more := *w.Pods[500]
	more.Ref.Name, more.Ref.UID, more.Addresses = "more", "more", addrs("10.1.0.1")
	with, without := *w, *w
	with.Pods = append(slices.Clip(w.Pods), &more)
	c := Compile(w)
	b.ReportAllocs()
	for b.Loop() {
		there := c.Next(&with)
		Transition(c, there)
		if changed := slices.Collect(atlas.Changed(c.Tables.Addresses, there.Tables.Addresses)); len(changed) != 1 {
			b.Fatalf("%v change, want one address", changed)
		}
		c = there.Next(&without)
		Transition(there, c)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(2*b.N), "us/change")
}

// A rule of one policy of a pod of this node gets another port, a CIDR and a
// selector that were in use nowhere, and loses them again: two changes.
func BenchmarkOnePolicy(b *testing.B) {
	w := bigWorld()
	changed := *w.Policies[980]
	changed.Egress = &Section{Rules: append(slices.Clip(changed.Egress.Rules), Rule{
		Action: ActionAccept, Ports: []Port{{Protocol: protocolTCP, First: 7777, Last: 7777}},
		Peers: []Peerage{
			{Block: &Block{CIDR: netip.MustParsePrefix("20.0.0.0/12")}},
			{Pods: &PodSelector{Pods: mustParse("release=r3,version in (v1,v2)")}},
		},
	})}
	to := *w
	to.Policies = slices.Clone(w.Policies)
	to.Policies[980] = &changed
	c := Compile(w)
	b.ReportAllocs()
	for b.Loop() {
		there := c.Next(&to)
		Transition(c, there)
		c = there.Next(w)
		Transition(there, c)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/change")
}

// N rules for one block, each with a port of its own: the cost is to be by N.
func BenchmarkRulesOnOneCIDR(b *testing.B) {
	for _, n := range []int{1000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var rules []Rule
			for i := range n {
				rules = append(rules, accept(block("198.51.100.0/24")).on(tcp(uint16(1+2*i))))
			}
			w := scene(network("many", rules...))
			b.ReportAllocs()
			for b.Loop() {
				Compile(w)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/rule")
		})
	}
}

func BenchmarkNameRows(b *testing.B) {
	c := Compile(bigWorld())
	ep := EndpointOf("uid-0")
	patterns := c.Tables.Endpoints[ep].Patterns
	b.ReportAllocs()
	for b.Loop() {
		c.NameRows(ep, patterns)
	}
}

func BenchmarkEvaluate(b *testing.B) {
	w := bigWorld()
	f := Flow{Direction: Egress, Pod: w.Pods[0], Peer: netip.MustParseAddr("20.0.0.1"), Protocol: protocolTCP, Port: 443}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(w, f)
	}
}
