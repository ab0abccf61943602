package policy

// Explain names the rule that a verdict speaks of. For Admin and Baseline,
// index is Precedence.Index; for NetworkPolicy it is Row.NetworkPolicy - 1. It
// says no where the policy is not in use any more or has no such rule.
func (c *Compiled) Explain(id PolicyID, tier Tier, index uint32) (RuleRef, bool) {
	e, ok := c.policies[id]
	if !ok {
		return RuleRef{}, false
	}
	if tier != TierNetworkPolicy {
		if index == ClosedIndex {
			return RuleRef{Closed: true}, tier == TierAdmin
		}
		index--
	}
	list := e.list(tier)
	if list == nil || index >= uint32(len(list.rules)) {
		return RuleRef{}, false
	}
	return list.rules[index].ref, true
}

// IsolatedBy gives the policies that isolate the pod in that direction: what
// to name where the NetworkPolicy tier denies, since no rule of it does (P6).
// The caller must not change the result.
func (c *Compiled) IsolatedBy(ep EndpointID, d Direction) []PolicyRef {
	if d == Ingress {
		return c.isolations[ep].ingress
	}
	return c.isolations[ep].egress
}
