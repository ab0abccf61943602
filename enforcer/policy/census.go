package policy

import (
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// census answers which pods and nodes a selector matches. Pods that no
// selector can tell apart are one crowd, so that a Deployment of a thousand
// pods is matched once.
type census struct {
	// owner is the newest Compiled that goes by this census: only it may bring
	// it up to date, or hand it on.
	owner *Compiled
	// labels are those of namespaces.
	labels map[string]labels.Set
	// deserted are the crowds without pods, which only a new census drops.
	deserted int
	known    map[string]int32 // crowd key → crowd
	// at is who has an address.
	at         atlas.Map[netip.Addr, *company]
	crowds     []crowd
	namespaces []string // sorted, of crowds
	of         map[string][]int32
	members    map[digest][]int32  // pod selector → crowds
	spaces     map[string][]string // namespace selector → namespaces
}

type crowd struct {
	namespace string
	labels    labels.Set
	ports     []NamedPort
	pods      int
	// alone is the company at an address that no other pod has.
	alone *company
}

// company are the crowds whose pods have one address, once for each pod.
// Immutable.
type company struct{ crowds []int32 }

// bystanders are the crowd of pods that take no part: no selector matches it.
const bystanders int32 = 0

// live says whether a pod takes part at all, as subject or peer (P16, P17).
func (p *Pod) live() bool { return !p.HostNetwork && !p.Finished }

func takeCensus(w *World) *census {
	c := &census{
		labels:  w.Namespaces,
		of:      map[string][]int32{},
		members: map[digest][]int32{},
		spaces:  map[string][]string{},
		known:   map[string]int32{},
		crowds:  []crowd{{alone: &company{[]int32{bystanders}}}},
	}
	type dweller struct {
		address netip.Addr
		crowd   int32
	}
	all := make([]dweller, 0, len(w.Pods))
	var key []byte
	for _, p := range w.Pods {
		n, _ := c.crowdOf(p, &key)
		c.count(n, 1)
		for _, a := range p.Addresses {
			if a := plain(a); a.IsValid() {
				all = append(all, dweller{a, n})
			}
		}
	}
	slices.SortFunc(all, func(a, b dweller) int { return a.address.Compare(b.address) })
	var at atlas.Builder[netip.Addr, *company]
	for len(all) > 0 {
		same, together := 1, c.crowds[all[0].crowd].alone
		for ; same < len(all) && all[same].address == all[0].address; same++ {
			together = together.with(all[same].crowd)
		}
		at.Add(all[0].address, together)
		all = all[same:]
	}
	c.at = at.Map()
	return c
}

// crowdOf gives the crowd of a pod, and says whether it has just been made.
func (c *census) crowdOf(p *Pod, room *[]byte) (n int32, fresh bool) {
	if !p.live() || len(p.Addresses) == 0 {
		return bystanders, false
	}
	key := crowdKey((*room)[:0], p)
	*room = key
	n, ok := c.known[string(key)]
	if ok {
		return n, false
	}
	n = int32(len(c.crowds))
	c.known[string(key)] = n
	c.crowds = append(c.crowds, crowd{p.Ref.Namespace, p.Labels, p.Ports, 0, &company{[]int32{n}}})
	c.deserted++
	if at, seen := slices.BinarySearch(c.namespaces, p.Ref.Namespace); !seen {
		c.namespaces = slices.Insert(c.namespaces, at, p.Ref.Namespace)
	}
	c.of[p.Ref.Namespace] = append(c.of[p.Ref.Namespace], n)
	return n, true
}

// count notes that a crowd has more pods, or less.
func (c *census) count(n int32, more int) {
	if n == bystanders {
		return
	}
	was := c.crowds[n].pods
	c.crowds[n].pods += more
	switch now := c.crowds[n].pods; {
	case was == 0 && now > 0:
		c.deserted--
	case was > 0 && now == 0:
		c.deserted++
	}
}

func (c *company) with(n int32) *company { return &company{append(slices.Clip(c.crowds), n)} }

func crowdKey(key rendering, p *Pod) rendering {
	key = key.text(p.Ref.Namespace).number(len(p.Labels))
	var room [16]string
	keys := room[:0]
	for k := range p.Labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		key = key.text(k).text(p.Labels[k])
	}
	for _, port := range p.Ports {
		key = key.text(port.Name).number(int(port.Protocol)).number(int(port.Number))
	}
	return key
}

// match gives the crowds that s matches, in ascending order.
func (c *census) match(s *podSelector) []int32 {
	if found, ok := c.members[s.digest]; ok {
		return found
	}
	found := []int32{}
	for _, ns := range c.namespacesOf(s) {
		for _, n := range c.of[ns] {
			if s.pods == nil || s.pods.Matches(c.crowds[n].labels) {
				found = append(found, n)
			}
		}
	}
	slices.Sort(found)
	c.members[s.digest] = found
	return found
}

func (c *census) namespacesOf(s *podSelector) []string {
	if s.namespace != "" {
		if s.namespaces != nil && !s.namespaces.Matches(c.labels[s.namespace]) {
			return nil
		}
		return []string{s.namespace}
	}
	if s.namespaces == nil {
		return c.namespaces
	}
	key := renderSelector(s.namespaces)
	found, ok := c.spaces[key]
	if !ok {
		for _, ns := range c.namespaces {
			if s.namespaces.Matches(c.labels[ns]) {
				found = append(found, ns)
			}
		}
		c.spaces[key] = found
	}
	return found
}

// selects says whether a policy's subject is p.
func (c *census) selects(s *PodSelector, p *Pod) bool {
	if s.Namespace != "" && s.Namespace != p.Ref.Namespace {
		return false
	}
	if s.Namespaces != nil && !s.Namespaces.Matches(c.labels[p.Ref.Namespace]) {
		return false
	}
	return s.Pods == nil || s.Pods.Matches(p.Labels)
}

// renderSelector gives one text for selectors that were written in another
// order of requirements. Nil matches everything, like an empty one.
func renderSelector(s labels.Selector) string {
	if s == nil {
		return ""
	}
	requirements, selectable := s.Requirements()
	if !selectable {
		return "nothing" // requirements are bracketed
	}
	parts := make([]string, len(requirements))
	for i := range requirements {
		parts[i] = "[" + requirements[i].String() + "]"
	}
	slices.Sort(parts)
	return strings.Join(parts, "")
}
