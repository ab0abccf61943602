package manifests

import (
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
)

// Snapshot is everything a folder said at one moment. Nobody changes it once
// it is handed out.
type Snapshot struct {
	// Namespaces holds those that have an object and those that others are
	// in, each with the label kubernetes.io/metadata.name.
	Namespaces map[string]labels.Set
	Nodes      []policy.Node
	Pods       []*policy.Pod
	Services   []*policy.Service
	Policies   []*policy.Policy
	// Interfaces are the host-side interfaces of pods, by UID, where the
	// annotation nameward.io/interface names one. Finished and hostNetwork
	// pods have none.
	Interfaces map[string]string
	// Problems are the parts of policies that are closed, by file and line.
	Problems []Problem

	settings overrides
	// defaults are the node defaults that annotations of nodes ask for.
	defaults map[string]policy.Verdict
}

// Settings lays over base what the ConfigMap "nameward" says, and over that
// what the annotation of the node says. The slices are shared.
func (s *Snapshot) Settings(node string, base Settings) Settings {
	settings := s.settings.over(base)
	if verdict, ok := s.defaults[node]; ok {
		settings.Default = verdict
	}
	return settings
}

// World is the snapshot as the node of that name sees it. Its own addresses
// are those of its Node object; where the host knows more, the caller adds
// them to LocalAddresses, which is not shared. The other slices and maps are.
func (s *Snapshot) World(node string, base Settings) *policy.World {
	settings := s.Settings(node, base)
	world := &policy.World{
		Node:         node,
		Default:      settings.Default,
		AWSRuleOrder: settings.AWSRuleOrder,
		ClusterDNS:   settings.ClusterDNS,
		Namespaces:   s.Namespaces,
		Nodes:        s.Nodes,
		Pods:         s.Pods,
		Services:     s.Services,
		Policies:     s.Policies,
	}
	for i := range s.Nodes {
		if s.Nodes[i].Name == node {
			world.LocalAddresses = append(world.LocalAddresses, s.Nodes[i].Addresses...)
		}
	}
	return world
}
