package main

import (
	"net/netip"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

// postureUnder is how interfaces without a pod are judged under the settings (D9).
// Under audit nothing is dropped for a policy, and so not for want of one (P23).
func postureUnder(s settings.Settings) policy.Verdict {
	switch {
	case s.Mode == convert.ModeAudit:
		return policy.Allow
	case s.StartPosture == settings.PostureDefault:
		return s.Default
	}
	return policy.Deny
}

// guard takes all interfaces that look like a pod's, whether their pod is known or
// not: where none is attached, the start posture holds until one is.
func (n *node) guard(all []datapath.Interface, local []netip.Addr) {
	n.handle(func() {
		n.guarded, n.local, n.guarding = all, local, true
		n.shut()
	})
}

// shut brings the start posture into the kernel, and tries again where that fails
// (D10).
func (n *node) shut() {
	if !n.guarding {
		return
	}
	err := n.kernel.Shut(n.guarded, datapath.Posture{Verdict: n.posture, Node: n.local})
	if err == nil {
		n.shutAttempts = 0
		n.ajar.Store(nil)
		return
	}
	n.ajar.Store(&err)
	pause := backoff(n.shutAttempts)
	n.shutAttempts++
	n.meters.updateFailures.WithLabelValues(tableOf(err)).Inc()
	n.log.Error("cannot shut interfaces that have no pod yet, will try again", "error", err, "pause", pause)
	n.retry.Reset(pause)
}

// face takes the posture of the settings in force.
func (n *node) face(posture policy.Verdict) {
	if n.posture != posture {
		n.posture = posture
		n.shut()
	}
}
