package pods

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// evidence is all that is known at one moment.
type evidence struct {
	config  *Config
	now     time.Time
	pods    []*wanted // by UID ascending
	facts   []*fact
	network *network
	// held has, by index, who had each interface before, and by what means.
	held map[int]claim
	// nsid gives the number of the namespace at a path, or nowhere.
	nsid func(path string) int
	// inside gives the addresses at an interface's other end, glimpsed those
	// of a while ago, if they were read.
	inside   func(*link) ([]netip.Addr, error)
	glimpsed func(*link) []netip.Addr
	// unreadable is why a cached result could not be read, if one could not.
	unreadable error
}

// judge comes to a decision on evidence: strong means first, so that weak ones
// find taken what is somebody's.
type judge struct {
	*evidence
	byUID  map[string]*wanted
	byName map[string][]*wanted
	// owners are by index, also pods that are not wanted (any more): nothing
	// weaker gives their interface to a pod with the same address (P16).
	owners map[int]claim
	found  map[string]claim
	// tried are remarks for the pods that are not found in the end, doubts
	// for those that are.
	tried, doubts map[string][]string
	// blind is why namespaces could not be looked into.
	blind error
}

// locate decides where the pods are, and who holds which interface.
func locate(e *evidence) (*Located, map[int]claim) {
	j := &judge{
		evidence: e,
		byUID:    make(map[string]*wanted, len(e.pods)), byName: make(map[string][]*wanted, len(e.pods)),
		owners: make(map[int]claim), found: make(map[string]claim, len(e.pods)),
		tried: make(map[string][]string), doubts: make(map[string][]string),
	}
	for _, p := range e.pods {
		j.byUID[p.UID] = p
		j.byName[p.title()] = append(j.byName[p.title()], p)
	}
	j.heed()
	j.remember(byRoute)
	j.routes()
	j.remember(byScan)
	j.scan()
	j.doubt()
	maps.DeleteFunc(j.owners, func(_ int, c claim) bool { return c.uid == "" })
	return j.located(), j.owners
}

func (j *judge) try(uid, format string, args ...any) {
	if _, wanted := j.byUID[uid]; wanted {
		j.tried[uid] = append(j.tried[uid], fmt.Sprintf(format, args...))
	}
}

// title is how a sentence names a pod.
func (j *judge) title(uid string) string {
	if p, ok := j.byUID[uid]; ok {
		return "pod " + p.title()
	}
	return "another pod (UID " + uid + ")"
}

// heed takes what is told of pods by their identity.
func (j *judge) heed() {
	for _, f := range j.facts {
		uid, means := j.who(f)
		if uid == "" {
			continue
		}
		l, why := j.lead(f)
		if l == nil {
			j.try(uid, "%s %s", f.source, why)
			continue
		}
		j.claim(claim{uid, l, means, f.at, f.source, f.addresses})
	}
	for _, index := range slices.Sorted(maps.Keys(j.owners)) {
		c := j.owners[index]
		if _, wanted := j.byUID[c.uid]; !wanted {
			continue
		}
		if best, ok := j.found[c.uid]; !ok || c.beats(best) {
			j.found[c.uid] = c
		}
	}
}

// who is the pod of a fact. Where the runtime tells no UID, a name will do, if
// it is the name of one pod and an address agrees.
func (j *judge) who(f *fact) (string, means) {
	if p, wanted := j.byUID[f.uid]; wanted && f.name != "" && p.title() != f.namespace+"/"+f.name {
		// A static pod's UID is what an object of the API says that it is. It is
		// not that object; nor is the interface anybody's who is found otherwise.
		j.try(p.UID, "%s has a result for its UID, but of %s/%s", f.source, f.namespace, f.name)
		return f.uid + " of " + f.namespace + "/" + f.name, f.means
	}
	if f.uid != "" {
		return f.uid, f.means
	}
	same := j.byName[f.namespace+"/"+f.name]
	if len(same) == 1 && overlap(same[0].Addresses, f.addresses) {
		return same[0].UID, byName
	}
	for _, p := range same {
		j.try(p.UID, "%s has a result for this name, but no UID, and %s", f.source,
			either(len(same) > 1, "more than one pod has the name", "no address of the pod"))
	}
	return "", unfound
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// lead follows a fact to an interface, or says why there is none.
func (j *judge) lead(f *fact) (*link, string) {
	behind := nowhere
	if f.netns != "" {
		behind = j.nsid(f.netns)
	}
	fits := func(l *link) bool {
		return l != nil && j.network.barred[l.index] == "" &&
			(l.far() && (behind == nowhere || l.nsid == behind) || !l.far() && f.means == byChain)
	}
	exact := false
	for _, e := range f.ends {
		l := j.network.names[e.name]
		if e.index != 0 {
			l, exact = j.network.links[e.index], true
		}
		if fits(l) {
			return l, ""
		}
	}
	if !exact { // it may have been renamed, or never been told
		for _, e := range f.ends {
			if same := slices.DeleteFunc(slices.Clone(j.network.byMac[e.mac]), func(l *link) bool { return !fits(l) }); e.mac != "" && len(same) == 1 {
				return same[0], ""
			}
		}
		// Who made the pod's namespace made its primary interface first.
		for _, l := range j.network.byNsid[behind] {
			if fits(l) {
				return l, ""
			}
		}
	}
	return nil, j.astray(f, behind)
}

// astray says why a fact leads nowhere.
func (j *judge) astray(f *fact, behind int) string {
	for _, e := range f.ends {
		l := j.network.names[e.name]
		if e.index != 0 {
			l = j.network.links[e.index]
		}
		if l == nil {
			continue
		}
		if why := j.network.barred[l.index]; why != "" {
			if l.kind == "bridge" {
				continue
			}
			return fmt.Sprintf("names %s, which is no pod's: %s", l.name, why)
		}
		if !l.far() {
			return fmt.Sprintf("names %s, whose kind leads to no pod: only veth and netkit do", l.name)
		}
		if behind != nowhere {
			return fmt.Sprintf("names %s, which leads to another network namespace than %s", l.name, f.netns)
		}
	}
	return "names no interface that the node has"
}

// claim takes an interface for a pod, if nobody has a better claim.
func (j *judge) claim(c claim) {
	o, taken := j.owners[c.link.index]
	switch {
	case !taken || o.uid == c.uid && c.beats(o):
		j.owners[c.link.index] = c
	case o.uid == c.uid:
	case c.ties(o):
		j.try(o.uid, "%s gives it %s, and %s the same to %s", o.source, c.link.name, c.source, j.title(c.uid))
		j.try(c.uid, "%s gives it %s, and %s the same to %s", c.source, c.link.name, o.source, j.title(o.uid))
		o.uid = "" // nobody's, and nobody else's
		j.owners[c.link.index] = o
	case c.beats(o):
		j.owners[c.link.index] = c
		j.try(o.uid, "%s gives it %s, which %s better gives to %s", o.source, c.link.name, c.source, j.title(c.uid))
	default:
		j.try(c.uid, "%s gives it %s, which %s better gives to %s", c.source, c.link.name, o.source, j.title(o.uid))
	}
}

// remember keeps what was found before, while the interface is the same: facts
// end before the interface does, when a pod is torn down.
func (j *judge) remember(least means) {
	for _, index := range slices.Sorted(maps.Keys(j.held)) {
		c := j.held[index]
		l := j.network.links[index]
		p, wanted := j.byUID[c.uid]
		// Who is no longer wanted keeps it against all: what it was found by
		// says nothing of who has the address now.
		weak := wanted && c.means < least
		if _, taken := j.owners[index]; taken || weak || l == nil || !l.same(c.link) || j.network.barred[index] != "" {
			continue
		}
		c.link = l
		_, found := j.found[c.uid]
		j.owners[index] = c
		// Found by an address that the pod has no more, it is not found.
		if wanted && !found && (c.means > byRoute || len(p.Addresses) == 0 || overlap(c.addresses, p.Addresses)) {
			j.found[c.uid] = c
		}
	}
}
