package main

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/report"
)

// standing tells how the cluster's policies stand on this node: whether the
// kernel takes them or not. Only the node, in its turn, uses it.
type standing struct {
	tell     func(report.State)
	policies reported
	// applied are the revisions of what is in force; nil before the first.
	applied map[report.Kind]string
	// told is the draft that was last told of as refused.
	told *draft
}

// inForce tells that the kernel has all of d.
func (s *standing) inForce(d *draft, absent map[policy.EndpointID]unpoliced) {
	if snapshot, ok := d.view.(*kube.Snapshot); ok {
		s.applied, s.told = applied(snapshot.Revisions()), nil
		s.say(d, snapshot, absent)
	}
}

// refused tells that the kernel has not taken d, and keeps what it had. Policies
// are known and judged all the same: else nobody would learn what is wrong with
// them, or that they are not in force, for as long as the kernel refuses (D10).
func (s *standing) refused(d *draft, absent map[policy.EndpointID]unpoliced) {
	if snapshot, ok := d.view.(*kube.Snapshot); ok && s.told != d {
		s.told = d
		s.say(d, snapshot, absent)
	}
}

func (s *standing) say(d *draft, snapshot *kube.Snapshot, absent map[policy.EndpointID]unpoliced) {
	state := report.State{Policies: s.policies.of(snapshot, d.compiled.Problems), Applied: s.applied, Nodes: len(snapshot.Nodes)}
	for _, u := range absent {
		state.Unpoliced = append(state.Unpoliced, report.Unpoliced{Pod: u.pod, Why: u.reason})
	}
	s.tell(state)
}

// reported are the policies as the reporter knows them, made anew where they have
// changed.
type reported struct {
	objects  []*kube.Object
	compiled []policy.Problem
	policies []report.Policy
}

// of gives the same slice while nothing has changed.
func (r *reported) of(s *kube.Snapshot, compiled []policy.Problem) []report.Policy {
	if same(r.objects, s.Objects) && same(r.compiled, compiled) && r.policies != nil {
		return r.policies
	}
	found := make(map[policy.PolicyRef][]policy.Problem)
	for _, p := range compiled {
		found[p.Policy] = append(found[p.Policy], p)
	}
	r.objects, r.compiled, r.policies = s.Objects, compiled, make([]report.Policy, 0, len(s.Objects))
	for _, o := range s.Objects {
		r.policies = append(r.policies, report.Policy{
			Ref: o.Ref, UID: types.UID(o.UID), Generation: o.Generation, ResourceVersion: o.ResourceVersion,
			Problems: united(o.Problems, found[o.Ref]),
		})
	}
	return r.policies
}

// same says whether two slices are one.
func same[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// united leaves out what the compiler found again, with a path of its own.
func united(read, compiled []policy.Problem) []policy.Problem {
	all := read[:len(read):len(read)]
	for _, p := range compiled {
		known := false
		for _, q := range read {
			known = known || p.Reason == q.Reason
		}
		if !known {
			all = append(all, p)
		}
	}
	return all
}

// applied are the revisions of the kinds of policies.
func applied(revisions map[string]string) map[report.Kind]string {
	all := make(map[report.Kind]string, len(report.Kinds))
	for _, k := range report.Kinds {
		if r, ok := revisions[k.String()]; ok {
			all[k] = r
		}
	}
	return all
}
