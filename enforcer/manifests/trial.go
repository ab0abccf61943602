package manifests

import (
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// trial is what objects say of their own mode (P23).
type trial struct {
	// policies has a mode for each policy of the snapshot, in its order.
	policies   []convert.Mode
	namespaces map[string]convert.Mode
}

// trialViews is what the two settings make of a snapshot, worked out once, so
// that Worlds under the same setting share it.
type trialViews struct {
	// audited are the policies under the setting audit.
	audited []*policy.Policy
	// on are the namespaces that are on trial by themselves.
	on map[string]bool
	// but are, under the setting audit, the namespaces that are on trial where
	// some are not; nil where all are.
	but map[string]bool
}

// of marks the policies of s that are on trial whatever the setting is, and
// copies those that depend on it.
func (t *trial) of(s *Snapshot) *trialViews {
	v := &trialViews{audited: slices.Clone(s.Policies), on: map[string]bool{}}
	for i, p := range s.Policies {
		switch convert.Nearest(t.policies[i], t.namespaces[p.Ref.Namespace]) {
		case convert.ModeAudit:
			p.Audit = true
		case convert.ModeUnset:
			onTrial := *p
			onTrial.Audit = true
			v.audited[i] = &onTrial
		}
	}
	for name := range s.Namespaces {
		switch t.namespaces[name] {
		case convert.ModeAudit:
			v.on[name] = true
		case convert.ModeEnforce:
			v.but = map[string]bool{}
		}
	}
	if v.but != nil {
		for name := range s.Namespaces {
			if t.namespaces[name] != convert.ModeEnforce {
				v.but[name] = true
			}
		}
	}
	return v
}

// apply puts into w what is on trial. A World has no way to say "all but these
// namespaces"; then it names all the others, which a snapshot knows.
func (v *trialViews) apply(setting convert.Mode, w *policy.World) {
	if setting != convert.ModeAudit {
		w.AuditNamespaces = v.on
		return
	}
	w.Policies = v.audited
	w.AuditDefault, w.AuditNamespaces = v.but == nil, v.but
}
