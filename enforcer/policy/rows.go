package policy

// closedRow denies whatever else is said: two classes share an id, and what
// one of them may do the other must not get (see ClosedIndex).
var closedRow = Row{Admin: Precedence(ClosedIndex<<2 | uint32(ActionDeny)), Baseline: NoRule}

// emptyRow says nothing; a row that is not there says the same.
var emptyRow = Row{Admin: NoRule, Baseline: NoRule}

// addRows writes what e says about every class of the catalog.
func (c *catalog) addRows(rows map[RowKey]Row, e *effective) {
	s := c.scan(e)
	anyPeer := make([]Row, len(c.ports))
	for port := range c.ports {
		anyPeer[port] = s.row(int32(port))
		if c.badPorts[c.ports[port].id] {
			anyPeer[port] = closedRow
		}
		if anyPeer[port] != emptyRow {
			rows[RowKey{e.id, AnyPeer, c.ports[port].id}] = anyPeer[port]
		}
	}
	for {
		class, ok := s.next()
		if !ok {
			break
		}
		id := c.peers[class].id
		for port := range c.ports {
			row := s.row(int32(port))
			if row != anyPeer[port] && anyPeer[port] != closedRow {
				rows[RowKey{e.id, id, c.ports[port].id}] = row
			}
		}
	}
	for id := range c.badPeers {
		for port := range c.ports {
			rows[RowKey{e.id, id, c.ports[port].id}] = closedRow
		}
	}
}

// scan walks the classes that any tier of a policy knows, in order.
type scan struct {
	grids [3]*grid // admin, network, baseline; nil where there is no list
	at    [3]int   // position in grid.relevant
	group [3]int32
}

func (c *catalog) scan(e *effective) *scan {
	s := &scan{}
	for i, list := range e.lists() {
		if list != nil {
			s.grids[i] = c.grid(list, list == e.network)
		}
	}
	return s
}

// next goes to the next class.
func (s *scan) next() (int32, bool) {
	class, ok := int32(0), false
	for i, g := range s.grids {
		if g != nil && s.at[i] < len(g.relevant) && (!ok || g.relevant[s.at[i]] < class) {
			class, ok = g.relevant[s.at[i]], true
		}
	}
	if !ok {
		return 0, false
	}
	for i, g := range s.grids {
		s.group[i] = 0
		if g != nil && s.at[i] < len(g.relevant) && g.relevant[s.at[i]] == class {
			s.group[i] = g.groups[s.at[i]]
			s.at[i]++
		}
	}
	return class, true
}

// row is what is said about the class that next went to, or before the first
// call of it about every peer.
func (s *scan) row(port int32) Row {
	row := emptyRow
	if g := s.grids[0]; g != nil {
		row.Admin = Precedence(g.at(s.group[0], port))
	}
	if g := s.grids[1]; g != nil {
		row.NetworkPolicy = g.at(s.group[1], port)
	}
	if g := s.grids[2]; g != nil {
		row.Baseline = Precedence(g.at(s.group[2], port))
	}
	return row
}
