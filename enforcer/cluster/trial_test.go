package cluster

import (
	"maps"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

// P23: the nearest word decides whether a policy is on trial, and the setting
// only where there is none.
func TestTry(t *testing.T) {
	const unset, enforce, audit = convert.ModeUnset, convert.ModeEnforce, convert.ModeAudit
	for _, c := range []struct {
		sentence          string
		modes             []convert.Mode
		enforced, audited bool // whether it is on trial under either setting
	}{
		{"nobody says anything", []convert.Mode{unset, unset}, false, true},
		{"nobody is asked", nil, false, true},
		{"the policy says audit", []convert.Mode{audit, unset}, true, true},
		{"the policy says enforce", []convert.Mode{enforce, unset}, false, false},
		{"the namespace says audit", []convert.Mode{unset, audit}, true, true},
		{"the namespace says enforce", []convert.Mode{unset, enforce}, false, false},
		{"the policy says audit in a namespace that says enforce", []convert.Mode{audit, enforce}, true, true},
		{"the policy says enforce in a namespace that says audit", []convert.Mode{enforce, audit}, false, false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			p := &policy.Policy{Ref: policy.PolicyRef{Name: "p"}}
			tried := Try(p, c.modes...)
			if tried.Enforced.Audit != c.enforced || tried.Audited.Audit != c.audited {
				t.Errorf("got on trial %v and, under audit, %v; want %v and %v", tried.Enforced.Audit, tried.Audited.Audit, c.enforced, c.audited)
			}
			if tried.Enforced.Ref.Name != "p" || tried.Audited.Ref.Name != "p" {
				t.Error("got another policy than was given")
			}
			if c.enforced == c.audited && tried.Enforced != tried.Audited {
				t.Error("got two policies where the setting makes no difference, want one")
			}
			if p.Audit {
				t.Error("the policy that was given is on trial")
			}
		})
	}
}

// P23: the node default is on trial for a namespace's pods as the namespace
// says, or else the setting, whatever other namespaces say. Policies are those
// under the setting.
func TestTrial(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom([]convert.Mode{convert.ModeUnset, convert.ModeEnforce, convert.ModeAudit})
		namespaces, modes := map[string]labels.Set{}, map[string]convert.Mode{}
		for _, name := range []string{"a", "b", "c"} {
			if rapid.Bool().Draw(t, name) {
				namespaces[name], modes[name] = labels.Set{}, mode.Draw(t, "mode")
			}
		}
		p := Try(&policy.Policy{})
		c := &Cluster{
			Namespaces: namespaces, Policies: []*policy.Policy{p.Enforced},
			Trial: NewTrial([]*policy.Policy{p.Audited}, modes, namespaces),
		}
		setting := mode.Draw(t, "setting")
		w := c.World("n1", settings.Settings{Mode: setting})
		if rapid.Bool().Draw(t, "the cluster says it") && setting != convert.ModeUnset {
			word := map[convert.Mode]string{convert.ModeEnforce: "enforce", convert.ModeAudit: "audit"}[setting]
			c.Overrides = set(t, map[string]string{"mode": word})
			w = c.World("n1", settings.Settings{Mode: convert.ModeUnset})
		}
		for _, name := range slices.Sorted(maps.Keys(namespaces)) {
			got := w.AuditDefault || w.AuditNamespaces[name]
			if want := convert.Nearest(modes[name], setting) == convert.ModeAudit; got != want {
				t.Fatalf("setting %d, namespaces %v: got %s on trial %v, want %v", setting, modes, name, got, want)
			}
		}
		if got, want := w.Policies[0].Audit, setting == convert.ModeAudit; got != want {
			t.Fatalf("setting %d: got the policy on trial %v, want %v", setting, got, want)
		}
	})
}

// P23: a namespace that comes is on trial at once where all are by the setting.
func TestTrialOfAllNeedsNoNames(t *testing.T) {
	w := &policy.World{}
	NewTrial(nil, map[string]convert.Mode{"a": convert.ModeAudit}, map[string]labels.Set{"a": {}, "b": {}}).apply(convert.ModeAudit, w)
	if !w.AuditDefault || len(w.AuditNamespaces) > 0 {
		t.Errorf("got default %v and namespaces %v, want all without names", w.AuditDefault, w.AuditNamespaces)
	}
}
