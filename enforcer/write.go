package main

import (
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// write tells the kernel what has changed in the Book. Entries that go on with
// other patterns are written before others are taken away.
func (n *node) write(c grants.Change) {
	for len(c.Grants) > 0 {
		ep := c.Grants[0].Endpoint
		end := slices.IndexFunc(c.Grants, func(g grants.Grant) bool { return g.Endpoint != ep })
		if end < 0 {
			end = len(c.Grants)
		}
		n.grant(ep, c.Grants[:end])
		c.Grants = c.Grants[end:]
	}
	var addrs []netip.Addr
	for i, r := range c.Revoked {
		if r.Cause == grants.CauseEvicted {
			n.meters.evicted.Inc()
		}
		addrs = append(addrs, r.Addr)
		if i+1 == len(c.Revoked) || c.Revoked[i+1].Endpoint != r.Endpoint {
			n.revoke(r.Endpoint, addrs)
			addrs = nil
		}
	}
}

// grant writes entries of one pod, after the rows of name classes that the
// kernel has not met yet. Where it fails it says so and the pod is in debt.
func (n *node) grant(ep policy.EndpointID, list []grants.Grant) bool {
	compiled := n.current.compiled
	var rows map[policy.RowKey]policy.Precedence
	n.entries = n.entries[:0]
	var class policy.ClassID
	for i, g := range list {
		if i == 0 || !slices.Equal(g.Patterns, list[i-1].Patterns) {
			class = compiled.NameClass(g.Patterns)
			rows = n.introduce(nameUse{ep, class, g.Patterns}, rows)
		}
		n.entries = append(n.entries, datapath.Entry{Addr: g.Addr, Class: class, Expires: g.Expires, Held: g.Held})
	}
	err := n.kernel.Grant(ep, rows, n.entries)
	if err == nil || errors.Is(err, datapath.ErrUnknownPod) {
		return err == nil
	}
	n.fail("write grants", ep, err)
	return false
}

// introduce adds to rows those of a class that the kernel may not have yet: one
// that is new, or any of a pod whose last write failed.
func (n *node) introduce(use nameUse, rows map[policy.RowKey]policy.Precedence) map[policy.RowKey]policy.Precedence {
	fresh := n.classes.add(use)
	if !fresh && n.debts[use.endpoint] == nil {
		return rows
	}
	if fresh && len(n.classes[use.endpoint])%maxClasses == 0 {
		n.askAgain()
	}
	if rows == nil {
		rows = make(map[policy.RowKey]policy.Precedence)
	}
	maps.Copy(rows, n.current.compiled.NameRows(use.endpoint, use.patterns))
	if n.pending != nil {
		n.pending.cover(use)
		maps.Copy(rows, n.pending.rows(use))
	}
	return rows
}

// askAgain asks for an update though nothing has changed, which rids the
// kernel of the rows of classes that have been forgotten.
func (n *node) askAgain() {
	wake(n.stale)
}

// revoke takes entries away, or, where that fails, puts the pod into debt.
func (n *node) revoke(ep policy.EndpointID, addrs []netip.Addr) bool {
	err := n.kernel.Revoke(ep, addrs)
	if err == nil || errors.Is(err, datapath.ErrUnknownPod) { // went with all it had
		return true
	}
	n.fail("revoke grants", ep, err)
	n.debts[ep].gone = append(n.debts[ep].gone, addrs...)
	return false
}

// rowsTable is the datapath's name of the one table that names and policies
// share.
const rowsTable = "rows"

// fail notes that the kernel and the Book differ for a pod (D10).
func (n *node) fail(what string, ep policy.EndpointID, err error) {
	n.meters.updateFailures.WithLabelValues(tableOf(err)).Inc()
	if n.debts[ep] == nil {
		n.log.Error("cannot "+what+", will try again", "pod", n.podName(ep), "error", err)
		n.debts[ep] = &debt{}
		n.retry.Reset(firstRetry)
	}
	if tableOf(err) == rowsTable {
		n.askAgain() // a table that is full grows with the next update
	}
}

func (n *node) podName(ep policy.EndpointID) string {
	if n.current == nil {
		return ""
	}
	ref := n.current.compiled.Tables.Endpoints[ep].Pod
	return ref.Namespace + "/" + ref.Name
}
