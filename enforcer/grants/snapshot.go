package grants

import (
	"slices"
	"strings"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

// Holding is what a pod holds at one address, for people.
type Holding struct {
	Grant
	// Names that led to it and are alive, sorted. Not all of them where there
	// are many.
	Names []Name
	// Connections is how many hold it past its time, as of the last question.
	Connections int
}

// Name is one name of a Holding.
type Name struct {
	// Text is empty where the entry was found in the kernel after a restart.
	Text    string
	Expires time.Duration
}

// Len returns the number of entries of all pods.
func (b *Book) Len() int {
	n := 0
	for _, p := range b.pods {
		n += len(p.entries)
	}
	return n
}

// Count returns how many of the entries open connections, and how many are past
// their time and held by some that live.
func (b *Book) Count() (open, held int) {
	for _, p := range b.pods {
		open += p.ages[wildcard].Len() + p.ages[exactly].Len()
		for place := p.ages[lingering].Front(); place != nil; place = place.Next() {
			if place.Value.(*entry).hold.patterns != nil {
				held++
			}
		}
	}
	return open, held
}

// Grants returns the entries of a pod as last returned, sorted by address.
// Those past their time are among them until Hold ends them.
func (b *Book) Grants(ep policy.EndpointID) []Grant {
	var out []Grant
	for _, e := range b.sorted(ep) {
		out = append(out, e.grant())
	}
	return out
}

// Holdings returns what a pod holds, sorted by address.
func (b *Book) Holdings(now time.Duration, ep policy.EndpointID) []Holding {
	var out []Holding
	for _, e := range b.sorted(ep) {
		h := Holding{Grant: e.grant()}
		for _, l := range e.links {
			if l.last > now {
				h.Names = append(h.Names, Name{l.name.text, l.last})
			}
		}
		slices.SortFunc(h.Names, func(a, b Name) int { return strings.Compare(a.Text, b.Text) })
		if len(e.links) == 0 {
			h.Connections = e.hold.connections
		}
		if len(h.Names) > 0 || h.Connections > 0 {
			out = append(out, h)
		}
	}
	return out
}

// Sets returns the different pattern sets of a pod's entries, each sorted. The
// kernel needs rows for each of them under every policy that the pod has.
func (b *Book) Sets(ep policy.EndpointID) [][]string {
	p := b.pods[ep]
	if p == nil {
		return nil
	}
	var out [][]string
	for _, e := range p.entries {
		out = append(out, e.patterns)
	}
	slices.SortFunc(out, slices.Compare)
	return slices.CompactFunc(out, slices.Equal)
}

// sorted returns the entries of a pod by address.
func (b *Book) sorted(ep policy.EndpointID) []*entry {
	p := b.pods[ep]
	if p == nil {
		return nil
	}
	out := make([]*entry, 0, len(p.entries))
	for _, e := range p.entries {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *entry) int { return a.addr.Compare(b.addr) })
	return out
}
