package pods

import (
	"net/netip"
	"time"
)

// means are how an interface was found, the more trusted the greater.
type means uint8

const (
	unfound means = iota
	// byScan: the namespace behind the interface has the pod's address. Who
	// has NET_ADMIN there can forge it.
	byScan
	// byRoute: a route of the node to the pod's address leads over it.
	byRoute
	// byName: a cached result of a runtime that tells no UID.
	byName
	byCache
	byChain
)

// claim is a reason to take an interface for a pod's.
type claim struct {
	uid   string
	link  *link
	means means
	// at is when it was told, for what is told.
	at time.Time
	// source is who says so, the subject of a sentence.
	source string
	// addresses are those that were told along, or that it was found by.
	addresses []netip.Addr
}

// beats says which of two claims counts. A later CNI ADD is the truer one: an
// interface's name can be used again for a pod of the same name, as AWS' and
// Calico's plugins do, before the old sandbox is cleaned up.
func (c claim) beats(o claim) bool {
	if c.means != o.means {
		return c.means > o.means
	}
	return c.at.After(o.at)
}

// ties says that nothing decides between two claims.
func (c claim) ties(o claim) bool { return c.means == o.means && c.at.Equal(o.at) }

// wanted is a pod to be found, and since when.
type wanted struct {
	Pod
	since time.Time
}

func (w *wanted) title() string { return w.Namespace + "/" + w.Name }

func overlap(a, b []netip.Addr) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}
