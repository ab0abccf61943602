package manifests

import (
	"iter"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

// Snapshot is everything a folder said at one moment. Nobody changes it once
// it is handed out.
type Snapshot struct {
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
	// Interfaces are the host-side interfaces of pods, by UID, where the
	// annotation nameward.io/interface names one. Finished and hostNetwork
	// pods have none.
	Interfaces map[string]string
	// Problems are the parts of policies that are closed, by file and line.
	Problems []Problem

	// policiesAt is where each policy is written.
	policiesAt map[policy.PolicyRef]place
	overrides  settings.Overrides
	// defaults are the node defaults that annotations of nodes ask for.
	defaults map[string]policy.Verdict
	// local are those of Services whose backends depend on the node.
	local map[int]*convert.Balanced
	trial *trialViews
}

// Place is where a policy is written: the path of the file, as Load was given
// the folder, and the line of the object, from 1. Both are zero for a policy
// that the folder does not hold.
func (s *Snapshot) Place(ref policy.PolicyRef) (file string, line int) {
	at := s.policiesAt[ref]
	return at.file, at.line
}

// Interface is the pod's host-side interface, or "" where no annotation names it.
func (s *Snapshot) Interface(uid string) string { return s.Interfaces[uid] }

// Local gives the pods of that node.
func (s *Snapshot) Local(node string) []*policy.Pod {
	var local []*policy.Pod
	for _, p := range s.Pods {
		if p.Node == node {
			local = append(local, p)
		}
	}
	return local
}

// Closed gives each part of a policy that is closed, with the words for it.
func (s *Snapshot) Closed() iter.Seq2[policy.Problem, string] {
	return func(yield func(policy.Problem, string) bool) {
		for _, p := range s.Problems {
			if !yield(p.Problem, p.String()) {
				return
			}
		}
	}
}

// Settings lays over base what the ConfigMap "nameward" says, and over that
// what the annotation of the node says. The slices are shared.
func (s *Snapshot) Settings(node string, base settings.Settings) settings.Settings {
	all := s.overrides.Over(base)
	if verdict, ok := s.defaults[node]; ok {
		all.Default = verdict
	}
	return all
}

// World is the snapshot as the node of that name sees it. Its own addresses
// are those of its Node object; where the host knows more, the caller adds
// them to LocalAddresses, which is not shared. The other slices and maps may
// be, and every Policy and Service is the same pointer in each World that
// makes the same of it.
func (s *Snapshot) World(node string, base settings.Settings) *policy.World {
	set := s.Settings(node, base)
	world := &policy.World{
		Node:         node,
		Default:      set.Default,
		AWSRuleOrder: set.AWSRuleOrder,
		ClusterDNS:   set.ClusterDNS,
		Namespaces:   s.Namespaces,
		Nodes:        s.Nodes,
		Pods:         s.Pods,
		Services:     s.servicesOn(node),
		Policies:     s.Policies,
	}
	s.trial.apply(set.Mode, world)
	for i := range s.Nodes {
		if s.Nodes[i].Name == node {
			world.LocalAddresses = append(world.LocalAddresses, s.Nodes[i].Addresses...)
		}
	}
	return world
}

func (s *Snapshot) servicesOn(node string) []*policy.Service {
	if len(s.local) == 0 {
		return s.Services
	}
	all := slices.Clone(s.Services)
	for i, balanced := range s.local {
		all[i] = balanced.On(node)
	}
	return all
}
