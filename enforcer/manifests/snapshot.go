package manifests

import (
	"iter"

	"github.com/nameward/nameward/enforcer/cluster"
	"github.com/nameward/nameward/enforcer/policy"
)

// Snapshot is everything a folder said at one moment. Nobody changes it once
// it is handed out.
type Snapshot struct {
	cluster.Cluster
	// Interfaces are the host-side interfaces of pods, by UID, where the
	// annotation nameward.io/interface names one. Finished and hostNetwork
	// pods have none.
	Interfaces map[string]string
	// Problems are the parts of policies that are closed, by file and line.
	Problems []Problem

	// policiesAt is where each policy is written.
	policiesAt map[policy.PolicyRef]place
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
