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
	// steps are what Datapath.Apply gets. Their name rows are the update's own.
	steps   []*policy.Tables
	covered map[coverage]struct{}
	// accepted tells the compiler whether from was still what it took it for.
	accepted chan bool
}

// coverage is a name class of pods with the same rules before and after: rows
// are by list, so pods share them.
type coverage struct {
	from, to egress
	class    policy.ClassID
}

// egress is all by which an endpoint's packets are judged on their way out.
type egress struct{ enforced, audited policy.Attachment }

func egressOf(e policy.Endpoint) egress { return egress{e.Egress, e.Audit.Egress} }

// newUpdate prepares the way from one policy to the next.
func newUpdate(from *policy.Compiled, d *draft) *update {
	u := &update{from: from, draft: d, covered: make(map[coverage]struct{}), accepted: make(chan bool, 1)}
	last := *d.compiled.Tables
	last.NameRows = make(map[policy.RowKey]policy.Precedence)
	u.steps = []*policy.Tables{&last}
	if from != nil && from != d.compiled {
		first := policy.Transition(from, d.compiled)
		first.NameRows = make(map[policy.RowKey]policy.Precedence)
		u.steps = []*policy.Tables{first, &last}
	}
	return u
}

// cover adds to every step the rows of a name class that the kernel may meet.
func (u *update) cover(use nameUse) {
	to := u.draft.compiled
	key := coverage{to: egressOf(to.Tables.Endpoints[use.endpoint]), class: use.class}
	if u.from != nil {
		key.from = egressOf(u.from.Tables.Endpoints[use.endpoint])
	}
	if _, done := u.covered[key]; done {
		return
	}
	u.covered[key] = struct{}{}
	final := to.NameRows(use.endpoint, use.patterns)
	maps.Copy(u.steps[len(u.steps)-1].NameRows, final)
	if len(u.steps) > 1 {
		maps.Copy(u.steps[0].NameRows, final)
		maps.Copy(u.steps[0].NameRows, policy.TransitionNameRows(u.from, to, use.endpoint, use.patterns))
	}
}

// rows are what cover adds for one class, for a grant that is written while
// the update may be half way into the kernel.
func (u *update) rows(use nameUse) map[policy.RowKey]policy.Precedence {
	to := u.draft.compiled
	rows := to.NameRows(use.endpoint, use.patterns)
	if len(u.steps) > 1 {
		maps.Copy(rows, policy.TransitionNameRows(u.from, to, use.endpoint, use.patterns))
	}
	return rows
}
