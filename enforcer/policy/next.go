package policy

import (
	"net/netip"
	"slices"
)

// legacy is what a Compiled takes over from the one before it.
type legacy struct {
	// endpoints are known to be as they were.
	endpoints map[EndpointID]bool
	// goesOn says that peers differ at most at the touched addresses and at
	// those of Services that went or came, the fronts. Both are sorted.
	goesOn          bool
	touched, fronts []netip.Addr
}

// inherit takes over what is known from before of pods, Services and policies.
func (c *Compiled) inherit(before *Compiled) (l legacy) {
	if before == nil || before.census.owner != before {
		c.begin()
		return l
	}
	ch := changeBetween(before.world, c.world)
	if ch.cluster || slices.ContainsFunc(ch.namespaces, before.inhabited) {
		c.begin()
		return l
	}
	m, ok := before.census.move(ch.pods)
	if !ok {
		c.begin()
		return l
	}
	c.census, c.nodes, l.touched = before.census, before.nodes, m.touched
	c.locals = slices.DeleteFunc(slices.Clone(before.locals), func(p *Pod) bool { return slices.Contains(ch.pods.gone, p) })
	c.locals = sortPods(append(c.locals, c.world.local(ch.pods.come)...))
	told := c.told()
	if !told { // whichever the World has first
		c.locals = sortPods(c.world.local(c.world.Pods))
	}
	if ch.services.whole {
		c.fronts = frontsOf(c.world.Services)
	} else {
		c.fronts, l.fronts = moveFronts(before.fronts, ch.services)
	}
	l.goesOn = !ch.services.whole && before.sound
	if m.renamed && before.book.namesPorts() {
		c.book = newRulebook(c.world, c.census, nil, nil)
		return l
	}
	if ch.policies.none() && !ch.judging && len(c.world.local(ch.pods.come)) == 0 {
		c.book = before.book
	} else {
		c.book = newRulebook(c.world, c.census, before.book, &ch)
	}
	if !ch.policies.whole && !ch.judging && before.sound && told {
		l.endpoints = c.takeEndpoints(before, &ch)
	}
	return l
}

// told says whether every pod of this node can be told from the others.
func (c *Compiled) told() bool {
	seen := make(map[EndpointID]bool, len(c.locals))
	for _, p := range c.locals {
		seen[EndpointOf(p.Ref.UID)] = true
	}
	return len(seen) == len(c.locals)
}

// inhabited says whether anything was worked out by the labels of a namespace:
// for pods that are in it or were, while their crowds are kept.
func (c *Compiled) inhabited(namespace string) bool {
	return len(c.census.of[namespace]) > 0 ||
		slices.ContainsFunc(c.locals, func(p *Pod) bool { return p.Ref.Namespace == namespace })
}

// begin looks at everything.
func (c *Compiled) begin() {
	c.census = takeCensus(c.world)
	c.locals = sortPods(c.world.local(c.world.Pods))
	c.fronts = frontsOf(c.world.Services)
	c.nodes = c.world.nodeAddresses()
	c.book = newRulebook(c.world, c.census, nil, nil)
}

// takeEndpoints takes over the endpoints of pods that are the same, unless a
// changed policy selects them.
func (c *Compiled) takeEndpoints(before *Compiled, ch *change) map[EndpointID]bool {
	changed := slices.Concat(ch.policies.gone, ch.policies.come)
	known := make(map[EndpointID]bool, len(before.Tables.Endpoints))
	for _, p := range c.locals {
		if slices.Contains(ch.pods.come, p) ||
			slices.ContainsFunc(changed, func(policy *Policy) bool { return c.census.selects(&policy.Subject, p) }) {
			continue
		}
		id := EndpointOf(p.Ref.UID)
		e := before.Tables.Endpoints[id]
		c.Tables.Endpoints[id], c.isolations[id], known[id] = e, before.isolations[id], true
		for _, list := range e.lists() {
			c.lists[list] = before.lists[list]
		}
	}
	return known
}

// follow gives what s is once the touched addresses have their classes. It says
// no where a class comes into use or goes out of it, since lists have rows for
// those in use; s is then of no more use itself.
func (s *peerSpace) follow(touched []netip.Addr, c *census, f fronts) (*peerSpace, bool) {
	next := *s
	next.fronts = f
	for _, a := range touched {
		if !next.place(a, c) {
			return nil, false
		}
	}
	return &next, true
}

// place gives one address its class.
func (s *peerSpace) place(a netip.Addr, c *census) bool {
	around := (&Tables{Prefixes: s.prefixes}).peerOf(a).Class
	who, _ := c.at.Get(a)
	class, known := s.interned.find(union(nil, s.exact(a, who, c), s.interned.members[around]))
	old, had := s.addresses.Get(a)
	mark, marked := s.mark(a)
	stays := marked || class != around
	if !known || s.edges[a] || had && old.Class != class && s.interned.uses[old.Class] == 1 {
		return false
	}
	mark.Class = class
	if had {
		s.interned.uses[old.Class]--
	}
	if stays {
		s.interned.uses[class]++
	}
	switch {
	case stays && (!had || old != mark):
		s.addresses = s.addresses.With(a, mark)
	case !stays && had:
		s.addresses = s.addresses.Without(a)
	}
	return true
}

// setsOf gives the sets that the crowd is in.
func (s *peerSpace) setsOf(crowd int32, c *census) []int32 {
	for int(crowd) >= len(s.crowds.sets) {
		s.crowds.sets = append(s.crowds.sets, s.match(&c.crowds[len(s.crowds.sets)], c))
	}
	return s.crowds.sets[crowd]
}

// match gives the sets that a crowd is in by a selector.
func (s *peerSpace) match(of *crowd, c *census) []int32 {
	var found []int32
	for i, set := range s.sets {
		if set.port != nil && !slices.Contains(of.ports, *set.port) {
			continue
		}
		if slices.ContainsFunc(set.pods, func(p *podSelector) bool { return p.matches(of, c) }) {
			found = append(found, int32(i))
		}
	}
	return found
}

func (s *podSelector) matches(of *crowd, c *census) bool {
	return (s.namespace == "" || s.namespace == of.namespace) &&
		(s.namespaces == nil || s.namespaces.Matches(c.labels[of.namespace])) &&
		(s.pods == nil || s.pods.Matches(of.labels))
}
