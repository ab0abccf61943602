package policy

import (
	"maps"
	"net/netip"
	"slices"
)

// afterPods gives the Compiled of w where it differs from c's World only by a
// few pods of other nodes whose addresses fall into classes that are in use.
// That is what happens all the time in a large cluster, and it changes nothing
// but the entries of those addresses. It gives nil for everything else.
func (c *Compiled) afterPods(w *World) *Compiled {
	if !c.census.yields(c) {
		return nil
	}
	ch := changeBetween(c.world, w)
	if ch.pods.whole || !ch.policies.none() || ch.services || ch.cluster || ch.judging {
		return nil
	}
	for _, p := range slices.Concat(ch.pods.gone, ch.pods.come) {
		if p.live() && p.Node == w.Node {
			return nil
		}
	}
	touched, ok := c.census.move(ch.pods, c.book.namesPorts())
	if !ok {
		return nil
	}
	next := *c
	tables := *c.Tables
	next.Tables, next.world = &tables, w
	next.census.owner = &next
	if !next.place(touched) {
		return nil // whoever asks again finds the census taken away, and takes it anew
	}
	return &next
}

// place gives the addresses their classes. It says no where a class comes into
// use or goes out of it, since lists have rows for those in use.
func (c *Compiled) place(touched []netip.Addr) bool {
	if c.backends == nil {
		c.backends = c.world.backends()
	}
	before := c.Tables.Addresses
	peers := *c.peers
	peers.addresses = maps.Clone(before)
	serves := false
	for _, a := range touched {
		if !peers.place(a, c.census) {
			return false
		}
		serves = serves || c.backends[a]
	}
	c.peers, c.Tables.Addresses = &peers, peers.addresses
	c.Tables.Before, c.Tables.Changed = before, touched
	if serves {
		c.Tables.Services = c.Tables.targets(c.world)
	}
	return true
}

// place gives one address its class.
func (s *peerSpace) place(a netip.Addr, c *census) bool {
	around := (&Tables{Prefixes: s.prefixes}).peerOf(a).Class
	members := s.fixed[a]
	for _, n := range c.at[a] {
		members = union(nil, members, s.setsOf(n, c))
	}
	class, known := s.interned.find(union(nil, members, s.interned.members[around]))
	old, had := s.addresses[a]
	mark, marked := s.marks[a]
	stays := marked || class != around
	if !known || s.edges[a] || had && old.Class != class && s.interned.uses[old.Class] == 1 {
		return false
	}
	if had {
		s.interned.uses[old.Class]--
		delete(s.addresses, a)
	}
	if stays {
		mark.Class = class
		s.addresses[a] = mark
		s.interned.uses[class]++
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
		if slices.ContainsFunc(set.pods, func(p *podSelector) bool { return p.matches(of, c.world) }) {
			found = append(found, int32(i))
		}
	}
	return found
}

func (s *podSelector) matches(c *crowd, w *World) bool {
	return (s.namespace == "" || s.namespace == c.namespace) &&
		(s.namespaces == nil || s.namespaces.Matches(w.Namespaces[c.namespace])) &&
		(s.pods == nil || s.pods.Matches(c.labels))
}
