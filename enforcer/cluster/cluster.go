// Package cluster knows what a source has said of a whole cluster at one
// moment, and what a node makes of it: its World and its settings. What does
// the same for a folder of manifests and for an API server is here. It must not
// know where anything comes from, nor judge anything.
package cluster

import (
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

// Cluster is everything that matters of a cluster at one moment. Nobody changes
// it once it is handed out. Two of them share the pointers of what is the same.
type Cluster struct {
	// Namespaces holds those that have an object and those that others are
	// in, each with the label kubernetes.io/metadata.name.
	Namespaces map[string]labels.Set
	Nodes      []policy.Node
	Pods       []*policy.Pod
	// Services are sorted by namespace and name, each with the backends of all
	// nodes.
	Services []*policy.Service
	// Policies are on trial where they or their namespaces say so, whatever
	// the settings are.
	Policies []*policy.Policy
	// Overrides are the settings of the cluster.
	Overrides settings.Overrides
	// Defaults are the node defaults that single nodes have, by their names.
	Defaults map[string]policy.Verdict
	// Balanced are those of Services whose backends depend on the node, by
	// their place among them.
	Balanced map[int]*convert.Balanced
	Trial    *Trial
}

// Addresses gives those of a Node object, none where there is none.
func (c *Cluster) Addresses(node string) []netip.Addr {
	for i := range c.Nodes {
		if c.Nodes[i].Name == node {
			return c.Nodes[i].Addresses
		}
	}
	return nil
}

// Local gives the pods of that node.
func (c *Cluster) Local(node string) []*policy.Pod {
	var local []*policy.Pod
	for _, p := range c.Pods {
		if p.Node == node {
			local = append(local, p)
		}
	}
	return local
}

// Settings lays over base what the cluster's settings say, and over that what
// is said of the node. The slices are shared.
func (c *Cluster) Settings(node string, base settings.Settings) settings.Settings {
	all := c.Overrides.Over(base)
	if verdict, ok := c.Defaults[node]; ok {
		all.Default = verdict
	}
	return all
}

// World is the cluster as the node of that name sees it. Its own addresses
// are those of its Node object; where the host knows more, the caller adds
// them to LocalAddresses, which is not shared. The other slices and maps may
// be, and every Policy and Service is the same pointer in each World that
// makes the same of it.
func (c *Cluster) World(node string, base settings.Settings) *policy.World {
	set := c.Settings(node, base)
	world := &policy.World{
		Node:         node,
		Default:      set.Default,
		AWSRuleOrder: set.AWSRuleOrder,
		ClusterDNS:   set.ClusterDNS,
		Namespaces:   c.Namespaces,
		Nodes:        c.Nodes,
		Pods:         c.Pods,
		Services:     c.servicesOn(node),
		Policies:     c.Policies,
	}
	c.Trial.apply(set.Mode, world)
	world.LocalAddresses = slices.Clone(c.Addresses(node))
	return world
}

func (c *Cluster) servicesOn(node string) []*policy.Service {
	if len(c.Balanced) == 0 {
		return c.Services
	}
	all := slices.Clone(c.Services)
	for i, balanced := range c.Balanced {
		all[i] = balanced.On(node)
	}
	return all
}
