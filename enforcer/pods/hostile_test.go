package pods

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A pod with NET_ADMIN gives itself another pod's address. What it cannot
// forge decides, and where nothing else is known, nothing is believed.
func TestPretender(t *testing.T) {
	victim, bad := pod("victim", "cart-0", "10.1.0.5"), pod("bad", "bad-0", "10.1.0.66")
	setup := func(t *testing.T) (s *scene, v, b *sandbox) {
		s = newScene(t)
		v, b = s.sandbox(), s.sandbox()
		// The pretender is there first, and has the lower index.
		s.cable(b, "veth2", "eth0")
		b.address(t, "eth0", "10.1.0.66/24", "10.1.0.5/24")
		s.cable(v, "veth1", "eth0")
		v.address(t, "eth0", "10.1.0.5/24")
		return s, v, b
	}
	t.Run("against the cache it loses, and is told", func(t *testing.T) {
		s, v, b := setup(t)
		s.finder = New(s.config)
		s.finder.safety = 100 * time.Millisecond
		s.run()
		s.result("ptp.json", victim, v, "c1", at("veth1", "10.1.0.5"))
		s.result("ptp.json", bad, b, "c2", at("veth2", "10.1.0.66"))
		s.finder.Want([]Pod{victim, bad})
		s.awaitAt("victim", "veth1")
		s.awaitAt("bad", "veth2")
		s.await("a doubt", func(l *Located) bool {
			return strings.Contains(l.Doubts["victim"], "the namespace behind veth2, pod shop/bad-0's, has its address 10.1.0.5 as well")
		})
	})
	t.Run("against a cache that knows the victim alone it loses", func(t *testing.T) {
		s, v, _ := setup(t)
		s.start()
		s.result("ptp.json", victim, v, "c1", at("veth1", "10.1.0.5"))
		s.finder.Want([]Pod{victim, bad})
		s.awaitAt("victim", "veth1")
		s.awaitAt("bad", "veth2")
	})
	t.Run("against the node's routes it loses", func(t *testing.T) {
		s, _, _ := setup(t)
		s.route("10.1.0.5", "veth1", unix.RT_TABLE_MAIN)
		s.start()
		s.finder.Want([]Pod{victim})
		s.awaitAt("victim", "veth1")
		s.awaitUnknown("veth2")
	})
	t.Run("with nothing but namespaces to look into, its own address gives it away", func(t *testing.T) {
		s, _, _ := setup(t)
		s.start()
		s.finder.Want([]Pod{victim, bad})
		s.awaitAt("victim", "veth1")
		s.awaitAt("bad", "veth2")
	})
	t.Run("of two that nothing tells apart, neither is believed", func(t *testing.T) {
		s, _, _ := setup(t)
		s.start()
		s.finder.Want([]Pod{victim})
		s.awaitNot("victim", "the namespaces behind veth2 and veth1 both have its address")
		s.awaitUnknown("veth2", "veth1")
	})
	t.Run("of two pods, no one gets the namespace that has the addresses of both", func(t *testing.T) {
		s, _, _ := setup(t)
		check(t, netlink.LinkDel(must(netlink.LinkByName("veth1"))))
		s.start()
		s.finder.Want([]Pod{victim, bad})
		s.awaitNot("victim", "veth2 has its address, and another pod's as well")
		s.awaitNot("bad")
		s.awaitUnknown("veth2")
	})
	t.Run("what was found stays found when a pretender comes", func(t *testing.T) {
		s := newScene(t).start()
		v, b := s.sandbox(), s.sandbox()
		s.cable(v, "veth1", "eth0")
		v.address(t, "eth0", "10.1.0.5/24")
		s.finder.Want([]Pod{victim})
		s.awaitAt("victim", "veth1")
		s.cable(b, "veth2", "eth0")
		b.address(t, "eth0", "10.1.0.5/24")
		s.awaitUnknown("veth2")
		// Nor does the pod lose its policy by removing its address.
		check(t, v.link.AddrDel(must(v.link.LinkByName("eth0")), addr("10.1.0.5/24")))
		s.cable(s.sandbox(), "veth3", "eth0")
		s.awaitUnknown("veth2", "veth3")
		s.awaitAt("victim", "veth1")
	})
	t.Run("a second interface that it calls eth0 is not taken for the first", func(t *testing.T) {
		s, v, _ := setup(t)
		s.cable(v, "veth3", "net1")
		first, second := must(v.link.LinkByName("eth0")), must(v.link.LinkByName("net1"))
		for _, l := range []netlink.Link{first, second} {
			check(t, v.link.LinkSetDown(l))
		}
		check(t, v.link.LinkSetName(first, "was0"))
		check(t, v.link.LinkSetName(second, "eth0"))
		s.result("ptp.json", victim, v, "c1", at("not-told", "10.1.0.5"))
		s.start()
		s.finder.Want([]Pod{victim})
		s.awaitAt("victim", "veth1")
	})
}

// P17: what carries the node's own traffic is no pod's, whatever says so, and
// never gets a start posture.
func TestUplinks(t *testing.T) {
	p := pod("a", "cart-0", "10.1.0.5")
	cases := []struct {
		sentence, name string
		make           func(s *scene)
		reason         string
	}{
		{"a default route leads over it", "up0", func(s *scene) { s.uplink() }, "a default route leads over it"},
		{"a default route of another table leads over it", "up0", func(s *scene) {
			s.cable(s.sandbox(), "up0", "down0")
			check(s.tb, netlink.RouteAdd(&netlink.Route{LinkIndex: s.here("up0").Index, Table: 7, Scope: unix.RT_SCOPE_LINK, Dst: must(netlink.ParseIPNet("::/0"))}))
		}, "a default route leads over it"},
		{"one of several default routes leads over it", "up0", func(s *scene) {
			s.cable(s.sandbox(), "up0", "down0")
			s.cable(s.sandbox(), "up1", "down0")
			hops := []*netlink.NexthopInfo{{LinkIndex: s.here("up0").Index}, {LinkIndex: s.here("up1").Index}}
			check(s.tb, netlink.RouteAdd(&netlink.Route{MultiPath: hops, Scope: unix.RT_SCOPE_LINK, Dst: must(netlink.ParseIPNet("0.0.0.0/0"))}))
		}, "a default route leads over it"},
		{"it has an address of the Node object", "up0", func(s *scene) {
			s.cable(s.sandbox(), "up0", "down0")
			check(s.tb, netlink.AddrAdd(must(netlink.LinkByName("up0")), addr("192.0.2.10/24")))
		}, "it has the node's address 192.0.2.10"},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			s := newScene(t)
			c.make(s)
			b := s.sandbox()
			s.cable(b, "veth1", "eth0")
			s.start()
			s.finder.Node(pod("", "", "192.0.2.10").Addresses)
			s.awaitUnknown("veth1")
			s.result("aws.json", p, nil, "c1", at(c.name, "10.1.0.5"))
			s.route("10.1.0.5", c.name, unix.RT_TABLE_MAIN)
			s.finder.Want([]Pod{p})
			s.awaitNot("a", "(net-c1-eth0) names "+c.name+", which is no pod's: "+c.reason, "a route to 10.1.0.5 leads over "+c.name)
			s.finder.Told(s.told(p, b, c.name, "c2"))
			s.awaitNot("a", "the CNI chain names "+c.name+", which is no pod's: "+c.reason)
			s.awaitUnknown("veth1")
		})
	}
	t.Run("an interface that becomes the uplink is a pod's no more", func(t *testing.T) {
		s := newScene(t)
		s.cable(s.sandbox(), "veth1", "eth0")
		s.start()
		s.awaitUnknown("veth1")
		check(t, netlink.AddrAdd(must(netlink.LinkByName("veth1")), addr("192.0.2.10/24")))
		check(t, netlink.RouteAdd(&netlink.Route{Gw: pod("", "", "192.0.2.1").Addresses[0].AsSlice()}))
		s.awaitUnknown()
	})
}

// What looks like a pod's, and what does not.
func TestUnknown(t *testing.T) {
	s := newScene(t)
	s.config.Pods, s.config.Ignore = []string{"veth*", "eni*"}, []string{"*-x"}
	s.cable(s.sandbox(), "eni1", "eth0")
	s.cable(s.sandbox(), "cali1", "eth0")
	s.cable(s.sandbox(), "veth-x", "eth0")
	check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "veth-here"}, PeerName: "veth-there"}))
	check(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "veth-bridge"}}))
	s.cable(s.sandbox(), "veth1", "eth0")
	s.start()
	s.awaitUnknown("eni1", "veth1")
}

// A pod that is not found is told of, with what would help, and not before its
// network can be there.
func TestWhy(t *testing.T) {
	s := newScene(t).start()
	began := time.Now()
	s.finder.Want([]Pod{pod("a", "cart-0"), pod("b", "cart-1", "10.1.0.5", "fd00::5")})
	s.awaitNot("b", "no route leads to 10.1.0.5 or fd00::5 alone", "enforcer cni install", filepath.Clean(s.config.Cache))
	s.awaitNot("a", "the API server knows no address of it yet")
	for _, l := range s.past() {
		if _, told := l.Why["a"]; told && time.Since(began) < grace {
			t.Error("a pod without an address is told of at once, want a grace")
		}
	}
	half := filepath.Join(s.config.Cache, "results", "half")
	check(t, os.WriteFile(half, []byte(`{"kind":`), 0o600))
	s.awaitNot("b", half+": read a cached CNI result: unexpected end of JSON input")
	s.finder.Want([]Pod{pod("a", "cart-0", "10.1.0.5"), pod("b", "cart-1", "10.1.0.5")})
	s.cable(s.sandbox(), "veth1", "eth0")
	s.route("10.1.0.5", "veth1", unix.RT_TABLE_MAIN)
	s.awaitNot("a", "leads to veth1, as for pod shop/cart-1")
	s.awaitNot("b", "leads to veth1, as for pod shop/cart-0")
}

// A runtime that tells no UID is believed where name and address agree.
func TestResultWithoutUID(t *testing.T) {
	s := newScene(t)
	s.cable(s.sandbox(), "veth1", "eth0")
	s.result("old.json", pod("", "cart-0"), nil, "c1", at("veth1", "10.1.0.5"))
	s.start()
	s.finder.Want([]Pod{pod("a", "cart-0")})
	s.awaitNot("a", "has a result for this name, but no UID, and no address of the pod")
	s.finder.Want([]Pod{pod("a", "cart-0", "10.1.0.6")})
	s.awaitNot("a", "no address of the pod")
	s.finder.Want([]Pod{pod("a", "cart-0", "10.1.0.5"), pod("b", "cart-0", "10.1.0.5")})
	s.awaitNot("a", "more than one pod has the name")
	s.finder.Want([]Pod{pod("a", "cart-0", "10.1.0.5")})
	s.awaitAt("a", "veth1")
}

// P17: also where the kernel of the test machine has no such interfaces.
func TestStackedUplinks(t *testing.T) {
	n := &network{links: map[int]*link{}, addresses: []address{{netip.MustParseAddr("192.0.2.10"), 3}}}
	for _, l := range []*link{
		{name: "eth0", index: 1, kind: "veth", peer: 9, nsid: 0},
		{name: "eth0.7", index: 2, kind: "vlan", peer: 1, nsid: nowhere},
		{name: "mac0", index: 3, kind: "macvlan", peer: 2, nsid: nowhere},
		{name: "eth1", index: 4, kind: "veth", peer: 9, nsid: 1, slave: "bond"},
		{name: "port0", index: 5, kind: "veth", peer: 9, nsid: 2, slave: "bridge"},
		{name: "loop0", index: 6, kind: "vlan", peer: 6, nsid: nowhere},
	} {
		n.links[l.index] = l
	}
	n.defaults = []int{6}
	n.index()
	n.bar([]netip.Addr{netip.MustParseAddr("192.0.2.10")})
	want := map[int]string{
		1: "eth0.7 is stacked on it, and mac0 is stacked on it, and it has the node's address 192.0.2.10",
		2: "mac0 is stacked on it, and it has the node's address 192.0.2.10",
		3: "it has the node's address 192.0.2.10",
		4: "it is part of a bond",
		6: "a default route leads over it",
	}
	if !maps.Equal(n.barred, want) {
		t.Errorf("got %v, want %v", n.barred, want)
	}
}
