package kube

import (
	"maps"
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
)

// snapshot gives all pods and those of this node, the same slices while nothing
// is different.
func (s *pods) snapshot() (all, local []*policy.Pod) {
	if s.listStale {
		s.listStale = false
		s.list = make([]*policy.Pod, 0, len(s.given)-s.empty)
		for rest := s.given; len(rest) > 0; {
			run := slices.Index(rest, nil)
			if run < 0 {
				run = len(rest)
			}
			s.list = append(s.list, rest[:run]...)
			rest = rest[min(run+1, len(rest)):]
		}
	}
	if s.localsStale {
		s.localsStale = false
		s.locals = nil
		for _, at := range slices.Sorted(maps.Keys(s.local)) {
			s.locals = append(s.locals, s.given[at])
		}
	}
	return s.list, s.locals
}
