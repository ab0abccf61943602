package policy

import (
	"fmt"
	"net/netip"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// P10: an egress rule's named port is that of the peer, and the selected pod's
// own port of that name opens nothing, neither to pods nor to networks.
func TestNamedPortIsNotTheClientsOwn(t *testing.T) {
	w := scene(network("np", accept(podsOf("", ""), block("203.0.113.0/24")).on(namedPort("http"))))
	judgeAll(t, w, []packet{
		{sentence: "the peer's number matches", peer: "10.0.0.2", port: 9090, want: Allow, tier: TierNetworkPolicy},
		{sentence: "the client's number at the peer does not", peer: "10.0.0.2", port: 8080, want: Deny, tier: TierNetworkPolicy},
		{sentence: "nor does it at a network", peer: "203.0.113.9", port: 8080, want: Deny, tier: TierNetworkPolicy},
	})
}

// P12: labels are keys and values: pods of one namespace that have the same
// keys are told apart by any of their values, the empty one included.
func TestPodsOfTheSameKeys(t *testing.T) {
	w := scene(network("np", accept(podsIn("shop", "app=db")), accept(podsIn("shop", "app=")).on(tcp(1))))
	w.Pods[1].Labels = labels.Set{"app": "db"}
	for i, value := range []string{"cache", ""} {
		name := fmt.Sprintf("other%d", i)
		w.Pods = append(w.Pods, &Pod{Ref: PodRef{"shop", name, name}, Node: "n2",
			Labels: labels.Set{"app": value}, Addresses: addrs(fmt.Sprintf("10.0.0.%d", 10+i))})
	}
	judgeAll(t, w, []packet{
		{sentence: "the value that is asked for", peer: "10.0.0.2", want: Allow, tier: TierNetworkPolicy},
		{sentence: "another value", peer: "10.0.0.10", want: Deny, tier: TierNetworkPolicy},
		{sentence: "an empty value is not db", peer: "10.0.0.11", want: Deny, tier: TierNetworkPolicy},
		{sentence: "an empty value is one that can be asked for", peer: "10.0.0.11", port: 1, want: Allow, tier: TierNetworkPolicy},
		{sentence: "and no other value is empty", peer: "10.0.0.10", port: 1, want: Deny, tier: TierNetworkPolicy},
	})
}

// P12, P16: what a pod is now decides, also where the tables of before are built
// upon: as peer and as subject, by its own labels and its namespace's.
func TestRelabelling(t *testing.T) {
	peer := func(w *World) {
		db := *w.Pods[1]
		db.Labels = labels.Set{"app": "other"}
		w.Pods[1] = &db
	}
	for _, c := range []struct {
		sentence      string
		policy        Policy
		change        func(*World)
		before, after packet
	}{
		{"a peer that is relabelled is none any more", network("np", accept(podsOf("", "app=db"))), peer,
			packet{want: Allow, tier: TierNetworkPolicy}, packet{want: Deny, tier: TierNetworkPolicy}},
		{"nor is one that has finished", network("np", accept(podsOf("", "app=db"))), func(w *World) {
			db := *w.Pods[1]
			db.Finished = true
			w.Pods[1] = &db
		}, packet{want: Allow, tier: TierNetworkPolicy}, packet{want: Deny, tier: TierNetworkPolicy}},
		{"the peer's namespace counts", network("np", accept(podsOf("team=red", "app=db"))), func(w *World) {
			w.Namespaces = map[string]labels.Set{"shop": {"team": "blue"}, "lab": {"team": "red"}}
		}, packet{want: Allow, tier: TierNetworkPolicy}, packet{want: Deny, tier: TierNetworkPolicy}},
		{"a subject that is relabelled is free", selecting(network("np"), "app=web"), func(w *World) {
			web := *w.Pods[0]
			web.Labels = labels.Set{"app": "free"}
			w.Pods[0] = &web
		}, packet{want: Deny, tier: TierNetworkPolicy}, packet{want: Allow, tier: TierDefault}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			from := scene(c.policy)
			to := *from
			to.Pods = append([]*Pod(nil), from.Pods...)
			c.change(&to)
			c.before.sentence, c.before.peer = "before", "10.0.0.2"
			c.after.sentence, c.after.peer = "after", "10.0.0.2"
			built := judgeAll(t, from, []packet{c.before})
			judgeAll(t, &to, []packet{c.after})
			f := c.after.flow(t, &to)
			if got := judge(built.Next(&to), EndpointOf(f.Pod.Ref.UID), f); got.Verdict != c.after.want {
				t.Errorf("built upon the tables of before: got %+v, want %v", got, c.after.want)
			}
		})
	}
}

func selecting(p Policy, pods string) Policy {
	p.Subject.Pods = mustParse(pods)
	return p
}

// P9: far more of everything than other implementations take, and the last of
// it counts like the first.
func TestNothingIsTruncated(t *testing.T) {
	const many = 3000
	var blocks, names []Peerage
	var ports []Port
	var rules []Rule
	for i := range many {
		at := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		if i%2 == 0 { // with gaps, so that none can be joined
			blocks = append(blocks, Peerage{Block: &Block{CIDR: netip.PrefixFrom(at, 32)}})
			ports = append(ports, tcp(uint16(20000+i)))
		}
		names = append(names, name(fmt.Sprintf("h%d.example.com", i)))
		other := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		rules = append(rules, accept(Peerage{Block: &Block{CIDR: netip.PrefixFrom(other, 32)}}).on(tcp(7)).called(fmt.Sprint("r", i)))
	}
	w := scene(network("np", accept(blocks...), accept(block("192.0.2.0/24")).on(ports...), accept(names...)),
		cluster(TierAdmin, 0, "cnp", rules...))
	judgeAll(t, w, []packet{
		{sentence: "the first CIDR", peer: "198.18.0.0", want: Allow, tier: TierNetworkPolicy},
		{sentence: "the last CIDR", peer: "198.18.11.182", want: Allow, tier: TierNetworkPolicy},
		{sentence: "and what is between two", peer: "198.18.11.183", want: Deny, tier: TierNetworkPolicy},
		{sentence: "the last port", peer: "192.0.2.1", port: 20000 + many - 2, want: Allow, tier: TierNetworkPolicy},
		{sentence: "and the one behind", peer: "192.0.2.1", port: 20000 + many - 1, want: Deny, tier: TierNetworkPolicy},
		{sentence: "the last name", peer: "8.8.8.8", names: []string{fmt.Sprintf("h%d.example.com", many-1)}, want: Allow, tier: TierNetworkPolicy},
		{sentence: "the last rule", peer: "203.0.11.183", port: 7, want: Allow, tier: TierAdmin, rule: fmt.Sprint("r", many-1)},
	})
}

// P17: nothing is ever applied to a node's own address, also where an object
// gives it to a pod of the node's network.
func TestNodeIsNoSubject(t *testing.T) {
	everywhere := cluster(TierAdmin, 0, "cnp", deny())
	everywhere.Ingress = everywhere.Egress
	w := scene(everywhere)
	w.Pods = append(w.Pods, &Pod{Ref: PodRef{"shop", "agent", "agent"}, Node: "n1", HostNetwork: true,
		Labels: labels.Set{"app": "web"}, Addresses: addrs("192.168.0.1")})
	c := Compile(w)
	if _, ok := c.Tables.Endpoints[EndpointOf("agent")]; ok {
		t.Error("P17: got an endpoint for a pod on the host network, want none")
	}
	for id, e := range c.Tables.Endpoints {
		for _, a := range e.Addresses {
			if a == netip.MustParseAddr("192.168.0.1") {
				t.Errorf("P17: endpoint %v has the node's address, want none to have it", id)
			}
		}
	}
	for _, d := range []Direction{Ingress, Egress} {
		got := Evaluate(w, Flow{Direction: d, Pod: w.Pods[3], Peer: netip.MustParseAddr("8.8.8.8"), Protocol: protocolTCP})
		if got.Verdict != Allow || got.Tier != TierUnknown {
			t.Errorf("P17: the rules, %v: got %+v, want that no policy can touch it", d, got)
		}
	}
}

// P22: two Services that share an address and port share their backends: which
// of them a connection gets is not known, whatever their order is.
func TestServicesOfOneAddress(t *testing.T) {
	for _, c := range []struct {
		sentence string
		backends []string // of one Service each
		want     Verdict
	}{
		{"all backends are allowed", []string{"10.0.0.2", "10.0.0.2"}, Allow},
		{"the first Service's is denied", []string{"10.0.1.1", "10.0.0.2"}, Deny},
		{"the last Service's is denied", []string{"10.0.0.2", "10.0.1.1"}, Deny},
	} {
		w := scene(network("np", accept(podsIn("shop", ""))))
		for _, backend := range c.backends {
			w.Services = append(w.Services, shopService(backend))
		}
		judgeAll(t, w, []packet{{sentence: c.sentence, peer: "10.96.0.7", port: 80, want: c.want, tier: TierNetworkPolicy}})
	}
}
