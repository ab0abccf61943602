package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addressCommand keeps the interface whose addresses a node-local CoreDNS listens
// on: one that nothing is plugged into, on every node the same.
func addressCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "address",
		Short: "Give this node the address of its node-local CoreDNS, or take it away",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{errors.New("address: want add or remove")}
		},
	}
	var name string
	var addresses []string
	add := &cobra.Command{
		Use: "add --interface NAME --address IP...", Short: "Make the interface and give it the addresses, those alone", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			wanted, err := parseAddresses(addresses)
			if err != nil || len(wanted) == 0 {
				return usageError{fmt.Errorf("--address: %w", errors.Join(err, errors.New("want one or more IP addresses, such as 169.254.20.10")))}
			}
			return giveAddresses(name, wanted)
		},
	}
	add.Flags().StringSliceVar(&addresses, "address", nil, "address that the interface is to have (required, comma-separated)")
	remove := &cobra.Command{
		Use: "remove --interface NAME", Short: "Remove the interface, if there is one", Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return removeInterface(name) },
	}
	for _, c := range []*cobra.Command{add, remove} {
		c.Flags().StringVar(&name, "interface", "nameward-dns", "name of the interface")
		c.PreRunE = func(*cobra.Command, []string) error { return checkInterfaceName(name) }
		cmd.AddCommand(c)
	}
	return cmd
}

func checkInterfaceName(name string) error {
	if name == "" || len(name) >= unix.IFNAMSIZ || strings.ContainsAny(name, "/: \t") || name == "." || name == ".." {
		return usageError{fmt.Errorf("--interface: %q: want the name of an interface, 1 to %d bytes", name, unix.IFNAMSIZ-1)}
	}
	return nil
}

// mark is the alias of interfaces that were made here.
const mark = "nameward: address of the node-local CoreDNS"

// ours finds the interface; nil says that there is none. One that somebody else
// uses for something is never touched.
func ours(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for interface %s: %w", name, err)
	}
	if link.Attrs().Alias != mark {
		return nil, fmt.Errorf("interface %s is a %s of somebody else; name another one by --interface", name, link.Type())
	}
	return link, nil
}

func giveAddresses(name string, wanted []netip.Addr) error {
	link, err := ours(name)
	if err != nil {
		return err
	}
	if link == nil {
		if link, err = makeInterface(name); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set interface %s up: %w", name, err)
	}
	if err := dropOthers(link, wanted); err != nil {
		return err
	}
	for _, a := range wanted {
		// The node's own from the first moment: nobody else has it to ask about.
		address := &netlink.Addr{IPNet: single(a), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrReplace(link, address); err != nil {
			return fmt.Errorf("give interface %s the address %s: %w", name, a, err)
		}
	}
	return nil
}

// makeInterface makes a dummy, or where the kernel has none a bridge that has no
// ports: addresses of both are the node's, whatever their carrier.
func makeInterface(name string) (netlink.Link, error) {
	attrs := netlink.LinkAttrs{Name: name}
	err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: attrs})
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs})
	}
	if err != nil {
		return nil, fmt.Errorf("make interface %s: %w", name, err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("look for interface %s: %w", name, err)
	}
	if err := netlink.LinkSetAlias(link, mark); err != nil {
		return nil, errors.Join(fmt.Errorf("mark interface %s: %w", name, err), netlink.LinkDel(link))
	}
	return link, nil
}

// dropOthers takes away what an earlier configuration has left.
func dropOthers(link netlink.Link, wanted []netip.Addr) error {
	present, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses of interface %s: %w", link.Attrs().Name, err)
	}
	keep := make(map[netip.Addr]bool, len(wanted))
	for _, a := range wanted {
		keep[a] = true
	}
	for _, p := range present {
		a, _ := netip.AddrFromSlice(p.IP)
		// The kernel's own fe80:: address stays.
		if a = a.Unmap(); keep[a] || (a.Is6() && a.IsLinkLocalUnicast()) {
			continue
		}
		if err := netlink.AddrDel(link, &p); err != nil {
			return fmt.Errorf("take the address %s from interface %s: %w", a, link.Attrs().Name, err)
		}
	}
	return nil
}

func single(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

func removeInterface(name string) error {
	link, err := ours(name)
	if err != nil || link == nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("remove interface %s: %w", name, err)
	}
	return nil
}
