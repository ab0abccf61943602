package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// Pauses between attempts to write what the kernel refused.
const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = 5 * time.Second
)

func backoff(attempt int) time.Duration {
	if attempt > 8 {
		return lastRetry
	}
	return min(firstRetry<<attempt, lastRetry)
}

// accept takes an update that starts from what is in the kernel and refuses
// any other. It takes the place of one that is still being tried.
func (n *node) accept(u *update) {
	if u.from != n.applied.Load() {
		u.accepted <- false
		return
	}
	u.accepted <- true
	n.pending, n.attempts = u, 0
	n.attempt()
}

// tryAgain is due when a write to the kernel has failed before.
func (n *node) tryAgain() {
	if n.pending != nil {
		n.attempt()
	}
	if len(n.debts) == 0 || n.current == nil {
		return
	}
	n.settle()
	if n.lateness++; len(n.debts) == 0 {
		n.lateness = 0
		return
	}
	n.retry.Reset(backoff(n.lateness))
}

// attempt writes the pending update into the kernel: policy first, then what
// the Book makes of it, and last CoreDNS is told what to watch, which is never
// ahead of what is enforced.
func (n *node) attempt() {
	u := n.pending
	first := n.current == nil
	var found restored
	if first {
		var err error
		if found, err = n.findGrants(u.draft.compiled); err != nil {
			n.postpone("grants", err)
			return
		}
	}
	for _, use := range n.classes.list() {
		u.cover(use)
	}
	began := n.clock()
	absent, err := split(n.kernel.Apply(u.steps, u.draft.interfaces))
	if err != nil {
		n.postpone(tableOf(err), err)
		return
	}
	n.pending, n.current = nil, u.draft
	n.trouble.Store(nil)
	n.applied.Store(u.draft.compiled)
	n.meters.applied(u.draft, len(absent))
	n.tell(absent, u.draft)
	n.attached.replace(n.kernel.Attached())
	n.face(u.draft.posture)
	n.log.Info("policy is in force", "pods", len(u.draft.pods)-len(absent),
		"lists", len(u.draft.compiled.Tables.Lists), "took", n.clock()-began)
	n.follow(u.draft, found)
	n.inForce(u.draft, n.absent)
}

// split tells pods whose interface is not there, which is reported and hinders
// nothing else, from what keeps the policy out of the kernel. When the
// interface appears, the compiler comes with a new update.
func split(err error) (absent []*datapath.InterfaceError, rest error) {
	if err == nil {
		return nil, nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if one := new(datapath.InterfaceError); errors.As(err, &one) {
			return []*datapath.InterfaceError{one}, nil
		}
		return nil, err
	}
	var others []error
	for _, e := range joined.Unwrap() {
		more, other := split(e)
		absent = append(absent, more...)
		if other != nil {
			others = append(others, other)
		}
	}
	return absent, errors.Join(others...)
}

// tell logs which pods are not policed and were not told of before.
func (n *node) tell(absent []*datapath.InterfaceError, d *draft) {
	told := make(map[policy.EndpointID]unpoliced)
	for _, a := range absent {
		ep := policy.EndpointOf(a.Pod.UID)
		u := unpoliced{a.Pod, a.Error()}
		if why := d.why[ep]; why != "" {
			u.reason = why
		} else if d.looked && a.Interface == (datapath.Interface{}) {
			continue
		}
		if n.absent[ep] != u {
			n.log.Error("pod is not policed", "pod", a.Pod.Namespace+"/"+a.Pod.Name, "reason", u.reason)
		}
		told[ep] = u
	}
	n.absent = told
}

// follow brings the Book, the grants and the watches to the policy in force.
func (n *node) follow(d *draft, found restored) {
	wanted := make(map[policy.EndpointID]grants.Watched)
	clear(n.pods)
	for ep, addrs := range d.pods {
		e := d.compiled.Tables.Endpoints[ep]
		wanted[ep] = grants.Watched{Patterns: e.Patterns, Terms: e.Terms}
		for _, a := range addrs {
			n.pods[a.Unmap()] = ep
		}
	}
	now := n.clock()
	n.write(n.book.Configure(now, d.settings))
	n.write(n.book.Pods(now, wanted))
	n.adopt(now, found)
	n.classes.prune(d.compiled.Tables.Endpoints)
	var watches []dns.Watch
	for ep, addrs := range d.pods {
		w, lockdown := wanted[ep], lockdownOf(d.compiled.Tables.Endpoints[ep].Lockdown)
		if len(w.Patterns) > 0 || lockdown != dns.LockdownOff {
			watches = append(watches, dns.Watch{
				Addresses: addrs, Patterns: w.Patterns, Revision: revision(d.settings, w.Terms), Lockdown: lockdown,
			})
		}
	}
	n.subscribe(watches)
}

// lockdownOf takes what it does not know for the strictest.
func lockdownOf(l policy.Lockdown) dns.Lockdown {
	switch l {
	case policy.LockdownOff:
		return dns.LockdownOff
	case policy.LockdownAudit:
		return dns.LockdownAudit
	default:
		return dns.LockdownOn
	}
}

// revision tells apart under which settings and terms answers are taken.
func revision(s grants.Settings, terms map[string]policy.Terms) uint64 {
	sum := fnv.New64a()
	fmt.Fprintln(sum, s.MinTTL, s.Grace, s.PerName, s.PerPod, s.Guard.Allowed, s.Guard.NAT64, s.Guard.InCluster)
	for _, pattern := range slices.Sorted(maps.Keys(terms)) {
		fmt.Fprintln(sum, pattern, terms[pattern])
	}
	return sum.Sum64()
}

// postpone keeps the pending update for another attempt. It is counted, logged
// and makes the node unready, and it is never given up (D10).
func (n *node) postpone(table string, err error) {
	n.meters.updateFailures.WithLabelValues(table).Inc()
	n.failed(n.pending.draft, n.absent, err)
	pause := backoff(n.attempts)
	if old := n.trouble.Swap(&err); old == nil || (*old).Error() != err.Error() {
		n.log.Error("cannot put the policy into the kernel, will try again; the previous one stays in force", "error", err, "pause", pause)
	}
	n.attempts++
	n.retry.Reset(pause)
}

// tableOf is the label of the table that an error of the datapath is about.
func tableOf(err error) string {
	if update := new(datapath.UpdateError); errors.As(err, &update) {
		return update.Table
	}
	return "other"
}
