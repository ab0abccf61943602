package main

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// hold tells the Book which connections of a pod live, and the kernel what is
// held for that (N6). Where the kernel does not tell, nothing changes: what has
// expired opens nothing, what is held stays so for a while, and the Book asks
// again.
func (n *node) hold(ep policy.EndpointID) {
	connected, err := n.kernel.Connected(ep)
	if err != nil && !errors.Is(err, datapath.ErrUnknownPod) {
		n.meters.updateFailures.WithLabelValues("connections").Inc()
		n.log.Error("cannot read which connections live, will try again", "pod", n.podName(ep), "error", err)
		return
	}
	n.write(n.book.Hold(n.clock(), ep, n.classes.live(ep, connected)))
}

// live says by which patterns connections were admitted. Those of a class that
// nobody knows are left out: it has no rows, and they are cut when they are
// judged again.
func (n nameClasses) live(ep policy.EndpointID, connected []datapath.Connected) []grants.Live {
	var all []grants.Live
	place := make(map[netip.Addr]int, len(connected))
	for _, c := range connected {
		patterns := n[ep][c.Class]
		if patterns == nil {
			continue
		}
		i, met := place[c.Addr]
		if !met {
			place[c.Addr] = len(all)
			all = append(all, grants.Live{Addr: c.Addr, Patterns: patterns, Connections: c.Count})
			continue
		}
		all[i].Patterns = slices.Concat(all[i].Patterns, patterns)
		all[i].Connections += c.Count
	}
	return all
}
