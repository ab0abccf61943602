package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"

	"github.com/nameward/nameward/enforcer/chain"
)

// wire is the name under which this test binary is a CNI plugin of its own: the
// one that makes a pod's interface.
const wire = "wire"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == wire {
		skel.PluginMainFuncs(skel.CNIFuncs{Add: wireAdd, Del: wireDel, Check: done, GC: done, Status: done}, version.All, wire)
		return
	}
	if filepath.Base(os.Args[0]) == chain.Plugin {
		// It is not called so: the tests run a binary of their own. But this
		// links the plugin into the tests, whose results go test would
		// otherwise take from its cache after a change of the plugin.
		main()
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if built != "" {
			_ = os.RemoveAll(built) // of the test's own making
		}
		os.Exit(code)
	}))
}

func done(*skel.CmdArgs) error { return nil }

// wireConf is what a test wants of the plugin.
type wireConf struct {
	types.PluginConf
	// Kind is veth, or that of an interface without an end on the host.
	Kind string `json:"kind"`
	// Says are the interfaces of the host that the result has; HOST is the
	// pod's.
	Says      []string `json:"says"`
	Addresses []string `json:"addresses"`
}

// hostName is the host's end of a container's interface.
func hostName(container string) string { return "h" + container }

func wireAdd(args *skel.CmdArgs) error {
	var c wireConf
	if err := json.Unmarshal(args.StdinData, &c); err != nil {
		return err
	}
	sandbox, err := netns.GetFromPath(args.Netns)
	if err != nil {
		return err
	}
	if err := wireLink(c.Kind, args, sandbox); err != nil {
		return fmt.Errorf("make %s: %w", c.Kind, err)
	}
	r := &types100.Result{CNIVersion: types100.ImplementedSpecVersion}
	for _, name := range c.Says {
		if name == "HOST" {
			name = hostName(args.ContainerID)
		}
		r.Interfaces = append(r.Interfaces, &types100.Interface{Name: name})
	}
	r.Interfaces = append(r.Interfaces, &types100.Interface{Name: args.IfName, Sandbox: args.Netns})
	for _, a := range c.Addresses {
		ip, prefix, err := net.ParseCIDR(a)
		if err != nil {
			return err
		}
		prefix.IP = ip
		r.IPs = append(r.IPs, &types100.IPConfig{Address: *prefix})
	}
	return types.PrintResult(r, c.CNIVersion)
}

func wireLink(kind string, args *skel.CmdArgs, sandbox netns.NsHandle) error {
	attrs := netlink.NewLinkAttrs()
	if kind == "veth" {
		another := netlink.NewLinkAttrs()
		another.Name = "another" + args.ContainerID
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: another, PeerName: "x" + args.ContainerID}); err != nil {
			return err
		}
		attrs.Name = hostName(args.ContainerID)
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: args.IfName, PeerNamespace: netlink.NsFd(sandbox)})
	}
	inside, err := netlink.NewHandleAt(sandbox)
	if err != nil {
		return err
	}
	defer inside.Close()
	attrs.Name = args.IfName
	return inside.LinkAdd(&netlink.Bridge{LinkAttrs: attrs})
}

func wireDel(args *skel.CmdArgs) error {
	if link, err := netlink.LinkByName(hostName(args.ContainerID)); err == nil {
		return netlink.LinkDel(link)
	}
	return nil
}
