package policy

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// Equal Worlds give equal Tables and Problems, in whatever order things come.
func TestCompileIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		shuffled := *w
		shuffled.Pods = rapid.Permutation(w.Pods).Draw(t, "pods")
		shuffled.Policies = rapid.Permutation(w.Policies).Draw(t, "policies")
		shuffled.Nodes = rapid.Permutation(w.Nodes).Draw(t, "nodes")
		shuffled.ClusterDNS = rapid.Permutation(w.ClusterDNS).Draw(t, "dns")
		a, b := Compile(w), Compile(&shuffled)
		if !reflect.DeepEqual(a.Tables, b.Tables) {
			t.Fatalf("tables differ:\n%+v\n%+v", a.Tables, b.Tables)
		}
		if !slices.Equal(a.Problems, b.Problems) {
			t.Fatalf("problems differ:\n%v\n%v", a.Problems, b.Problems)
		}
	})
}

// Next gives what Compile gives, whatever it could share, and however often.
func TestNextIsCompile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		c := Compile(w)
		for step := range count(t, "steps", 1, 6) {
			to := *w
			if chance(t, "new policies", 3) {
				to.Policies = changePolicies(t, w.Policies)
			}
			if !chance(t, "same pods", 4) {
				to.Pods = changePods(t, w.Pods, 1000*step)
			}
			if chance(t, "new services", 4) {
				to.Services = changeServices(t, w.Services)
			}
			if chance(t, "new surroundings", 4) {
				changeSurroundings(t, &to)
			}
			w, c = &to, c.Next(&to)
			anew := Compile(w)
			same(t, c, anew)
			occupied(t, c, anew)
			occupied(t, anew, c)
		}
	})
}

// plainTables are Tables whose pages, which depend on the way that led to them,
// are none.
type plainTables struct {
	*Tables
	Addresses map[netip.Addr]Peer
	Services  map[ServiceKey]Targets
}

func plainOf(t *Tables) plainTables {
	bare := *t
	bare.Addresses, bare.Services = atlas.Map[netip.Addr, Peer]{}, atlas.Map[ServiceKey, Targets]{}
	return plainTables{&bare, maps.Collect(t.Addresses.All()), maps.Collect(t.Services.All())}
}

func same(t *rapid.T, got, want *Compiled) {
	t.Helper()
	if a, b := plainOf(got.Tables), plainOf(want.Tables); !reflect.DeepEqual(a, b) {
		addresses := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		all := cmp.Exporter(func(reflect.Type) bool { return true })
		t.Fatalf("tables differ (-want +got):\n%s", cmp.Diff(b, a, addresses, all))
	}
	if !slices.Equal(got.Problems, want.Problems) {
		t.Fatalf("got problems  %v\nwant %v", got.Problems, want.Problems)
	}
	if !reflect.DeepEqual(got.isolations, want.isolations) {
		t.Fatalf("got isolations  %v\nwant %v", got.isolations, want.isolations)
	}
	for id, list := range want.lists {
		if got.lists[id] == nil || got.lists[id].digest != list.digest {
			t.Fatalf("list %v cannot be explained", id)
		}
	}
}

// occupied holds what a World made of another says of addresses to what one
// made anew does (N10).
func occupied(t *rapid.T, got, want *Compiled) {
	t.Helper()
	asked := slices.Clone(got.world.LocalAddresses)
	for _, p := range got.world.Pods {
		asked = append(asked, p.Addresses...)
	}
	for _, s := range got.world.Services {
		asked = append(asked, s.Addresses...)
	}
	for a := range want.pods.All() {
		asked = append(asked, a)
	}
	for a := range want.fronts.All() {
		asked = append(asked, a)
	}
	for _, a := range asked {
		if got, want := got.Occupant(a), want.Occupant(a); got != want {
			t.Fatalf("%v: got occupant %v, want %v", a, got, want)
		}
	}
}

// No table holds an entry that changes nothing, and none is missing.
func TestTablesAreLean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tables := Compile(drawWorld(t)).Tables
		for id, list := range tables.Lists {
			wide := false
			for cell, row := range list.Rows {
				every, ok := list.Rows[Cell{AnyPeer, cell.Port}]
				if cell.Peer == AnyPeer {
					wide = true
					every, ok = NoRule, true
				} else if !ok {
					every = NoRule
				}
				if row == every {
					t.Fatalf("row %v of list %v says nothing: %v", cell, id, row)
				}
			}
			if wide != list.Wide {
				t.Fatalf("list %v is wide: got %v, want %v", id, list.Wide, wide)
			}
		}
		for i, span := range tables.Ports {
			if span.Class == 0 || span.First > span.Last {
				t.Fatalf("span %v says nothing", span)
			}
			if i > 0 && span.Protocol == tables.Ports[i-1].Protocol && span.First <= tables.Ports[i-1].Last {
				t.Fatalf("spans %v and %v overlap or are not sorted", tables.Ports[i-1], span)
			}
		}
		for a, peer := range tables.Addresses.All() {
			if peer.Class&nameClassBit != 0 {
				t.Fatalf("the class of %v could be that of names", a)
			}
			if a.Is4In6() || !a.IsValid() {
				t.Fatalf("address %v is not in its plain form", a)
			}
		}
		for p, class := range tables.Prefixes {
			if class&nameClassBit != 0 {
				t.Fatalf("the class of %v could be that of names", p)
			}
			if p != p.Masked() || p.IsSingleIP() || p.Addr().Is4In6() {
				t.Fatalf("prefix %v is not in its plain form", p)
			}
		}
	})
}

// P11: IPv4 must not fall through to an IPv6 prefix in the kernel's one trie.
func TestIPv4Guard(t *testing.T) {
	everything := netip.MustParsePrefix("0.0.0.0/0")
	for _, c := range []struct {
		sentence string
		cidr     string
		want     bool
	}{
		{"::/0 covers the mapped addresses", "::/0", true},
		{"::/64 covers them too", "::/64", true},
		{"2000::/3 does not", "2000::/3", false},
		{"an IPv4 block needs no guard", "10.0.0.0/8", false},
	} {
		tables := Compile(scene(network("np", accept(block(c.cidr))))).Tables
		if _, got := tables.Prefixes[everything]; got != c.want {
			t.Errorf("%s: 0.0.0.0/0 is there: got %v, want %v", c.sentence, got, c.want)
		}
	}
}

// Only rules for pods of this node cost anything.
func TestOtherNodesPoliciesCostNothing(t *testing.T) {
	p := network("np", accept(block("10.0.0.0/8")).on(tcp(80)))
	p.Subject.Pods = mustParse("app=db")
	tables := Compile(scene(p)).Tables
	if len(tables.Prefixes)+len(tables.Lists)+len(tables.Ports) != 0 {
		t.Errorf("got %+v, want no prefixes, rows and ports", tables)
	}
}

// A block list is one class, however long it is and whatever else is inside.
func TestBlockListIsOneClass(t *testing.T) {
	var peers []Peerage
	for i := range 200 {
		peers = append(peers, Peerage{Block: &Block{CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i), 0}), 24)}})
	}
	tables := Compile(scene(cluster(TierAdmin, 0, "list", deny(peers...)))).Tables
	classes := map[ClassID]bool{}
	for _, class := range tables.Prefixes {
		classes[class] = true
	}
	if len(classes) != 1 || len(tables.Prefixes) != 200 {
		t.Errorf("got %d classes in %d prefixes, want 1 in 200", len(classes), len(tables.Prefixes))
	}
}

// D8: pinned maps outlive the program, so these ids must never change.
func TestPinnedIDs(t *testing.T) {
	if got, want := EndpointOf("5f0b2a6c-8f5e-4a53-9d0f-2f5f3a0c9d11"), EndpointID(0xdc31d831cba0c62e); got != want {
		t.Errorf("endpoint: got %#x, want %#x", got, want)
	}
	c := Compile(scene())
	if got, want := c.NameClass([]string{"*.example.com", "b.test"}), ClassID(0x9eaaa85972ae64b5); got != want {
		t.Errorf("name class: got %#x, want %#x", got, want)
	}
	if got := c.NameClass(nil); got != 0 {
		t.Errorf("name class of no patterns: got %#x, want 0", got)
	}
}

// Name rows hold what names alone say, in every port class that has it.
func TestNameRows(t *testing.T) {
	w := scene(network("np", accept(name("b.test")).on(tcp(80)), accept(block("10.0.0.0/8")).on(tcp(81))))
	c := Compile(w)
	rows := c.NameRows(EndpointOf("web"), []string{"b.test"})
	want := map[RowKey]Precedence{{
		c.Tables.Endpoints[EndpointOf("web")].Egress.NetworkPolicy,
		Cell{c.NameClass([]string{"b.test"}), c.Tables.portClassOf(protocolTCP, 80)},
	}: NewPrecedence(1, ActionAccept)}
	if !maps.Equal(rows, want) {
		t.Errorf("got %v, want %v", rows, want)
	}
	if rows := c.NameRows(EndpointOf("probe"), []string{"b.test"}); len(rows) != 0 {
		t.Errorf("a pod without name rules: got %v, want no rows", rows)
	}
	if rows := c.NameRows(EndpointOf("nobody"), []string{"b.test"}); len(rows) != 0 {
		t.Errorf("no endpoint: got %v, want no rows", rows)
	}
}

func TestPrecedence(t *testing.T) {
	p := NewPrecedence(12, ActionPass)
	if p.Index() != 12 || p.Action() != ActionPass {
		t.Errorf("got %d %v, want 12 Pass", p.Index(), p.Action())
	}
	if !(NewPrecedence(1, ActionPass) < NewPrecedence(2, ActionAccept)) {
		t.Error("an earlier rule must be the smaller precedence, whatever it does")
	}
	if NoRule.Action() != ActionPass {
		t.Error("a tier without a rule must leave the decision to the next one")
	}
	if !(closedRow < NewPrecedence(1, ActionAccept)) {
		t.Error("closing must beat every rule")
	}
}

// TestOwnAddresses: a pod's endpoint has its addresses of both families, in one
// form and order however the API gives them (P19, P20).
func TestOwnAddresses(t *testing.T) {
	four, six := netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fd00::7")
	want := []netip.Addr{four, six}
	mapped := netip.AddrFrom16(four.As16())
	for _, given := range [][]netip.Addr{{four, six}, {six, four}, {six, mapped}} {
		w := &World{Node: "n", Default: Deny, Pods: []*Pod{{
			Ref: PodRef{Namespace: "a", Name: "p", UID: "u"}, Node: "n", Addresses: given,
		}}}
		got := Compile(w).Tables.Endpoints[EndpointOf("u")].Addresses
		if !slices.Equal(got, want) {
			t.Errorf("addresses %v: got %v, want %v", given, got, want)
		}
	}
}
