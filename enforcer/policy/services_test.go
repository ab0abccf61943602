package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// shopService is at 10.96.0.7 and fd09::7, and leads port 80 to the given
// backends' port 8080.
func shopService(backends ...string) *Service {
	port := ServicePort{Protocol: protocolTCP, Port: 80}
	for _, a := range addrs(backends...) {
		port.Backends = append(port.Backends, Backend{a, 8080})
	}
	return &Service{Namespace: "shop", Name: "svc", Addresses: addrs("10.96.0.7", "fd09::7"), Ports: []ServicePort{port}}
}

// P22: a Service is judged by its backends and target ports.
func TestServices(t *testing.T) {
	const ip, port = "10.96.0.7", 80
	for _, c := range []struct {
		sentence string
		policies []Policy
		backends []string
		packets  []packet
	}{
		{"a rule for the pods behind a Service", []Policy{network("np", accept(podsIn("shop", "app=db")).on(tcp(8080)))},
			[]string{"10.0.0.2", "fd00::2"}, []packet{
				{sentence: "matches through it, on the target port", peer: ip, port: port, want: Allow, tier: TierNetworkPolicy},
				{sentence: "in the other family too", peer: "fd09::7", port: port, want: Allow, tier: TierNetworkPolicy},
				{sentence: "not on a port that the Service lacks", peer: ip, port: 8080, want: Deny, tier: TierNetworkPolicy},
				{sentence: "not over another protocol", peer: ip, protocol: protocolUDP, port: port, want: Deny, tier: TierNetworkPolicy},
			}},
		{"a rule for the pods on the Service's own port", []Policy{network("np", accept(podsIn("shop", "app=db")).on(tcp(80)))},
			[]string{"10.0.0.2"}, []packet{
				{sentence: "does not match: policies speak of the pod's port", peer: ip, port: port, want: Deny, tier: TierNetworkPolicy},
			}},
		{"a CIDR rule that covers the Service's address", []Policy{network("np", accept(block("10.96.0.0/16")).on(tcp(80)))},
			[]string{"10.0.0.2", "10.0.1.1"}, []packet{
				{sentence: "matches it as well, on its own port", peer: ip, port: port, want: Allow, tier: TierNetworkPolicy},
			}},
		{"backends that differ", []Policy{network("np", accept(podsIn("shop", "app=db")))},
			[]string{"10.0.0.2", "10.0.1.1"}, []packet{
				{sentence: "close the Service: the denied one must not be reached", peer: ip, port: port, want: Deny, tier: TierNetworkPolicy},
			}},
		{"an Admin Deny of a backend", []Policy{cluster(TierAdmin, 1, "cnp", deny(podsIn("", "app=db")))},
			[]string{"10.0.0.2"}, []packet{
				{sentence: "holds through the Service", peer: ip, port: port, want: Deny, tier: TierAdmin},
				{sentence: "and only for a pod that goes there", direction: Ingress, peer: ip, port: port, want: Allow, tier: TierDefault},
			}},
		{"an Admin Deny of a backend after an Accept of the Service's address", []Policy{
			cluster(TierAdmin, 1, "cnp", accept(block("10.96.0.7/32")), deny(podsIn("", "app=db")))},
			[]string{"10.0.0.2"}, []packet{
				{sentence: "comes too late", peer: ip, port: port, want: Allow, tier: TierAdmin},
			}},
		{"a named port at egress", []Policy{network("np", accept(podsIn("shop", "app=web")).on(namedPort("http")))},
			[]string{"10.0.0.1"}, []packet{
				{sentence: "is that of the pod behind the Service", peer: ip, port: port, want: Allow, tier: TierNetworkPolicy},
			}},
		{"a Service without backends", []Policy{network("np", accept(block("10.96.0.0/16")))}, nil, []packet{
			{sentence: "is an address as any other", peer: ip, port: port, want: Allow, tier: TierNetworkPolicy},
		}},
		{"a name that the pod resolved to the Service's address", []Policy{network("np", accept(name("svc.example.com")).on(tcp(80)))},
			[]string{"10.0.0.2"}, []packet{
				{sentence: "opens it, for whom the guard lets learn it", peer: ip, port: port, names: []string{"svc.example.com"}, want: Allow, tier: TierNetworkPolicy},
			}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := scene(c.policies...)
			w.Services = []*Service{shopService(c.backends...)}
			judgeAll(t, w, c.packets)
		})
	}
}

// P22, N8: a Service that leads to cluster DNS is reached as cluster DNS is, by
// whom a name rule lets ask it.
func TestServiceOfClusterDNS(t *testing.T) {
	w := scene(network("np", accept(name("example.com"))))
	w.ClusterDNS = addrs("10.0.0.2")
	w.Services = []*Service{{
		Namespace: "kube-system", Name: "dns", Addresses: addrs("10.96.0.7"),
		Ports: []ServicePort{{Protocol: protocolUDP, Port: 5300, Backends: []Backend{{addrs("10.0.0.2")[0], 53}}}},
	}}
	judgeAll(t, w, []packet{
		{sentence: "the Service's port leads to port 53", peer: "10.96.0.7", protocol: protocolUDP, port: 5300, want: Allow, tier: TierNetworkPolicy,
			rule: "egress[0] (implied: cluster DNS)"},
		{sentence: "its port 53 leads nowhere", peer: "10.96.0.7", protocol: protocolUDP, port: 53, want: Deny, tier: TierNetworkPolicy},
	})
}

// P22: each backend may be allowed by another tier.
func TestServiceOfTwoTiers(t *testing.T) {
	w := scene(cluster(TierAdmin, 1, "cnp", accept(podsIn("", "app=db"))), network("np", accept(podsIn("lab", ""))))
	w.Services = []*Service{shopService("10.0.0.2", "10.0.1.1")}
	f := packet{peer: "10.96.0.7", port: 80}.flow(t, w)
	if got := Evaluate(w, f); got.Verdict != Allow {
		t.Errorf("rules: got %+v, want both backends allowed", got)
	}
	if got := judge(Compile(w), EndpointOf("web"), f); got.Verdict != Allow {
		t.Errorf("tables: got %+v, want both backends allowed", got)
	}
}

// P22, D7, S1: of a Service that leads to the pod itself and to another, each
// denied by another tier, either may be told of, and nothing else: in the order
// of the backends or not, before a change of policies, after it and half way.
func TestServiceDeniedByTwoTiers(t *testing.T) {
	own := podsIn("", "app=web")
	from := scene(cluster(TierAdmin, 1, "own", deny(own)))
	from.Default = Deny
	to := *from
	to.Policies = pointers([]Policy{cluster(TierAdmin, 1, "own", deny(own)), cluster(TierAdmin, 2, "far", accept(block("198.18.0.0/15")))})
	for _, backends := range [][]string{{"10.0.0.1", "10.0.1.1"}, {"10.0.1.1", "10.0.0.1"}} {
		services := []*Service{shopService(backends...)}
		from.Services, to.Services = services, services
		a, b := Compile(from), Compile(&to)
		f := packet{peer: "10.96.0.7", port: 80}.flow(t, from)
		want := Decisions(from, f, false)
		if len(want) != 2 || want[0].Verdict != Deny || want[1].Verdict != Deny || want[0].Tier == want[1].Tier {
			t.Fatalf("backends %v: got decisions %+v, want denials of two tiers", backends, want)
		}
		for when, tables := range map[string]*Tables{"before": a.Tables, "half way": Transition(a, b), "after": b.Tables} {
			got := tables.Judge(EndpointOf("web"), f.Direction, f.Peer, f.Protocol, f.Port, AnyPeer)
			if !slices.ContainsFunc(want, func(d Decision) bool { return agrees(got, d) }) {
				t.Errorf("backends %v, %s: got %+v, want one of %+v", backends, when, got, want)
			}
		}
	}
}

// P22, D7: a Service that policies let reach before and after a change of ports
// stays open half way, before its pod has the new policy and after.
func TestServiceStaysOpenHalfWay(t *testing.T) {
	db := podsIn("shop", "app=db")
	one := network("np", accept(db).on(tcp(8080)))
	more := network("np", accept(db).on(tcpRange(8080, 8081)))
	far := network("np", accept(db).on(tcpRange(8080, 8081)), accept(block("198.18.0.0/15")))
	for _, c := range []struct {
		sentence string
		from, to Policy
	}{
		{"a rule gets more ports", one, more},
		{"a rule loses ports", more, one},
		{"a rule gets ports, and another comes", one, far},
		{"a rule loses ports, and another goes", far, one},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			from := scene(c.from)
			from.Services = []*Service{shopService("10.0.0.2")}
			to := *from
			to.Policies = []*Policy{&c.to}
			a, b := Compile(from), Compile(&to)
			between := Transition(a, b)
			turned := *between
			turned.Endpoints = b.Tables.Endpoints
			for when, tables := range map[string]*Tables{"before": between, "after": &turned} {
				got := tables.Judge(EndpointOf("web"), Egress, netip.MustParseAddr("10.96.0.7"), protocolTCP, 80, AnyPeer)
				if got.Verdict != Allow || got.Tier != TierNetworkPolicy {
					t.Errorf("%s the pod has the new policy: got %+v, want it allowed by the NetworkPolicy tier", when, got)
				}
			}
		})
	}
}

// P22, P15: a Service with more kinds of backends than can be judged is closed,
// and told of.
func TestServiceOfTooManyKinds(t *testing.T) {
	var rules []Rule
	var backends []string
	for i := range MaxTargets + 1 {
		backends = append(backends, fmt.Sprintf("198.18.%d.1", i))
		rules = append(rules, accept(block(backends[i]+"/32")))
	}
	w := scene(cluster(TierAdmin, 1, "cnp", rules...))
	for kinds, want := range map[int]Verdict{MaxTargets: Allow, MaxTargets + 1: Deny} {
		w.Services = []*Service{shopService(backends[:kinds]...)}
		c := Compile(w)
		got := c.Tables.Judge(EndpointOf("web"), Egress, netip.MustParseAddr("10.96.0.7"), protocolTCP, 80, 0)
		if got.Verdict != want {
			t.Errorf("%d kinds: got %v, want %v", kinds, got.Verdict, want)
		}
		if told := len(c.Problems) == 1 && strings.Contains(c.Problems[0].Reason, "10.96.0.7"); told != (want == Deny) {
			t.Errorf("%d kinds: got problems %v", kinds, c.Problems)
		}
	}
}
