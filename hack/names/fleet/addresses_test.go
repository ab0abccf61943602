package fleet

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/hack/demo/scene"
)

// TestNumbers: name, address and owner of a number lead back to it, and to no
// other number.
func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint32Range(0, Numbers-1).Draw(t, "number")
		if got, ok := numberOf(Name(number)); !ok || got != number {
			t.Errorf("number of %s: got %d %v, want %d", Name(number), got, ok, number)
		}
		for _, family := range scene.Families {
			at := Address(number).Of(family)
			if got, ok := numberAt(at); !ok || got != number {
				t.Errorf("number at %s: got %d %v, want %d", at, got, ok, number)
			}
			if !doors4.Contains(at) && !doors6.Contains(at) {
				t.Errorf("address of %d: got %s, want one of the doors'", number, at)
			}
		}
	})
}

func TestNumberOfRefuses(t *testing.T) {
	for why, name := range map[string]string{
		"another zone":                     "n1.example.net",
		"the zone's apex":                  zone,
		"a name below":                     "a.n1." + zone,
		"a label of another form":          "www." + zone,
		"a number that has no address":     "n16777216." + zone,
		"a number that is none":            "n-1." + zone,
		"a number with a letter behind it": "n1a." + zone,
	} {
		t.Run(why, func(t *testing.T) {
			if got, ok := numberOf(name); ok {
				t.Errorf("number of %s: got %d, want none", name, got)
			}
		})
	}
	if got, ok := numberAt(netip.MustParseAddr("46.0.0.1")); ok {
		t.Errorf("number at an address beside the doors: got %d, want none", got)
	}
}

func TestAnAskerOwnsItsFreshNamesAlone(t *testing.T) {
	askers, _ := newPods()
	seen := make(map[uint32]bool)
	for _, pod := range askers {
		for range 3 {
			number := pod.Fresh()
			if seen[number] || Owner(number) != pod.Index {
				t.Errorf("%s: got number %d of asker %d, seen %v; want a fresh one of its own", pod, number, Owner(number), seen[number])
			}
			seen[number] = true
		}
	}
}

// TestPodsOfEveryKindAreOnEveryNode: without, kinds of leaks would not be tried.
func TestPodsOfEveryKindAreOnEveryNode(t *testing.T) {
	askers, others := newPods()
	if len(askers) != Askers {
		t.Fatalf("askers: got %d, want %d", len(askers), Askers)
	}
	kinds, addresses := make(map[string]map[int]int), make(map[netip.Addr]string)
	for _, pod := range append(askers, others...) {
		if kinds[pod.Role] == nil {
			kinds[pod.Role] = make(map[int]int)
		}
		kinds[pod.Role][pod.Node]++
		for i, family := range scene.Families {
			at := pod.Address.Of(family)
			if addresses[at] != "" || !podNetworks(pod.Node)[i].Contains(at) {
				t.Errorf("address of %s: got %s, also of %q; want its own, in the node's network", pod, at, addresses[at])
			}
			addresses[at] = pod.Name
		}
	}
	for role, nodes := range kinds {
		for node := range Nodes {
			if least := map[bool]int{true: 1, false: 2}[role == "bystander"]; nodes[node] < least {
				t.Errorf("%ss of %s: got %d, want at least %d", role, nodeName(node), nodes[node], least)
			}
		}
	}
}

// written keeps a reply.
type written struct {
	dns.ResponseWriter
	reply *dns.Msg
}

func (w *written) WriteMsg(m *dns.Msg) error { w.reply = m; return nil }

func TestZone(t *testing.T) {
	for _, c := range []struct {
		says, name string
		kind       uint16
		code       int
		address    string
	}{
		{"a fresh name has an IPv4 address", "n258.fresh.example.net.", dns.TypeA, dns.RcodeSuccess, "45.0.1.2"},
		{"and an IPv6 address", "n258.fresh.example.net.", dns.TypeAAAA, dns.RcodeSuccess, "2606:4700:20::102"},
		{"in any case of its letters", "N258.Fresh.example.NET.", dns.TypeA, dns.RcodeSuccess, "45.0.1.2"},
		{"and nothing else", "n258.fresh.example.net.", dns.TypeMX, dns.RcodeSuccess, ""},
		{"other names do not exist", "www.fresh.example.net.", dns.TypeA, dns.RcodeNameError, ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			var w written
			scene.Zone(lookup).ServeDNS(&w, new(dns.Msg).SetQuestion(c.name, c.kind))
			got := ""
			for _, rr := range w.reply.Answer {
				switch rr := rr.(type) {
				case *dns.A:
					got = rr.A.String()
				case *dns.AAAA:
					got = rr.AAAA.String()
				}
			}
			if w.reply.Rcode != c.code || got != c.address {
				t.Errorf("got %s %q, want %s %q", dns.RcodeToString[w.reply.Rcode], got, dns.RcodeToString[c.code], c.address)
			}
		})
	}
}

func TestDoorsKnowStrangers(t *testing.T) {
	pod, other := netip.MustParseAddr("10.88.0.10"), netip.MustParseAddr("10.88.0.60")
	for _, c := range []struct {
		says      string
		from, to  netip.Addr
		strangers int
	}{
		{"an asker at the door of its own name is none", pod, Address(Askers + 7).V4, 0},
		{"in either family", pod, Address(7).V6, 0},
		{"an asker at another's door is one", pod, Address(8).V4, 1},
		{"a pod without names is one at every door", other, Address(7).V4, 1},
		{"a door without a name is nobody's", pod, netip.MustParseAddr("192.0.2.254"), 1},
	} {
		t.Run(c.says, func(t *testing.T) {
			d := &Doors{asker: map[netip.Addr]int{pod: 7}}
			d.note(c.from, c.to)
			if owners, strangers, _ := d.Passed(); strangers != c.strangers || owners != 1-c.strangers {
				t.Errorf("got %d owners and %d strangers, want %d and %d", owners, strangers, 1-c.strangers, c.strangers)
			}
		})
	}
}
