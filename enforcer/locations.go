package main

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
)

// locations are where this node's pods are, as of one moment: found on the node,
// not said by the source. Immutable; the zero value knows of none.
type locations struct {
	// interfaces are the pods' host-side interfaces, by UID.
	interfaces map[string]datapath.Interface
	// addresses were told by the network's plugin, by UID. It knows them before
	// the API server does, since it gives them.
	addresses map[string][]netip.Addr
	// why says of pods without an interface what was tried, by UID. One that is
	// too new to worry about is not in it, nor then among those that are told.
	why map[string]string
	// found says that somebody looks for interfaces on the node.
	found bool
}

// early are pods that the source knows without addresses, as they are with those
// that the node knows, by UID.
type early map[string]earlyPod

type earlyPod struct{ said, known *policy.Pod }

// addressed gives what local and found say together of pods without addresses.
// What previous has made of the same is the same again, so that finding what
// changed between two Worlds stays a comparison of pointers.
func addressed(local []*policy.Pod, found *locations, previous early) early {
	var all early
	for _, p := range local {
		addrs := found.addresses[p.Ref.UID]
		if len(p.Addresses) > 0 || len(addrs) == 0 || p.HostNetwork || p.Finished {
			continue
		}
		pod, ok := previous[p.Ref.UID]
		if !ok || pod.said != p || !slices.Equal(pod.known.Addresses, addrs) {
			known := *p
			known.Addresses = addrs
			pod = earlyPod{p, &known}
		}
		if all == nil {
			all = make(early)
		}
		all[p.Ref.UID] = pod
	}
	return all
}

// in gives the pods with early ones in their places.
func (e early) in(pods []*policy.Pod) []*policy.Pod {
	if len(e) == 0 {
		return pods
	}
	places := make(map[*policy.Pod]*policy.Pod, len(e))
	for _, p := range e {
		places[p.said] = p.known
	}
	pods = slices.Clone(pods)
	for i, p := range pods {
		if known, ok := places[p]; ok {
			pods[i] = known
		}
	}
	return pods
}

func (e early) equal(other early) bool { return maps.Equal(e, other) }
