package pods

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cni makes a pod's network as a plugin does.
type cni struct {
	sentence, file, host, far string
	addresses                 []string
	wire                      func(s *scene, b *sandbox, c cni)
}

func ptp(s *scene, b *sandbox, c cni) {
	s.cable(b, c.host, "eth0")
	check(s.tb, netlink.AddrAdd(must(netlink.LinkByName(c.host)), addr("10.1.0.1/32")))
	routed(s, b, c)
}

func routed(s *scene, b *sandbox, c cni) {
	for _, a := range c.addresses {
		b.address(s.tb, "eth0", whole(a))
		s.route(a, c.host, unix.RT_TABLE_MAIN)
	}
}

func calico(s *scene, b *sandbox, c cni) {
	s.cable(b, c.host, "eth0")
	check(s.tb, os.WriteFile("/proc/sys/net/ipv4/conf/"+c.host+"/proxy_arp", []byte("1"), 0))
	routed(s, b, c)
	gateway := must(netlink.ParseIPNet("169.254.1.1/32"))
	check(s.tb, b.link.RouteAdd(&netlink.Route{Dst: gateway, LinkIndex: must(b.link.LinkByName("eth0")).Attrs().Index, Scope: unix.RT_SCOPE_LINK}))
	check(s.tb, b.link.RouteAdd(&netlink.Route{Gw: gateway.IP}))
}

// aws has rules that send what comes from a pod out by its own uplink, whose
// table has a default route. Without that the uplink looks like a pod's, so it is
// there before any pod.
func aws(s *scene, b *sandbox, c cni) {
	s.cable(s.sandbox(), "eth1", "down1")
	check(s.tb, netlink.RouteAdd(&netlink.Route{LinkIndex: s.here("eth1").Index, Table: 2, Scope: unix.RT_SCOPE_LINK, Dst: must(netlink.ParseIPNet("0.0.0.0/0"))}))
	s.cable(b, c.host, "eth0")
	routed(s, b, c)
	to := netlink.NewRule()
	to.Dst, to.Table, to.Priority = must(netlink.ParseIPNet(whole(c.addresses[0]))), unix.RT_TABLE_MAIN, 512
	check(s.tb, netlink.RuleAdd(to))
	from := netlink.NewRule()
	from.Src, from.Table, from.Priority = to.Dst, 2, 1536
	check(s.tb, netlink.RuleAdd(from))
}

func bridge(s *scene, b *sandbox, c cni) {
	check(s.tb, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "cni0"}}))
	cni0 := must(netlink.LinkByName("cni0"))
	check(s.tb, netlink.AddrAdd(cni0, addr("10.1.0.1/24")))
	check(s.tb, netlink.LinkSetUp(cni0))
	s.cable(b, c.host, "eth0")
	check(s.tb, netlink.LinkSetMaster(must(netlink.LinkByName(c.host)), cni0))
	for _, a := range c.addresses {
		b.address(s.tb, "eth0", a+"/24")
	}
}

var cnis = []cni{
	{"ptp", "ptp.json", "veth12345678", "eth0", []string{"10.1.0.5"}, ptp},
	{"bridge, whose ports count", "bridge.json", "veth12345678", "eth0", []string{"10.1.0.5"}, bridge},
	{"Calico", "calico.json", "cali0123456789a", "eth0", []string{"10.1.0.5"}, calico},
	{"AWS, with tables of its own", "aws.json", "eni0123456789a", "eth0", []string{"10.1.0.5"}, aws},
	{"Calico with both families (P20)", "calico.json", "cali0123456789a", "eth0", []string{"10.1.0.5", "fd00::5"}, calico},
	{"ptp with IPv6 alone (P20)", "ptp.json", "veth12345678", "eth0", []string{"fd00::5"}, ptp},
}

// D9, P20, P21: on every CNI the interface is unknown as soon as it is there,
// and the pod's as soon as anything says so; the node's own never is.
func TestFindsOnEachCNI(t *testing.T) {
	for _, c := range cnis {
		t.Run(c.sentence+", told by the cache", func(t *testing.T) {
			s := newScene(t)
			s.uplink()
			s.start()
			b, p := s.sandbox(), pod("a", "cart-0")
			c.wire(s, b, c)
			s.awaitUnknown(c.host)
			s.finder.Want([]Pod{p})
			s.result(c.file, p, b, "c1", at(c.host, c.addresses...))
			l := s.awaitAt("a", c.host)
			var want []netip.Addr
			for _, a := range c.addresses {
				want = append(want, netip.MustParseAddr(a))
			}
			if !slices.Equal(l.Addresses["a"], want) || len(l.Why)+len(l.Doubts)+len(l.Unknown) != 0 {
				t.Errorf("got %+v, want addresses %v and nothing to explain", l, want)
			}
		})
		t.Run(c.sentence+", with the kernel's word alone", func(t *testing.T) {
			s := newScene(t)
			s.uplink()
			s.start()
			c.wire(s, s.sandbox(), c)
			s.awaitUnknown(c.host)
			s.finder.Want([]Pod{pod("a", "cart-0", c.addresses...)})
			if l := s.awaitAt("a", c.host); len(l.Addresses) != 0 {
				t.Errorf("got addresses %v, want none, for nobody told any", l.Addresses)
			}
			s.finder.Want(nil)
			s.awaitUnknown(c.host)
		})
	}
}

// told is what the chain would say of a pod.
func (s *scene) told(p Pod, b *sandbox, host, container string) Attachment {
	return Attachment{
		ContainerID: container, Netns: b.path(), Namespace: p.Namespace, Name: p.Name, UID: p.UID,
		Interface: host, IfIndex: s.here(host).Index, Addresses: p.Addresses,
	}
}

// D9, D8: what the chain tells is known at once, after a restart as well, and
// until its interface is gone.
func TestChain(t *testing.T) {
	setup := func(t *testing.T) (*scene, *sandbox) {
		s := newScene(t).start()
		b := s.sandbox()
		s.cable(b, "veth1", "eth0")
		s.finder.Want([]Pod{pod("a", "cart-0")})
		s.finder.Told(s.told(pod("a", "cart-0", "10.1.0.5"), b, "veth1", "c1"))
		l := s.awaitAt("a", "veth1")
		if want := pod("", "", "10.1.0.5").Addresses; !slices.Equal(l.Addresses["a"], want) {
			t.Errorf("got addresses %v, want %v", l.Addresses["a"], want)
		}
		return s, b
	}
	again := func(s *scene) {
		s.stop()
		s.located = nil
		s.start()
		s.finder.Want([]Pod{pod("a", "cart-0")})
	}
	file := func(s *scene) string { return filepath.Join(s.config.Attachments, "c1.json") }
	t.Run("a restarted enforcer knows", func(t *testing.T) {
		s, _ := setup(t)
		again(s)
		s.awaitAt("a", "veth1")
	})
	t.Run("after a Run that ended, the same finder knows", func(t *testing.T) {
		s, _ := setup(t)
		s.stop()
		s.located = nil
		s.run()
		s.awaitAt("a", "veth1")
	})
	t.Run("what was told before another boot is nothing", func(t *testing.T) {
		s, _ := setup(t)
		s.stop()
		var kept told
		check(t, json.Unmarshal(must(os.ReadFile(file(s))), &kept))
		kept.Boot = "another"
		check(t, os.WriteFile(file(s), must(json.Marshal(kept)), 0o600))
		again(s)
		s.awaitNot("a", "no CNI plugin told of it")
	})
	t.Run("a file that is cut short is nothing, and goes", func(t *testing.T) {
		s, _ := setup(t)
		s.stop()
		check(t, os.WriteFile(file(s), []byte(`{"Attachment":{"Conta`), 0o600))
		again(s)
		s.awaitNot("a")
		if _, err := os.Stat(file(s)); err == nil {
			t.Error("the file is still there")
		}
	})
	t.Run("forgetting lasts until the interface goes, for the pod may still send", func(t *testing.T) {
		s, _ := setup(t)
		s.finder.Forget("c1")
		s.finder.Want([]Pod{pod("a", "cart-0"), pod("b", "cart-1")})
		s.awaitNot("b")
		s.awaitAt("a", "veth1")
		if _, err := os.Stat(file(s)); err == nil {
			t.Error("the file is still there")
		}
		check(t, netlink.LinkDel(must(netlink.LinkByName("veth1"))))
		s.awaitNot("a")
	})
	t.Run("GC keeps only what is valid", func(t *testing.T) {
		s, _ := setup(t)
		s.finder.Keep([]string{"c2"})
		s.finder.Want(nil)
		s.awaitUnknown("veth1")
		if _, err := os.Stat(file(s)); err == nil {
			t.Error("the file is still there")
		}
	})
	t.Run("an interface of the same name and another index is not what was told", func(t *testing.T) {
		s, _ := setup(t)
		check(t, netlink.LinkDel(must(netlink.LinkByName("veth1"))))
		s.awaitNot("a")
		s.cable(s.sandbox(), "veth1", "eth0")
		s.awaitUnknown("veth1")
		s.awaitNot("a")
		if _, err := os.Stat(file(s)); err == nil {
			t.Error("the file is still there")
		}
	})
	t.Run("an interface of the same index is not what was told, wherever it leads", func(t *testing.T) {
		s, b := setup(t)
		untold := s.told(pod("a", "cart-0", "10.1.0.5"), b, "veth1", "c1")
		untold.Netns = ""
		s.finder.Told(untold)
		s.finder.Want([]Pod{pod("a", "cart-0"), pod("b", "cart-1", "10.1.0.6")})
		s.awaitNot("b") // so both were heard
		index := s.here("veth1").Index
		check(t, netlink.LinkDel(must(netlink.LinkByName("veth1"))))
		other := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "veth2", Index: index}, PeerName: "eth0", PeerNamespace: netlink.NsFd(s.sandbox().ns)}
		check(t, netlink.LinkAdd(other))
		s.awaitUnknown("veth2")
		s.awaitNot("a")
	})
	t.Run("a renamed interface is told by its new name", func(t *testing.T) {
		s, _ := setup(t)
		l := must(netlink.LinkByName("veth1"))
		check(t, netlink.LinkSetDown(l))
		check(t, netlink.LinkSetName(l, "other1"))
		s.awaitAt("a", "other1")
	})
	t.Run("a container id that is a path is refused", func(t *testing.T) {
		s, b := setup(t)
		s.finder.Told(s.told(pod("b", "cart-1"), b, "veth1", "../c1"))
		s.finder.Want([]Pod{pod("b", "cart-1")})
		s.awaitNot("b")
	})
}
