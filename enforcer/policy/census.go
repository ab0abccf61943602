package policy

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// census answers which pods and nodes a selector matches. Pods that no
// selector can tell apart are one crowd, so that a Deployment of a thousand
// pods is matched once.
type census struct {
	world *World
	// owner is the newest Compiled that goes by this census: only it may bring
	// it up to date, or hand it on.
	owner *Compiled
	// stale says that a crowd without pods is left whose ports nobody has now.
	stale bool
	// deserted are the crowds without pods, which only a new census drops.
	deserted int
	known    map[string]int32 // crowd key → crowd
	// at are the crowds whose pods have the address, once for each pod.
	at map[netip.Addr][]int32
	// sorted is what order gave last, nil if that was before somebody moved.
	sorted     []netip.Addr
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
	addresses []netip.Addr
}

// live says whether a pod takes part at all, as subject or peer (P16, P17).
func (p *Pod) live() bool { return !p.HostNetwork && !p.Finished }

func takeCensus(w *World) *census {
	c := &census{
		world:   w,
		of:      map[string][]int32{},
		members: map[digest][]int32{},
		spaces:  map[string][]string{},
		known:   make(map[string]int32, len(w.Pods)),
		at:      make(map[netip.Addr][]int32, len(w.Pods)),
	}
	var key []byte
	for _, p := range w.Pods {
		if p.live() && len(p.Addresses) > 0 {
			key = crowdKey(key[:0], p)
			c.enter(key, p)
		}
	}
	return c
}

// enter counts a pod in, and says whether it makes a crowd.
func (c *census) enter(key []byte, p *Pod) (crowd int32, fresh bool) {
	n, ok := c.known[string(key)]
	if !ok {
		n = int32(len(c.crowds))
		c.known[string(key)] = n
		c.crowds = append(c.crowds, newCrowd(p))
		if _, seen := c.of[p.Ref.Namespace]; !seen {
			at, _ := slices.BinarySearch(c.namespaces, p.Ref.Namespace)
			c.namespaces = slices.Insert(c.namespaces, at, p.Ref.Namespace)
		}
		c.of[p.Ref.Namespace] = append(c.of[p.Ref.Namespace], n)
	}
	for _, a := range p.Addresses {
		if a := plain(a); a.IsValid() {
			c.crowds[n].addresses = append(c.crowds[n].addresses, a)
			c.at[a] = append(c.at[a], n)
		}
	}
	return n, !ok
}

// order gives the addresses of all pods, sorted.
func (c *census) order() []netip.Addr {
	if c.sorted == nil {
		c.sorted = slices.SortedFunc(maps.Keys(c.at), netip.Addr.Compare)
	}
	return c.sorted
}

func newCrowd(p *Pod) crowd {
	return crowd{namespace: p.Ref.Namespace, labels: p.Labels, ports: p.Ports}
}

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
		if s.namespaces != nil && !s.namespaces.Matches(c.world.Namespaces[s.namespace]) {
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
			if s.namespaces.Matches(c.world.Namespaces[ns]) {
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
	if s.Namespaces != nil && !s.Namespaces.Matches(c.world.Namespaces[p.Ref.Namespace]) {
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
