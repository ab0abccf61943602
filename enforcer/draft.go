package main

import (
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// draft is what the node should do, worked out from everything that is known
// of the cluster and the node at one moment. Immutable.
type draft struct {
	// What it was compiled from; the source's settings included.
	view      view
	addresses []netip.Addr
	early     early

	compiled *policy.Compiled
	// interfaces are the pods' host-side interfaces where they are known.
	interfaces map[policy.EndpointID]datapath.Interface
	// pods are the addresses of this node's pods.
	pods map[policy.EndpointID][]netip.Addr
	// why is what was tried to find the interfaces that are missing; where
	// somebody looks for them, one without it is still being looked for.
	why      map[policy.EndpointID]string
	looked   bool
	settings grants.Settings
	// posture is that of interfaces without a pod.
	posture  policy.Verdict
	problems []string
}

// knowledge is everything that is known of the cluster and the node. Its parts
// are immutable.
type knowledge struct {
	view   view
	around *surroundings
	found  *locations
}

// newDraft works out a draft. What it has in common with previous, which may be
// nil, is not worked out again.
func newDraft(node string, base settings.Settings, k knowledge, previous *draft) *draft {
	s := k.view
	local := s.Local(node)
	var before early
	if previous != nil {
		before = previous.early
	}
	d := &draft{
		view: s, addresses: k.around.addresses, early: addressed(local, k.found, before),
		interfaces: make(map[policy.EndpointID]datapath.Interface),
		pods:       make(map[policy.EndpointID][]netip.Addr),
		why:        make(map[policy.EndpointID]string),
		looked:     k.found.found,
	}
	world := s.World(node, base)
	world.LocalAddresses = merge(world.LocalAddresses, d.addresses)
	world.Pods = d.early.in(world.Pods)
	switch {
	case previous == nil:
		d.compiled = policy.Compile(world)
	case previous.view == s && slices.Equal(previous.addresses, d.addresses) && previous.early.equal(d.early):
		d.compiled = previous.compiled
	default:
		d.compiled = previous.compiled.Next(world)
	}
	d.problems = problems(s, d.compiled)
	for _, pod := range d.compiled.Local() {
		d.place(pod, s.Interface(pod.Ref.UID), k.found)
	}
	set := s.Settings(node, base)
	d.settings, d.posture = bookSettings(set, d.compiled), postureUnder(set)
	return d
}

// problems are what is wrong with the policies. The compiler tells again some
// of what was found when they were read, with field paths of its own: once is
// enough.
func problems(s view, compiled *policy.Compiled) []string {
	type complaint struct {
		policy policy.PolicyRef
		reason string
	}
	told := make(map[complaint]bool)
	var all []string
	for p, words := range s.Closed() {
		told[complaint{p.Policy, p.Reason}] = true
		all = append(all, words)
	}
	for _, p := range compiled.Problems {
		if !told[complaint{p.Policy, p.Reason}] {
			all = append(all, p.String())
		}
	}
	return all
}

// place notes where a pod of this node is. What the source names counts more than
// what was found: somebody has said so.
func (d *draft) place(pod *policy.Pod, name string, found *locations) {
	ep := policy.EndpointOf(pod.Ref.UID)
	if _, policed := d.compiled.Tables.Endpoints[ep]; !policed {
		return
	}
	d.pods[ep] = pod.Addresses
	if name != "" {
		d.interfaces[ep] = datapath.Interface{Name: name}
	} else if at, ok := found.interfaces[pod.Ref.UID]; ok {
		d.interfaces[ep] = at
	} else if why := found.why[pod.Ref.UID]; why != "" {
		d.why[ep] = why
	}
}

func bookSettings(s settings.Settings, compiled *policy.Compiled) grants.Settings {
	return grants.Settings{
		MinTTL:  s.MinTTL,
		Grace:   s.Grace,
		PerName: s.AddressesPerName,
		PerPod:  s.AddressesPerPod,
		Guard: grants.Guard{
			Allowed:   s.GuardAllow,
			NAT64:     s.NAT64,
			InCluster: s.GuardInCluster,
			Occupied:  occupied(compiled),
		},
	}
}

// occupied asks the compiled policy who has an address.
func occupied(compiled *policy.Compiled) func(netip.Addr) (grants.Reason, bool) {
	return func(a netip.Addr) (grants.Reason, bool) {
		switch compiled.Occupant(a) {
		case policy.Unoccupied:
			return grants.ReasonUnknown, false
		case policy.OccupiedByPod:
			return grants.ReasonPod, true
		case policy.OccupiedByService:
			return grants.ReasonService, true
		default:
			return grants.ReasonNode, true
		}
	}
}

// merge gives every address of both lists once, sorted.
func merge(a, b []netip.Addr) []netip.Addr {
	all := slices.Concat(a, b)
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
