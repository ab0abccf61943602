package main

import (
	"fmt"

	"github.com/containernetworking/cni/pkg/skel"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// hostEnd finds the interface on the host that leads to the pod alone: the
// only one that the result calls the host's, or else the other end of the
// pod's own, as the kernel knows it.
func hostEnd(args *skel.CmdArgs, r *types100.Result) (*netlink.LinkAttrs, error) {
	var said []string
	for _, i := range r.Interfaces {
		if i.Sandbox == "" {
			said = append(said, i.Name)
		}
	}
	if len(said) == 1 {
		// A name alone may also be that of a bridge, or of a card that many
		// pods share.
		if link, err := netlink.LinkByName(said[0]); err == nil && paired(link) {
			return link.Attrs(), nil
		}
	}
	return peerOf(args.Netns, args.IfName)
}

// paired tells whether a link's other end is one interface.
func paired(link netlink.Link) bool { return link.Type() == "veth" || link.Type() == "netkit" }

// peerOf enters the pod's namespace. The index that an interface names as its
// peer is one of the peer's namespace; that this is the host's is known when
// the host's interface of that index names the pod's in return.
func peerOf(path, name string) (*netlink.LinkAttrs, error) {
	sandbox, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer sandbox.Close()
	inside, err := netlink.NewHandleAt(sandbox)
	if err != nil {
		return nil, fmt.Errorf("enter %s: %w", path, err)
	}
	defer inside.Close()
	pod, err := inside.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("look for %s in %s: %w", name, path, err)
	}
	if !paired(pod) {
		return nil, fmt.Errorf("it is a %s, which has no end of its own on the host; nameward filters veth and netkit pairs", pod.Type())
	}
	host, err := netlink.LinkByIndex(pod.Attrs().ParentIndex)
	if err != nil {
		return nil, fmt.Errorf("look for its peer %d on the host: %w", pod.Attrs().ParentIndex, err)
	}
	if host.Type() != pod.Type() || host.Attrs().ParentIndex != pod.Attrs().Index {
		return nil, fmt.Errorf("its peer %d is in another network namespace than the host's", pod.Attrs().ParentIndex)
	}
	return host.Attrs(), nil
}
