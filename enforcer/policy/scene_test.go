package policy

import (
	"net/netip"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// A scene is a small cluster that the sentences of the tests speak of: two
// namespaces, shop and lab, with web (policed, on node n1), db and probe.
func scene(policies ...Policy) *World {
	return &World{
		Node: "n1", Default: Allow,
		LocalAddresses: addrs("192.168.0.1", "fd01::1"),
		Namespaces: map[string]labels.Set{
			"shop": {"team": "red"},
			"lab":  {"team": "blue", "empty": ""},
		},
		Nodes: []Node{
			{"n1", labels.Set{"zone": "east"}, addrs("192.168.0.1", "fd01::1")},
			{"n2", labels.Set{"zone": "west"}, addrs("192.168.0.2", "203.0.113.2")},
		},
		Pods: []*Pod{
			{Ref: PodRef{"shop", "web", "web"}, Node: "n1", Labels: labels.Set{"app": "web"},
				Addresses: addrs("10.0.0.1", "fd00::1"),
				Ports:     []NamedPort{{"http", protocolTCP, 8080}, {"dns", protocolUDP, 53}, {"dns", protocolTCP, 53}}},
			{Ref: PodRef{"shop", "db", "db"}, Node: "n2", Labels: labels.Set{"app": "db", "empty": ""},
				Addresses: addrs("10.0.0.2", "fd00::2"), Ports: []NamedPort{{"http", protocolTCP, 9090}}},
			{Ref: PodRef{"lab", "probe", "probe"}, Node: "n1", Labels: labels.Set{"app": "probe"},
				Addresses: addrs("10.0.1.1", "fd00::3"), Ports: []NamedPort{{"http", protocolTCP, 7070}}},
		},
		Policies: pointers(policies),
	}
}

func pointers[T any](all []T) []*T {
	var out []*T
	for i := range all {
		out = append(out, &all[i])
	}
	return out
}

// cluster is an upstream ClusterNetworkPolicy for all pods, egress only.
func cluster(tier Tier, priority int32, name string, egress ...Rule) Policy {
	return Policy{
		Ref:  PolicyRef{"policy.networking.k8s.io", "ClusterNetworkPolicy", "", name},
		Tier: tier, Priority: priority, Egress: &Section{egress},
	}
}

// aws makes the AWS kind of it.
func aws(p Policy) Policy {
	p.AWS, p.Ref.Group = true, "networking.k8s.aws"
	return p
}

// inward turns its rules around.
func inward(p Policy) Policy {
	p.Ingress, p.Egress = p.Egress, nil
	return p
}

// network is a NetworkPolicy for all pods of shop, egress only.
func network(name string, egress ...Rule) Policy {
	return Policy{
		Ref:  PolicyRef{"networking.k8s.io", "NetworkPolicy", "shop", name},
		Tier: TierNetworkPolicy, Subject: PodSelector{Namespace: "shop"}, Egress: &Section{egress},
	}
}

// application makes an ApplicationNetworkPolicy of it.
func application(p Policy) Policy {
	p.Ref.Group, p.Ref.Kind = "networking.k8s.aws", "ApplicationNetworkPolicy"
	return p
}

func accept(peers ...Peerage) Rule { return ruleOf(ActionAccept, peers) }
func deny(peers ...Peerage) Rule   { return ruleOf(ActionDeny, peers) }
func pass(peers ...Peerage) Rule   { return ruleOf(ActionPass, peers) }

func ruleOf(a Action, peers []Peerage) Rule {
	return Rule{Action: a, Peers: peers, AllPeers: len(peers) == 0, AllPorts: true}
}

func (r Rule) on(ports ...Port) Rule {
	r.Ports, r.AllPorts = ports, false
	return r
}

func (r Rule) called(name string) Rule {
	r.Name = name
	return r
}

func tcp(port uint16) Port             { return Port{Protocol: protocolTCP, First: port, Last: port} }
func udp(port uint16) Port             { return Port{Protocol: protocolUDP, First: port, Last: port} }
func tcpRange(first, last uint16) Port { return Port{Protocol: protocolTCP, First: first, Last: last} }
func namedPort(name string) Port       { return Port{Name: name} }

func block(cidr string, except ...string) Peerage {
	return Peerage{Block: &Block{netip.MustParsePrefix(cidr), prefixes(except...)}}
}

func podsIn(namespace, selector string) Peerage {
	return Peerage{Pods: &PodSelector{Namespace: namespace, Pods: mustParse(selector)}}
}

func podsOf(namespaces, pods string) Peerage {
	return Peerage{Pods: &PodSelector{Namespaces: mustParse(namespaces), Pods: mustParse(pods)}}
}

func nodes(selector string) Peerage { return Peerage{Nodes: mustParse(selector)} }
func name(pattern string) Peerage   { return Peerage{Name: pattern} }

// packet is one flow of a pod, web unless said otherwise, and who should
// decide what about it.
type packet struct {
	sentence  string
	pod       string
	direction Direction // Egress unless said otherwise
	peer      string
	protocol  uint8 // TCP unless said otherwise
	port      uint16
	names     []string
	want      Verdict
	tier      Tier
	rule      string // not looked at if empty
}

// judgeAll holds both the rules and the tables to the sentences.
func judgeAll(t *testing.T, w *World, packets []packet) *Compiled {
	t.Helper()
	c := Compile(w)
	for _, p := range packets {
		t.Run(p.sentence, func(t *testing.T) {
			f := p.flow(t, w)
			got := Evaluate(w, f)
			if got.Verdict != p.want || got.Tier != p.tier {
				t.Errorf("rules: got %v in tier %v (%s), want %v in tier %v", got.Verdict, got.Tier, got.Why, p.want, p.tier)
			}
			if p.rule != "" && got.Rule != p.rule {
				t.Errorf("rules: got rule %q, want %q", got.Rule, p.rule)
			}
			ruling := judge(c, EndpointOf(f.Pod.Ref.UID), f)
			if ruling.Verdict != p.want || ruling.Tier != p.tier {
				t.Errorf("tables: got %v in tier %v, want %v in tier %v", ruling.Verdict, ruling.Tier, p.want, p.tier)
			}
			if ref, _ := c.Explain(ruling.List, ruling.Index); p.rule != "" && ref.Rule() != p.rule {
				t.Errorf("tables: got rule %q, want %q", ref.Rule(), p.rule)
			}
		})
	}
	return c
}

func (p packet) flow(t *testing.T, w *World) Flow {
	t.Helper()
	f := Flow{
		Direction: p.direction, Peer: netip.MustParseAddr(p.peer), Protocol: p.protocol, Port: p.port, Names: p.names,
	}
	if f.Direction == DirectionUnknown {
		f.Direction = Egress
	}
	if f.Protocol == 0 {
		f.Protocol = protocolTCP
	}
	if p.pod == "" {
		p.pod = "web"
	}
	for i := range w.Pods {
		if w.Pods[i].Ref.Name == p.pod {
			f.Pod = w.Pods[i]
		}
	}
	if f.Pod == nil {
		t.Fatalf("the scene has no pod %q", p.pod)
	}
	return f
}
