package main

import (
	"maps"

	"github.com/nameward/nameward/enforcer/policy"
)

// update is one change of the node's policy on its way into the kernel. It is
// made by the compiler's goroutine and then belongs to the node's.
type update struct {
	// from is what is in the kernel, nil at the first update.
	from  *policy.Compiled
	draft *draft
	// steps are what Datapath.Apply gets. Their rows are the update's own.
	steps   []*policy.Tables
	covered map[coverage]struct{}
	// accepted tells the compiler whether from was still what it took it for.
	accepted chan bool
}

// coverage is a name class of pods with the same policies before and after:
// rows are by policy, so pods share them.
type coverage struct {
	from, to policy.PolicyID
	class    policy.ClassID
}

// newUpdate prepares the way from one policy to the next.
func newUpdate(from *policy.Compiled, d *draft) *update {
	u := &update{from: from, draft: d, covered: make(map[coverage]struct{}), accepted: make(chan bool, 1)}
	last := *d.compiled.Tables
	last.Rows = maps.Clone(last.Rows)
	u.steps = []*policy.Tables{&last}
	if from != nil && from != d.compiled {
		u.steps = []*policy.Tables{policy.Transition(from, d.compiled), &last}
	}
	return u
}

// cover adds to every step the rows of a name class that the kernel may meet.
func (u *update) cover(use nameUse) {
	to := u.draft.compiled
	key := coverage{to: to.Tables.Endpoints[use.endpoint].Egress.Policy, class: use.class}
	if u.from != nil {
		key.from = u.from.Tables.Endpoints[use.endpoint].Egress.Policy
	}
	if _, done := u.covered[key]; done {
		return
	}
	u.covered[key] = struct{}{}
	final := to.NameRows(use.endpoint, use.patterns)
	maps.Copy(u.steps[len(u.steps)-1].Rows, final)
	if len(u.steps) > 1 {
		maps.Copy(u.steps[0].Rows, final)
		maps.Copy(u.steps[0].Rows, policy.TransitionNameRows(u.from, to, use.endpoint, use.patterns))
	}
}

// rows are what cover adds for one class, for a grant that is written while
// the update may be half way into the kernel.
func (u *update) rows(use nameUse) map[policy.RowKey]policy.Row {
	to := u.draft.compiled
	rows := to.NameRows(use.endpoint, use.patterns)
	if len(u.steps) > 1 {
		maps.Copy(rows, policy.TransitionNameRows(u.from, to, use.endpoint, use.patterns))
	}
	return rows
}
