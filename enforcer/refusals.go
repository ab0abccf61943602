package main

import (
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// refusal is an address that an answer did not get granted (N10, N15).
type refusal struct {
	endpoint policy.EndpointID
	name     string
	what     grants.Refusal
}

// refusalShare is whose refusals one flood may hide: a pod's, for one reason. A
// name with thousands of addresses is no cover for an answer that rebinds.
type refusalShare struct {
	endpoint policy.EndpointID
	reason   grants.Reason
}

func (n *node) refuse(ep policy.EndpointID, name string, r grants.Refusal) {
	n.meters.refused.WithLabelValues(r.Reason.String()).Inc()
	if key := (refusal{ep, name, r}); n.refusals.note(refusalShare{ep, r.Reason}, key) {
		n.logRefusal(key, 1)
	}
}

func (n *node) reportRefusals() {
	if others := n.refusals.flush(n.logRefusal); others > 0 {
		n.log.Warn("more learnt addresses were refused", "count", others)
	}
}

func (n *node) logRefusal(r refusal, times uint64) {
	n.log.Warn("learnt address refused", "pod", n.podName(r.endpoint), "name", r.name, "reason", r.what.String(), "count", times)
}
