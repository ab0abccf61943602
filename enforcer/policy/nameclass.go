package policy

import "slices"

// NameClass is the class of addresses that exactly these patterns admitted,
// given sorted and in canonical form. It is a function of the patterns alone,
// so grants outlive a change of policy. No patterns are class zero. Peer
// classes and name classes never meet.
func (c *Compiled) NameClass(patterns []string) ClassID {
	if len(patterns) == 0 {
		return AnyPeer
	}
	sum := newRendering("name class").texts(patterns).sum()
	return ClassID(c.short(sum)) | nameClassBit
}

// NameRows gives what ep's name rules say about addresses of that name class,
// for every port class. A row that says nothing is left out, as in Tables. It
// is empty for a pod that is no endpoint or has no such rules.
func (c *Compiled) NameRows(ep EndpointID, patterns []string) map[RowKey]Precedence {
	rows := map[RowKey]Precedence{}
	c.addNameRows(rows, ep, patterns, c.ports.classes)
	return rows
}

// TransitionNameRows gives the name rows that have to be there while Tables
// move from one Compiled to the next by way of Transition: those of ep's old
// and new policy, for all port classes that either may meet on the way.
func TransitionNameRows(from, to *Compiled, ep EndpointID, patterns []string) map[RowKey]Precedence {
	between := to.ports.classes
	if !samePorts(from.ports, to.ports) {
		between = partitionPorts(mergePortSets(from.ports.sets, to.ports.sets), to.short).classes
	}
	rows := map[RowKey]Precedence{}
	from.addNameRows(rows, ep, patterns, slices.Concat(from.ports.classes, between))
	to.addNameRows(rows, ep, patterns, slices.Concat(to.ports.classes, between))
	return rows
}

func (c *Compiled) addNameRows(rows map[RowKey]Precedence, ep EndpointID, patterns []string, ports []portClass) {
	if len(patterns) == 0 {
		return
	}
	class := c.NameClass(patterns)
	for _, id := range c.Tables.Endpoints[ep].egress() {
		list := c.lists[id]
		for i := range ports {
			if row := list.named(patterns, &ports[i]); row != NoRule {
				rows[RowKey{id, Cell{class, ports[i].id}}] = row
			}
		}
	}
}

// named gives the first rule that has one of the patterns for the ports.
func (l *tierList) named(patterns []string, ports *portClass) Precedence {
	if l == nil {
		return NoRule
	}
	for n, r := range l.rules {
		if r.namesAny(patterns) && (r.namePorts == nil || ports.has(r.namePorts)) {
			return NewPrecedence(uint32(n)+1, r.action)
		}
	}
	return NoRule
}

func (r *rule) namesAny(patterns []string) bool {
	for _, p := range patterns {
		if _, found := slices.BinarySearch(r.names, p); found {
			return true
		}
	}
	return false
}

func (c *portClass) has(s *portSet) bool {
	for _, m := range c.members {
		if m.digest == s.digest {
			return true
		}
	}
	return false
}
