package main

import (
	"slices"

	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// nameClasses are the name classes that the kernel holds in entries or in
// connections, for each pod. Wherever the kernel meets one of them, its rows
// must be there: after a change of policy they have to exist under the new
// policy before the pod gets it, or live connections would lose. A class stays
// as long as any of its patterns is in a live rule of its pod, whether or not
// an entry still has it, because a connection outlives its grant (N6).
type nameClasses map[policy.EndpointID]map[policy.ClassID][]string

// nameUse is one class of one pod.
type nameUse struct {
	endpoint policy.EndpointID
	class    policy.ClassID
	patterns []string
}

// add notes a class and says whether it was unknown. patterns are kept.
func (n nameClasses) add(u nameUse) bool {
	of := n[u.endpoint]
	if of == nil {
		of = make(map[policy.ClassID][]string)
		n[u.endpoint] = of
	}
	if _, known := of[u.class]; known {
		return false
	}
	of[u.class] = u.patterns
	return true
}

// list gives all classes in no order.
func (n nameClasses) list() []nameUse {
	var uses []nameUse
	for ep, of := range n {
		for class, patterns := range of {
			uses = append(uses, nameUse{ep, class, patterns})
		}
	}
	return uses
}

// maxClasses is how many classes a pod keeps beyond those that its entries
// have. A pod can make many by asking for names that meet in one address; past
// this, its own connections are judged again without their names.
const maxClasses = 1024

// prune forgets the classes that no live pattern of their pod speaks for.
func (n nameClasses) prune(endpoints map[policy.EndpointID]policy.Endpoint) {
	for ep, of := range n {
		live := endpoints[ep].Patterns
		for id, patterns := range of {
			if !slices.ContainsFunc(patterns, func(p string) bool { return contains(live, p) }) {
				delete(of, id)
			}
		}
		if len(of) == 0 {
			delete(n, ep)
		}
	}
}

// trim forgets, for pods that have too many, the classes that no entry has.
func (n nameClasses) trim(granted func(policy.EndpointID) []grants.Grant, class func([]string) policy.ClassID) {
	for ep, of := range n {
		if len(of) <= maxClasses {
			continue
		}
		held := make(map[policy.ClassID]bool)
		for _, g := range granted(ep) {
			held[class(g.Patterns)] = true
		}
		for id := range of {
			if !held[id] {
				delete(of, id)
			}
		}
	}
}

func contains(sorted []string, s string) bool {
	_, found := slices.BinarySearch(sorted, s)
	return found
}
