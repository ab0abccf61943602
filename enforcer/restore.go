package main

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// restored is what a predecessor left in the kernel (D8).
type restored struct {
	// grants are the entries whose patterns are known again.
	grants []grants.Grant
	// strange are those whose class no set of the pod's patterns gives, such
	// as where the policy lost a pattern meanwhile. What they may reach cannot
	// be told any more, so they go; CoreDNS replays what is still wanted (N12).
	strange map[policy.EndpointID][]netip.Addr
	// pods are those that have entries or connections by name.
	pods map[policy.EndpointID]struct{}
}

// findGrants reads the kernel's entries and finds out which patterns their
// classes stand for. The classes are noted, so that their rows are in place
// before the first policy takes effect.
func (n *node) findGrants(compiled *policy.Compiled) (restored, error) {
	found, err := n.kernel.Granted()
	if err != nil {
		return restored{}, err
	}
	// A connection may have outlived the entry that admitted it.
	classes, err := n.kernel.Classes()
	if err != nil {
		return restored{}, err
	}
	return n.recognize(compiled, found, classes), nil
}

func (n *node) recognize(compiled *policy.Compiled, found []datapath.Granted, connections map[policy.EndpointID][]policy.ClassID) restored {
	wanted := make(map[policy.EndpointID]map[policy.ClassID][]string)
	ask := func(ep policy.EndpointID, class policy.ClassID) {
		if wanted[ep] == nil {
			wanted[ep] = make(map[policy.ClassID][]string)
		}
		wanted[ep][class] = nil
	}
	for _, f := range found {
		ask(f.Endpoint, f.Class)
	}
	for ep, classes := range connections {
		for _, class := range classes {
			ask(ep, class)
		}
	}
	for ep, classes := range wanted {
		resolve(compiled.NameClass, compiled.Tables.Endpoints[ep].Patterns, classes)
		for class, patterns := range classes {
			if patterns != nil {
				n.classes.add(nameUse{ep, class, patterns})
			}
		}
	}
	r := restored{strange: make(map[policy.EndpointID][]netip.Addr), pods: make(map[policy.EndpointID]struct{})}
	for ep := range wanted {
		r.pods[ep] = struct{}{}
	}
	for _, f := range found {
		if patterns := wanted[f.Endpoint][f.Class]; patterns != nil {
			r.grants = append(r.grants, grants.Grant{
				Endpoint: f.Endpoint, Addr: f.Addr, Patterns: patterns, Expires: f.Expires, Held: f.Held,
			})
		} else {
			r.strange[f.Endpoint] = append(r.strange[f.Endpoint], f.Addr)
		}
	}
	return r
}

// Up to how many patterns of a pod all sets of them, and all pairs, are tried.
const (
	maxSubsets = 12
	maxPairs   = 512
)

// resolve fills in the patterns of each class. A class is a hash of a set of
// patterns, which cannot be inverted but can be looked for: among all sets
// where the pod has few patterns, else among single ones, pairs and all.
func resolve(class func([]string) policy.ClassID, patterns []string, classes map[policy.ClassID][]string) {
	missing := len(classes)
	try := func(set []string) bool {
		if known, asked := classes[class(set)]; asked && known == nil {
			classes[class(set)] = slices.Clone(set)
			missing--
		}
		return missing > 0
	}
	if len(patterns) == 0 || !try(patterns) {
		return
	}
	if len(patterns) <= maxSubsets {
		trySubsets(patterns, try)
		return
	}
	for i := range patterns {
		if !try(patterns[i : i+1]) {
			return
		}
	}
	for i := 0; i < len(patterns) && len(patterns) <= maxPairs; i++ {
		for j := i + 1; j < len(patterns); j++ {
			if !try([]string{patterns[i], patterns[j]}) {
				return
			}
		}
	}
}

// trySubsets tries every set of the patterns until it is told to stop.
func trySubsets(patterns []string, try func([]string) bool) {
	var set []string
	for bits := uint(1); bits < 1<<len(patterns); bits++ {
		set = set[:0]
		for i, p := range patterns {
			if bits&(1<<i) != 0 {
				set = append(set, p)
			}
		}
		if !try(set) {
			return
		}
	}
}

// adopt gives what was found to the Book, once it knows the pods: entries, and
// the connections that may hold some or have outlived theirs (N6).
func (n *node) adopt(now time.Duration, found restored) {
	if len(found.grants) > 0 {
		n.write(n.book.Restore(now, found.grants))
	}
	for ep, addrs := range found.strange {
		n.meters.strange.Add(float64(len(addrs)))
		n.log.Warn("grants of a predecessor are revoked, the policy has changed meanwhile", "pod", n.podName(ep), "count", len(addrs))
		n.revoke(ep, addrs)
	}
	for ep := range found.pods {
		n.hold(ep)
	}
}
