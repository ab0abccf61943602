package policy

import (
	"maps"
	"slices"
)

// samePartition says whether a and b tell the same addresses and ports apart:
// a list of the same rules then has the same rows in both.
func samePartition(a, b *Compiled) bool {
	return sameClasses(a.peers, b.peers) && samePorts(a.ports, b.ports)
}

// sameLists says whether both are the same rules under the same ids.
func sameLists(a, b map[ListID]*tierList) bool {
	return maps.EqualFunc(a, b, func(x, y *tierList) bool { return x.digest == y.digest })
}

// sameClasses does not look at who is in a class.
func sameClasses(a, b *peerSpace) bool {
	if len(a.classes) != len(b.classes) {
		return false
	}
	if len(a.classes) > 0 && &a.classes[0] == &b.classes[0] {
		return true
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

// sameRows says whether the list has the same rows in both catalogs: each of
// its sets has the same classes.
func (l *tierList) sameRows(a, b *catalog) bool {
	switch {
	case a.bad() || b.bad() || !slices.Equal(a.portIDs, b.portIDs):
		return false
	case a == b:
		return true
	}
	for _, r := range l.rules {
		for _, t := range r.terms {
			if t.peers != nil && !slices.Equal(a.classesOf(t.peers), b.classesOf(t.peers)) {
				return false
			}
		}
	}
	return true
}
