package pods

import (
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// P16: an address or a name that is used again does not lead to the old pod's
// interface, by whatever means.
func TestReuse(t *testing.T) {
	old, new := pod("old", "cart-0", "10.1.0.5"), pod("new", "cart-0", "10.1.0.5")
	// leftover is a pod whose sandbox outlives it.
	leftover := func(t *testing.T, wire func(*scene, *sandbox)) *scene {
		s := newScene(t).start()
		b := s.sandbox()
		s.cable(b, "veth1", "eth0")
		wire(s, b)
		s.finder.Want([]Pod{old})
		s.awaitAt("old", "veth1")
		s.finder.Want(nil)
		s.awaitUnknown("veth1")
		return s
	}
	inside := func(s *scene, b *sandbox) { b.address(s.tb, "eth0", "10.1.0.5/24") }
	t.Run("the old namespace still has the address", func(t *testing.T) {
		s := leftover(t, inside)
		s.finder.Want([]Pod{new})
		s.awaitNot("new")
		b := s.sandbox()
		s.cable(b, "veth2", "eth0")
		inside(s, b)
		s.awaitAt("new", "veth2")
		s.awaitUnknown("veth1")
	})
	t.Run("the node's route still leads to the old one", func(t *testing.T) {
		s := leftover(t, func(s *scene, b *sandbox) { inside(s, b); s.route("10.1.0.5", "veth1", unix.RT_TABLE_MAIN) })
		s.finder.Want([]Pod{new})
		s.awaitNot("new", "a route to 10.1.0.5 leads over veth1, which", "gives to another pod (UID old)")
		b := s.sandbox()
		s.cable(b, "veth2", "eth0")
		inside(s, b)
		s.awaitAt("new", "veth2")
	})
	t.Run("a route comes late to what was found by its namespace", func(t *testing.T) {
		s := leftover(t, inside)
		s.finder.Want([]Pod{new})
		s.awaitNot("new")
		s.route("10.1.0.5", "veth1", unix.RT_TABLE_MAIN)
		s.awaitNot("new", "a route to 10.1.0.5 leads over veth1, which", "gives to another pod (UID old)")
	})
	t.Run("the route is older than the enforcer, and behind it the address is gone", func(t *testing.T) {
		s := newScene(t)
		b, c := s.sandbox(), s.sandbox()
		s.cable(b, "veth1", "eth0")
		s.route("10.1.0.5", "veth1", unix.RT_TABLE_MAIN)
		s.cable(c, "veth2", "eth0")
		inside(s, c)
		s.start()
		s.finder.Want([]Pod{new})
		s.awaitAt("new", "veth2")
	})
	t.Run("both are alive, and the cache tells them apart", func(t *testing.T) {
		s := leftover(t, inside)
		b := s.sandbox()
		s.cable(b, "veth2", "eth0")
		inside(s, b)
		s.finder.Want([]Pod{old, new})
		s.result("ptp.json", new, b, "c2", at("veth2", "10.1.0.5"))
		s.awaitAt("new", "veth2")
		s.awaitAt("old", "veth1")
	})
	t.Run("an interface's name is used again, and the later result counts", func(t *testing.T) {
		s := newScene(t)
		b := s.sandbox()
		s.cable(b, "eni1", "eth0")
		past := time.Now().Add(-time.Minute)
		check(t, os.Chtimes(s.result("aws.json", old, nil, "c9", at("eni1", "10.1.0.5")), past, past))
		s.result("aws.json", new, nil, "c1", at("eni1", "10.1.0.5"))
		s.start()
		s.finder.Want([]Pod{new, old})
		s.awaitAt("new", "eni1")
		s.awaitNot("old", "(net-c1-eth0) better gives to pod shop/cart-0")
	})
	t.Run("a name is used again, and the result leads to another namespace than its own", func(t *testing.T) {
		s := newScene(t)
		b, c := s.sandbox(), s.sandbox()
		s.cable(b, "eni1", "eth0")
		s.cable(c, "eni2", "eth0")
		s.result("aws.json", new, b, "c1", at("eni1", "10.1.0.5"))
		past := time.Now().Add(-time.Minute)
		check(t, os.Chtimes(s.result("aws.json", new, b, "c1", at("eni2", "10.1.0.5")), past, past))
		s.start()
		s.finder.Want([]Pod{new})
		s.awaitAt("new", "eni1")
	})
	t.Run("a sandbox that is made again for the same pod", func(t *testing.T) {
		s := leftover(t, inside)
		b := s.sandbox()
		s.cable(b, "veth2", "eth0")
		s.finder.Want([]Pod{old})
		s.awaitAt("old", "veth1")
		s.result("ptp.json", old, b, "c2", at("veth2", "10.1.0.6"))
		s.awaitAt("old", "veth2")
		s.awaitUnknown("veth1")
	})
}

// What the cache names comes and goes, and is named anew.
func TestInterfacesComeAndGo(t *testing.T) {
	p := pod("a", "cart-0")
	setup := func(t *testing.T, told *sandbox) (*scene, *sandbox) {
		s := newScene(t).start()
		b := s.sandbox()
		s.cable(b, "veth1", "eth0")
		s.finder.Want([]Pod{p})
		s.result("ptp.json", p, b, "c1", at("veth1", "10.1.0.5"))
		s.awaitAt("a", "veth1")
		return s, b
	}
	rename := func(s *scene, from, to string) {
		l := must(netlink.LinkByName(from))
		check(s.tb, netlink.LinkSetDown(l))
		check(s.tb, netlink.LinkSetName(l, to))
		check(s.tb, netlink.LinkSetUp(l))
	}
	t.Run("renamed while it is watched", func(t *testing.T) {
		s, _ := setup(t, nil)
		rename(s, "veth1", "other1")
		s.awaitAt("a", "other1")
	})
	t.Run("renamed before the start, found by its namespace", func(t *testing.T) {
		s, _ := setup(t, nil)
		s.stop()
		rename(s, "veth1", "other1")
		s.located = nil
		s.start()
		s.finder.Want([]Pod{p})
		s.awaitAt("a", "other1")
	})
	t.Run("renamed before the start, found by its hardware address", func(t *testing.T) {
		s := newScene(t)
		b := s.sandbox()
		s.cable(b, "veth1", "eth0")
		mac := must(netlink.LinkByName("veth1")).Attrs().HardwareAddr.String()
		s.result("ptp.json", p, nil, "c1", func(result map[string]any) {
			at("veth1", "10.1.0.5")(result)
			result["interfaces"].([]any)[0].(map[string]any)["mac"] = mac
		})
		rename(s, "veth1", "other1")
		s.start()
		s.finder.Want([]Pod{p})
		s.awaitAt("a", "other1")
	})
	t.Run("deleted, and made again with the same name and another index", func(t *testing.T) {
		s, b := setup(t, nil)
		before := s.here("veth1")
		check(t, netlink.LinkDel(must(netlink.LinkByName("veth1"))))
		s.awaitNot("a", "names no interface that the node has")
		s.cable(b, "veth1", "eth0")
		s.awaitAt("a", "veth1")
		if s.here("veth1") == before {
			t.Error("the index is the same, the test tests nothing")
		}
	})
	t.Run("deleted, and somebody else's has the name", func(t *testing.T) {
		s, _ := setup(t, nil)
		check(t, netlink.LinkDel(must(netlink.LinkByName("veth1"))))
		s.awaitNot("a")
		s.cable(s.sandbox(), "veth1", "eth0")
		s.awaitNot("a", "veth1, which leads to another network namespace than")
		s.awaitUnknown("veth1")
	})
	t.Run("a second interface of the pod is its own affair", func(t *testing.T) {
		s, b := setup(t, nil)
		s.cable(b, "veth2", "net1")
		s.cable(s.sandbox(), "veth3", "eth0")
		s.awaitUnknown("veth3")
		s.awaitAt("a", "veth1")
	})
	t.Run("the result goes before the interface does, and the pod may still send", func(t *testing.T) {
		s, _ := setup(t, nil)
		check(t, os.Remove(s.config.Cache+"/results/net-c1-eth0"))
		s.finder.Want([]Pod{p, pod("b", "cart-1")})
		s.awaitNot("b")
		s.awaitAt("a", "veth1")
	})
}
