package policy

// closedRow denies whatever else is said: two classes share an id, and what
// one of them may do the other must not get (see ClosedIndex).
const closedRow = Precedence(ClosedIndex<<2 | uint32(ActionDeny))

// rows gives what the list's rules say about every class of the catalog.
func (c *catalog) rows(list *tierList) *List {
	g := c.grid(list)
	out := &List{Rows: map[Cell]Precedence{}}
	for port := range c.ports {
		c.addPort(out, g, int32(port))
	}
	return out
}

// addPort adds the rows of one port class. A row that says nothing, or what the
// AnyPeer row says, is left out.
func (c *catalog) addPort(out *List, g *grid, port int32) {
	id := c.ports[port].id
	if c.badPorts[id] {
		out.Rows[Cell{AnyPeer, id}], out.Wide = closedRow, true
		return
	}
	anyPeer := g.at(0, port)
	if anyPeer != NoRule {
		out.Rows[Cell{AnyPeer, id}], out.Wide = anyPeer, true
	}
	for i, class := range g.relevant {
		if row := g.at(g.groups[i], port); row != anyPeer {
			out.Rows[Cell{c.peers[class].id, id}] = row
		}
	}
	for peer := range c.badPeers {
		out.Rows[Cell{peer, id}] = closedRow
	}
}
