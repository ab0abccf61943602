package kube

import (
	"iter"
	"net/netip"

	"github.com/nameward/nameward/enforcer/cluster"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// Snapshot is everything that the API server had said at one moment. Nobody
// changes it once it is handed out. What is the same in the one before it, pods,
// Services and policies, is the same pointer.
type Snapshot struct {
	cluster.Cluster
	// Objects are the policies of all kinds as API objects.
	Objects []*Object

	node      string
	local     []*policy.Pod
	others    []policy.Problem
	revisions map[string]string
	// dns are the addresses of the Services that Config.ClusterDNS names.
	dns []netip.Addr
}

// World and Settings are the cluster's, with the addresses of the cluster's DNS
// Services where base has none (N8). Settings of the cluster override either.
func (s *Snapshot) World(node string, base settings.Settings) *policy.World {
	return s.Cluster.World(node, s.resolved(base))
}

// Settings are as World has them.
func (s *Snapshot) Settings(node string, base settings.Settings) settings.Settings {
	return s.Cluster.Settings(node, s.resolved(base))
}

func (s *Snapshot) resolved(base settings.Settings) settings.Settings {
	if len(base.ClusterDNS) == 0 {
		base.ClusterDNS = s.dns
	}
	return base
}

// Interface gives "": an API server knows no interfaces.
func (s *Snapshot) Interface(string) string { return "" }

// Local gives the pods of a node that are not finished. The slice is shared.
func (s *Snapshot) Local(node string) []*policy.Pod {
	if node == s.node {
		return s.local
	}
	return s.Cluster.Local(node)
}

// Closed gives each part of a policy that is closed, and what of namespaces and
// nodes is not understood, with the words for it.
func (s *Snapshot) Closed() iter.Seq2[policy.Problem, string] {
	return func(yield func(policy.Problem, string) bool) {
		for _, o := range s.Objects {
			for _, p := range o.Problems {
				if !yield(p, p.String()) {
					return
				}
			}
		}
		for _, p := range s.others {
			if !yield(p, p.String()) {
				return
			}
		}
	}
}

// Revisions are the newest resource versions that are in the Snapshot, by
// resource and group, such as pods and networkpolicies.networking.k8s.io. A kind
// that the cluster lacks is not in it.
func (s *Snapshot) Revisions() map[string]string { return s.revisions }
