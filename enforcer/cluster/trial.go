package cluster

import (
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// Tried is a policy as it is under either setting of the mode (P23): the same
// pointer twice where the policy or its namespace says it.
type Tried struct{ Enforced, Audited *policy.Policy }

// Try makes both of a policy that is not on trial, which it takes over, and of
// the modes that are said of it, the nearest first.
func Try(p *policy.Policy, modes ...convert.Mode) Tried {
	onTrial := *p
	onTrial.Audit = true
	switch convert.Nearest(modes...) {
	case convert.ModeAudit:
		return Tried{&onTrial, &onTrial}
	case convert.ModeUnset:
		return Tried{p, &onTrial}
	}
	return Tried{p, p}
}

// Trial is what the two settings of the mode make of a cluster, worked out
// once, so that Worlds under the same setting share it.
type Trial struct {
	// audited are the policies under the setting audit.
	audited []*policy.Policy
	// on are the namespaces that are on trial by themselves.
	on map[string]bool
	// but are, under the setting audit, the namespaces that are on trial where
	// some are not; nil where all are.
	but map[string]bool
}

// NewTrial takes the policies under the setting audit, in the order of the
// others, and what namespaces say of themselves.
func NewTrial(audited []*policy.Policy, modes map[string]convert.Mode, namespaces map[string]labels.Set) *Trial {
	v := &Trial{audited: audited, on: map[string]bool{}}
	for name := range namespaces {
		switch modes[name] {
		case convert.ModeAudit:
			v.on[name] = true
		case convert.ModeEnforce:
			v.but = map[string]bool{}
		}
	}
	if v.but != nil {
		for name := range namespaces {
			if modes[name] != convert.ModeEnforce {
				v.but[name] = true
			}
		}
	}
	return v
}

// apply puts into w what is on trial. A World has no way to say "all but these
// namespaces"; then it names all the others, which a cluster knows.
func (v *Trial) apply(setting convert.Mode, w *policy.World) {
	if setting != convert.ModeAudit {
		w.AuditNamespaces = v.on
		return
	}
	w.Policies = v.audited
	w.AuditDefault, w.AuditNamespaces = v.but == nil, v.but
}
