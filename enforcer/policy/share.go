package policy

// sharesRows says whether a and b have the same rows: they are a function of
// the policies and of the classes that occur.
func sharesRows(a, b *Compiled) bool {
	return samePolicies(a, b) && sameClasses(a.peers, b.peers) && samePorts(a.ports, b.ports)
}

// samePolicies says whether the pods of both have the same rules. Which pod
// has which does not matter.
func samePolicies(a, b *Compiled) bool {
	if len(a.policies) != len(b.policies) {
		return false
	}
	for id, e := range a.policies {
		if other, ok := b.policies[id]; !ok || other.digest != e.digest {
			return false
		}
	}
	return true
}

// sameClasses does not look at who is in a class.
func sameClasses(a, b *peerSpace) bool {
	if len(a.classes) != len(b.classes) {
		return false
	}
	known := make(map[digest]bool, len(a.classes))
	for i := range a.classes {
		known[a.classes[i].digest] = true
	}
	for i := range b.classes {
		if !known[b.classes[i].digest] {
			return false
		}
	}
	return true
}

// samePorts may go by order, since spans are sorted.
func samePorts(a, b *portSpace) bool {
	if len(a.classes) != len(b.classes) {
		return false
	}
	for i := range a.classes {
		if a.classes[i].digest != b.classes[i].digest {
			return false
		}
	}
	return true
}
