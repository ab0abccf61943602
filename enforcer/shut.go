package main

import (
	"context"
	"errors"
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
// not: where none is attached, the start posture holds until one is. It does not
// wait until they are shut.
func (n *node) guard(all []datapath.Interface, local []netip.Addr) {
	n.handle(func() {
		n.guarded, n.local, n.guarding = all, local, true
		_ = n.post() // before any policy; shut does it again, and tells
	})
	wake(n.open)
}

// keepShut shuts what is open, until ctx ends.
func (n *node) keepShut(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.open:
			n.shut(ctx)
		}
	}
}

// shut brings the start posture into the kernel, and tries again where that fails
// (D10). It takes many turns: the kernel waits for each interface, answers of pods
// on others must not, and where many pods start at once that would be seconds.
func (n *node) shut(ctx context.Context) {
	var errs []error
	n.handle(func() { errs = append(errs, n.post()) })
	for more := true; more && ctx.Err() == nil; {
		n.handle(func() {
			var err error
			more, err = n.kernel.ShutNext()
			errs = append(errs, err)
		})
	}
	n.handle(func() { n.shutAs(errors.Join(errs...)) })
}

// post tells the kernel what is to be shut, and how.
func (n *node) post() error {
	if !n.guarding {
		return nil
	}
	return n.kernel.Guard(n.guarded, datapath.Posture{Verdict: n.posture, Node: n.local})
}

// shutAs takes how shutting went.
func (n *node) shutAs(err error) {
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

// face takes the posture of the settings in force. Interfaces that are shut follow
// at once.
func (n *node) face(posture policy.Verdict) {
	if n.posture == posture {
		return
	}
	n.posture = posture
	if err := n.post(); err != nil {
		n.shutAs(err)
	}
}
