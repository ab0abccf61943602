// Command nameward-cni is the last plugin of a node's CNI chain. It tells the
// enforcer which interface a new pod has got and lets the runtime go on when
// the pod's policy is in the kernel, so that no packet of the pod is ahead of
// its policy (SEMANTICS D9).
//
// It knows the CNI specification (1.1 and all before), what a chain's result
// says, how a pod's end of an interface leads to the host's, and how to shut that
// while no enforcer runs. It must not know policies, nor Kubernetes but for the
// arguments that runtimes give; it makes no interface, gives no address, and hands
// on what the chain has made.
package main

import (
	"os"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/nameward/nameward/enforcer/chain"
)

func main() {
	p := plugin{out: os.Stdout, log: os.Stderr}
	skel.PluginMainFuncs(skel.CNIFuncs{Add: p.add, Del: p.del, Check: p.check, GC: p.gc, Status: p.status},
		version.All, "CNI plugin "+chain.Plugin+": keeps a pod from starting ahead of its network policy")
}
