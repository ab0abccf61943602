package policy

// Explain names the rule of that index in the list: what a Ruling and a kernel
// event speak of. It says no where the list is not in use any more or has no
// such rule.
func (c *Compiled) Explain(id ListID, index uint32) (RuleRef, bool) {
	list, ok := c.lists[id]
	switch {
	case !ok:
		return RuleRef{}, false
	case index == ClosedIndex:
		return RuleRef{Closed: true}, true
	case index > uint32(len(list.rules)):
		return RuleRef{}, false
	}
	return list.rules[index-1].ref, true
}

// IsolatedBy gives the policies in force that isolate the pod in that
// direction: what to name where the NetworkPolicy tier denies, since no rule of
// it does (P6). The caller must not change the result.
func (c *Compiled) IsolatedBy(ep EndpointID, d Direction) []PolicyRef {
	return c.isolations[ep].enforced.of(d)
}

// AuditIsolatedBy is IsolatedBy with the policies that are on trial (P23).
func (c *Compiled) AuditIsolatedBy(ep EndpointID, d Direction) []PolicyRef {
	return c.isolations[ep].audited.of(d)
}

func (i isolators) of(d Direction) []PolicyRef {
	if d == Ingress {
		return i.ingress
	}
	return i.egress
}
