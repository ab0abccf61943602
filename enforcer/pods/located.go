package pods

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// grace is how long a pod without an address may be looked for in silence: its
// network is being made.
const grace = time.Second

// located is the decision, as others see it.
func (j *judge) located() *Located {
	l := &Located{
		Interfaces: make(map[string]Interface, len(j.found)), Addresses: make(map[string][]netip.Addr),
		Why: make(map[string]string), Doubts: make(map[string]string),
	}
	for uid, c := range j.found {
		l.Interfaces[uid] = c.link.here()
		if c.means >= byName && len(c.addresses) > 0 {
			l.Addresses[uid] = slices.Clone(c.addresses)
		}
		if doubts := j.doubts[uid]; len(doubts) > 0 {
			l.Doubts[uid] = strings.Join(doubts, "; ")
		}
	}
	for _, p := range j.pods {
		if _, found := j.found[p.UID]; !found && (len(p.Addresses) > 0 || j.now.Sub(p.since) >= grace) {
			l.Why[p.UID] = j.why(p)
		}
	}
	l.Unknown = j.unknown()
	return l
}

// why is the sentence about a pod that was not found.
func (j *judge) why(p *wanted) string {
	tried := j.tried[p.UID]
	if len(tried) == 0 && len(p.Addresses) == 0 {
		tried = append(tried, "no CNI plugin told of it, the CNI cache has no result for it, and the API server knows no address of it yet")
	}
	if len(tried) == 0 {
		tried = append(tried, fmt.Sprintf("no CNI plugin told of it, the CNI cache has no result for it, no route leads to %s alone over a veth or netkit interface, and the namespace of none has it",
			list(p.Addresses)))
	}
	if j.unreadable != nil {
		tried = append(slices.Clone(tried), fmt.Sprintf("a cached result cannot be read, which may be its own: %v", j.unreadable))
	}
	return fmt.Sprintf("no interface is known to be its own: %s; nameward-cni in the CNI chain would tell (enforcer cni install), or the runtime's results where --cni-cache says (now %s)",
		strings.Join(tried, "; "), either(j.config.Cache == "", "nowhere", j.config.Cache))
}

func list(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, " or ")
}

// namespaces are those behind interfaces, in an order that is always the same.
func (j *judge) namespaces() []int { return slices.Sorted(maps.Keys(j.network.byNsid)) }

// unknown are the interfaces that look like pods' and are no found pod's. The
// further interfaces of a pod whose first one is certain are its own affair.
func (j *judge) unknown() (all []Interface) {
	known := make(map[int]bool, len(j.found))
	for _, c := range j.found {
		known[c.link.index] = true
	}
	for _, c := range j.found {
		if !c.link.far() || c.means < byRoute {
			continue
		}
		for _, l := range j.network.byNsid[c.link.nsid] {
			if _, claimed := j.owners[l.index]; !claimed {
				known[l.index] = true
			}
		}
	}
	for _, index := range slices.Sorted(maps.Keys(j.network.links)) {
		l := j.network.links[index]
		if l.far() && !known[index] && j.network.barred[index] == "" &&
			matches(j.config.Pods, l.name) && !matches(j.config.Ignore, l.name) {
			all = append(all, l.here())
		}
	}
	return all
}

// doubt looks for what contradicts a find and is too weak to change it.
func (j *judge) doubt() {
	owner := make(map[netip.Addr]*wanted)
	for _, p := range j.pods {
		for _, addr := range p.Addresses {
			owner[addr] = p
			c, found := j.found[p.UID]
			for _, d := range j.network.ways[addr] {
				if l := j.network.links[d]; found && l != nil && l.far() && d != c.link.index {
					j.doubts[p.UID] = append(j.doubts[p.UID], fmt.Sprintf("%s is its interface, as %s says, but a route to %s leads over %s",
						c.link.name, c.source, addr, l.name))
				}
			}
		}
	}
	for _, nsid := range j.namespaces() {
		for _, l := range j.network.byNsid[nsid] {
			for _, addr := range j.glimpsed(l) {
				j.doubtPretender(owner[addr], addr, l)
			}
		}
	}
}

// doubtPretender tells of a namespace that has the address of a pod that is
// known to be elsewhere.
func (j *judge) doubtPretender(p *wanted, addr netip.Addr, l *link) {
	if p == nil {
		return
	}
	c, found := j.found[p.UID]
	if !found || c.link.index == l.index || c.link.nsid == l.nsid {
		return
	}
	who := "nobody's known"
	if o, taken := j.owners[l.index]; taken {
		who = j.title(o.uid) + "'s"
	}
	j.doubts[p.UID] = append(j.doubts[p.UID], fmt.Sprintf("%s is its interface, as %s says, but the namespace behind %s, %s, has its address %s as well",
		c.link.name, c.source, l.name, who, addr))
}
