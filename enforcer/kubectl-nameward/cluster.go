package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/manifests"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// cluster is a folder of manifests, ready to be asked about its pods.
type cluster struct {
	snapshot *manifests.Snapshot
	base     settings.Settings
	// pods are those of the snapshot, with what they lack made up.
	pods []*policy.Pod
	// homeless and nameless are the pods without node and without address.
	homeless, nameless map[*policy.Pod]bool
	// views are made when a pod of the node is first asked about.
	views map[string]*view
	// warn is told of each part of a policy that is closed; told is of what
	// the views have told, most of which each of them finds.
	warn func(string)
	told map[string]bool
}

// view is what one node's enforcer gives to the kernel.
type view struct {
	world    *policy.World
	compiled *policy.Compiled
	// tables are those of compiled, and the rows of every name asked about.
	tables policy.Tables
}

// newCluster puts pods that are on no node on the given one, if any: where
// nothing is scheduled, as in a folder under version control, all pods are
// such. Without a name they are on a node of their own, whose name is "".
func newCluster(s *manifests.Snapshot, base settings.Settings, node string, warn func(string)) *cluster {
	c := &cluster{
		snapshot: s, base: base,
		homeless: map[*policy.Pod]bool{}, nameless: map[*policy.Pod]bool{},
		views: map[string]*view{}, warn: warn, told: map[string]bool{},
	}
	next := firstMadeUp
	for _, p := range s.Pods {
		made := *p
		if made.Node == "" {
			made.Node = node
			c.homeless[&made] = true
		}
		if len(made.Addresses) == 0 && !made.HostNetwork && !made.Finished {
			made.Addresses = []netip.Addr{next}
			next = next.Next()
			c.nameless[&made] = true
		}
		c.pods = append(c.pods, &made)
	}
	for _, p := range s.Problems {
		warn(p.String())
	}
	return c
}

// firstMadeUp begins the addresses of pods that have none. They are of the
// reserved class E, which no pod, node or Service has (RFC 1112, 4).
var firstMadeUp = netip.AddrFrom4([4]byte{240, 0, 0, 1})

// view gives what the enforcer of the node has compiled.
func (c *cluster) view(node string) *view {
	if v, ok := c.views[node]; ok {
		return v
	}
	w := c.snapshot.World(node, c.base)
	w.Pods = c.pods
	v := &view{world: w, compiled: policy.Compile(w)}
	v.tables = *v.compiled.Tables
	v.tables.NameRows = map[policy.RowKey]policy.Precedence{}
	c.views[node] = v
	for _, p := range v.compiled.Problems {
		text := p.Reason
		if p.Policy != (policy.PolicyRef{}) {
			text = c.policy(p.Policy).place() + ": " + p.String()
		}
		if !c.told[text] {
			c.warn(text)
		}
		c.told[text] = true
	}
	return v
}

// pod finds a pod by name.
func (c *cluster) pod(namespace, name string) (*policy.Pod, error) {
	var names []string
	for _, p := range c.pods {
		if p.Ref.Namespace == namespace && p.Ref.Name == name {
			return p, nil
		}
		names = append(names, p.Ref.Namespace+"/"+p.Ref.Name)
	}
	return nil, fmt.Errorf("no pod %s/%s in the manifests; %s", namespace, name, suggest(names, namespace+"/"+name))
}

// podAt finds the pod that has the address. A hostNetwork pod's is its node's.
func (c *cluster) podAt(a netip.Addr) *policy.Pod {
	for _, p := range c.pods {
		if !p.HostNetwork && !p.Finished && slices.Contains(p.Addresses, a) {
			return p
		}
	}
	return nil
}

// addressesOf are those that packets from and to the pod have.
func (c *cluster) addressesOf(p *policy.Pod) []netip.Addr {
	if len(p.Addresses) > 0 || !p.HostNetwork {
		return p.Addresses
	}
	for i := range c.snapshot.Nodes {
		if n := &c.snapshot.Nodes[i]; n.Name == p.Node {
			return n.Addresses
		}
	}
	return nil
}

func (c *cluster) service(namespace, name string) (*policy.Service, error) {
	var names []string
	for _, s := range c.snapshot.Services {
		if s.Namespace == namespace && s.Name == name {
			return s, nil
		}
		names = append(names, s.Namespace+"/"+s.Name)
	}
	return nil, fmt.Errorf("no Service %s/%s in the manifests; %s", namespace, name, suggest(names, namespace+"/"+name))
}

// serviceOn is the Service as the node sees it.
func (c *cluster) serviceOn(node string, s *policy.Service) *policy.Service {
	for _, seen := range c.view(node).world.Services {
		if seen.Namespace == s.Namespace && seen.Name == s.Name {
			return seen
		}
	}
	return s
}

func (c *cluster) serviceAt(a netip.Addr) *policy.Service {
	for _, s := range c.snapshot.Services {
		if slices.Contains(s.Addresses, a) {
			return s
		}
	}
	return nil
}
