package scene

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Pod is one workload with its own network namespace. Its interface on the
// node bears the pod's name.
type Pod struct {
	Namespace, Name string
	Role            string
	Address         Dual

	net *Netspace
}

// Route names the pod in tables: pods of the article go by their name alone.
func (p *Pod) String() string { return p.Name }

// UID is what the manifests call the pod's one life.
func (p *Pod) UID() string { return p.Name + "-uid" }

// Netspace is the pod's network namespace.
func (p *Pod) Netspace() *Netspace { return p.net }

// Pods are those of the scene, by name.
type Pods struct {
	// The three of the article, in namespace app.
	Backend, CurlBackend, CurlFrontend *Pod
	// Crawler and Crawler2 have the same labels, and so the same policy: name
	// rules for two wildcards and nothing else.
	Crawler, Crawler2 *Pod
	// Client and Guest are in namespaces of their own.
	Client, Guest *Pod
}

// All returns every pod.
func (p Pods) All() []*Pod {
	return []*Pod{p.Backend, p.CurlBackend, p.CurlFrontend, p.Crawler, p.Crawler2, p.Client, p.Guest}
}

func newPods() Pods {
	pod := func(namespace, name, role string, host int) *Pod {
		return &Pod{Namespace: namespace, Name: name, Role: role,
			Address: dual(fmt.Sprintf("10.88.0.%d", host), fmt.Sprintf("fd00:88::%d", host))}
	}
	return Pods{
		Backend:      pod("app", "backend", "backend", 11),
		CurlBackend:  pod("app", "curl-backend", "backend", 12),
		CurlFrontend: pod("app", "curl-frontend", "frontend", 13),
		Crawler:      pod("crawl", "crawler", "crawler", 14),
		Client:       pod("team", "client", "client", 15),
		Guest:        pod("lab", "guest", "guest", 16),
		Crawler2:     pod("crawl", "crawler-2", "crawler", 17),
	}
}

// join gives the pod a network namespace and a link to the node, the way CNI
// plugins with routed interfaces do: a host address in the pod, a link-local
// next hop, and a host route on the node.
func (p *Pod) join(node *Netspace, netspace string) (err error) {
	if p.net, err = newNetspace(netspace); err != nil {
		return err
	}
	if err := connect(node, p.Name, p.net, "eth0"); err != nil {
		return fmt.Errorf("connect pod %s: %w", p.Name, err)
	}
	if err := p.net.Do(p.addresses); err != nil {
		return fmt.Errorf("address pod %s: %w", p.Name, err)
	}
	if err := node.Do(p.hostSide); err != nil {
		return fmt.Errorf("route pod %s: %w", p.Name, err)
	}
	return nil
}

// addresses runs in the pod's network namespace.
func (p *Pod) addresses() error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	for _, family := range Families {
		if err := addAddress(link, hostPrefix(p.Address.Of(family))); err != nil {
			return err
		}
		next := gateway.Of(family)
		direct := &netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: ipNet(hostPrefix(next))}
		fallback := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: next.AsSlice()}
		if err := errors.Join(netlink.RouteReplace(direct), netlink.RouteReplace(fallback)); err != nil {
			return fmt.Errorf("add default route through %s: %w", next, err)
		}
	}
	return nil
}

// hostSide runs in the node's network namespace.
func (p *Pod) hostSide() error {
	link, err := netlink.LinkByName(p.Name)
	if err != nil {
		return err
	}
	for _, family := range Families {
		if err := addAddress(link, hostPrefix(gateway.Of(family))); err != nil {
			return err
		}
		pod := p.Address.Of(family)
		// What the node itself sends to a pod comes from the node's address.
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK,
			Dst: ipNet(hostPrefix(pod)), Src: NodeAddress.Of(family).AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("add route to %s: %w", pod, err)
		}
	}
	return nil
}

// connect creates a pair of virtual interfaces, one end in each namespace.
func connect(a *Netspace, nameA string, b *Netspace, nameB string) error {
	return errors.Join(
		a.Do(func() error {
			attrs := netlink.NewLinkAttrs()
			attrs.Name = nameA
			pair := &netlink.Veth{LinkAttrs: attrs, PeerName: nameB, PeerNamespace: netlink.NsFd(b.handle)}
			if err := netlink.LinkAdd(pair); err != nil {
				return fmt.Errorf("create interface %s: %w", nameA, err)
			}
			return netlink.LinkSetUp(pair)
		}),
		b.Do(func() error {
			link, err := netlink.LinkByName(nameB)
			if err != nil {
				return fmt.Errorf("find interface %s: %w", nameB, err)
			}
			return netlink.LinkSetUp(link)
		}),
	)
}

// addAddress adds an address without duplicate address detection.
func addAddress(link netlink.Link, prefix netip.Prefix) error {
	address := &netlink.Addr{IPNet: ipNet(prefix)}
	if prefix.Addr().Is6() {
		address.Flags = ifaNoDAD
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("add address %s to %s: %w", prefix, link.Attrs().Name, err)
	}
	return nil
}

// hostPrefix is the prefix of one address.
func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
