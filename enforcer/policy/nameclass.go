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
func (c *Compiled) NameRows(ep EndpointID, patterns []string) map[RowKey]Row {
	rows := map[RowKey]Row{}
	c.egress[ep].addNameRows(rows, c.NameClass(patterns), patterns, c.ports.classes)
	return rows
}

// TransitionNameRows gives the name rows that have to be there while Tables
// move from one Compiled to the next by way of Transition: those of ep's old
// and new policy, for all port classes that either may meet on the way.
func TransitionNameRows(from, to *Compiled, ep EndpointID, patterns []string) map[RowKey]Row {
	between := to.ports.classes
	if !samePorts(from.ports, to.ports) {
		between = partitionPorts(mergePortSets(from.ports.sets, to.ports.sets), to.short).classes
	}
	class := to.NameClass(patterns)
	rows := map[RowKey]Row{}
	from.egress[ep].addNameRows(rows, class, patterns, slices.Concat(from.ports.classes, between))
	to.egress[ep].addNameRows(rows, class, patterns, slices.Concat(to.ports.classes, between))
	return rows
}

func (e *effective) addNameRows(rows map[RowKey]Row, class ClassID, patterns []string, ports []portClass) {
	if e == nil || len(patterns) == 0 {
		return
	}
	for i := range ports {
		row := emptyRow
		if n, r := e.admin.firstNamed(patterns, &ports[i]); r != nil {
			row.Admin = NewPrecedence(n+1, r.action)
		}
		if n, r := e.network.firstNamed(patterns, &ports[i]); r != nil {
			row.NetworkPolicy = n + 1
		}
		if n, r := e.baseline.firstNamed(patterns, &ports[i]); r != nil {
			row.Baseline = NewPrecedence(n+1, r.action)
		}
		if row != emptyRow {
			rows[RowKey{e.id, class, ports[i].id}] = row
		}
	}
}

// firstNamed gives the first rule that has one of the patterns for the ports.
func (l *tierList) firstNamed(patterns []string, ports *portClass) (uint32, *rule) {
	if l == nil {
		return 0, nil
	}
	for n, r := range l.rules {
		if r.namesAny(patterns) && (r.namePorts == nil || ports.has(r.namePorts)) {
			return uint32(n), r
		}
	}
	return 0, nil
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
