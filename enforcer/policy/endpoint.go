package policy

import "slices"

// lists are those that the attachment has.
func (a Attachment) lists() []ListID {
	return slices.DeleteFunc([]ListID{a.Admin, a.NetworkPolicy, a.Baseline}, func(id ListID) bool { return id == 0 })
}

// uses says whether any of the endpoint's packets is judged by the list.
func (e Endpoint) uses(id ListID) bool { return slices.Contains(e.lists(), id) }

// lists are those that any of the endpoint's packets is judged by.
func (e Endpoint) lists() []ListID {
	var all []ListID
	for _, a := range []Attachment{e.Ingress, e.Egress, e.Audit.Ingress, e.Audit.Egress} {
		all = append(all, a.lists()...)
	}
	return all
}

// egress gives the lists of both stances, sorted.
func (e Endpoint) egress() []ListID {
	all := append(e.Egress.lists(), e.Audit.Egress.lists()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// mergePatterns gives both, sorted, each once.
func mergePatterns(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// patterns gives the name patterns of all rules, sorted.
func (e *effective) patterns() []string {
	var found []string
	for _, list := range []*tierList{e.admin, e.network, e.baseline} {
		if list == nil {
			continue
		}
		for _, r := range list.rules {
			found = append(found, r.names...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
