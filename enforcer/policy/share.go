package policy

// samePartition says whether a and b tell the same addresses and ports apart:
// a list of the same rules then has the same rows in both.
func samePartition(a, b *Compiled) bool {
	return sameClasses(a.peers, b.peers) && samePorts(a.ports, b.ports)
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
