package scene

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Stub is a link from a router to a network namespace that has no other way
// out: a host address behind it, a next hop that the router has on this
// interface alone, and a host route back.
type Stub struct {
	// Interface is the router's side, at most 15 characters; the other is eth0.
	Interface string
	// Address is the host's, and Gateway its next hop. Source is where packets
	// of the router itself come from.
	Address, Gateway, Source Dual
}

// Attach links the host's network namespace to the router's.
func (s Stub) Attach(router, host *Netspace) error {
	if err := connect(router, s.Interface, host, "eth0"); err != nil {
		return fmt.Errorf("connect %s: %w", s.Interface, err)
	}
	if err := host.Do(s.hostSide); err != nil {
		return fmt.Errorf("address %s: %w", s.Interface, err)
	}
	if err := router.Do(s.routerSide); err != nil {
		return fmt.Errorf("route %s: %w", s.Interface, err)
	}
	return nil
}

func (s Stub) hostSide() error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	for _, family := range Families {
		if err := addAddress(link, hostPrefix(s.Address.Of(family))); err != nil {
			return err
		}
		next := s.Gateway.Of(family)
		direct := &netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: ipNet(hostPrefix(next))}
		fallback := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: next.AsSlice()}
		if err := errors.Join(netlink.RouteReplace(direct), netlink.RouteReplace(fallback)); err != nil {
			return fmt.Errorf("add default route through %s: %w", next, err)
		}
	}
	return nil
}

func (s Stub) routerSide() error {
	link, err := netlink.LinkByName(s.Interface)
	if err != nil {
		return err
	}
	for _, family := range Families {
		if err := addAddress(link, hostPrefix(s.Gateway.Of(family))); err != nil {
			return err
		}
		host := s.Address.Of(family)
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK,
			Dst: ipNet(hostPrefix(host)), Src: s.Source.Of(family).AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("add route to %s: %w", host, err)
		}
	}
	return nil
}

// Forward makes the network namespace a router.
func (n *Netspace) Forward() error {
	return n.Do(func() error {
		return errors.Join(
			Sysctl("net/ipv4/ip_forward", "1"),
			Sysctl("net/ipv6/conf/all/forwarding", "1"),
		)
	})
}

// Own makes whole networks local to the network namespace, so that a server
// that listens on any address has all of theirs.
func (n *Netspace) Own(networks ...netip.Prefix) error {
	return n.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		for _, network := range networks {
			local := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: ipNet(network),
				Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
			if err := netlink.RouteAdd(local); err != nil {
				return fmt.Errorf("make %s local: %w", network, err)
			}
		}
		return nil
	})
}

// Reach leads a network through a neighbour.
func (n *Netspace) Reach(network netip.Prefix, through netip.Addr) error {
	return n.Do(func() error {
		if err := netlink.RouteAdd(&netlink.Route{Dst: ipNet(network), Gw: through.AsSlice()}); err != nil {
			return fmt.Errorf("add route to %s through %s: %w", network, through, err)
		}
		return nil
	})
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
