package manifests

import (
	"reflect"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

// onTrial has a Namespace of each mode and a policy of each kind and mode.
const onTrial = `
apiVersion: v1
kind: Namespace
metadata: {name: tried, annotations: {nameward.io/mode: audit}}
---
apiVersion: v1
kind: Namespace
metadata: {name: plain}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: tried}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: tried, annotations: {nameward.io/mode: Enforce}}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata: {name: c, namespace: tried}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata: {name: d, namespace: plain, annotations: {nameward.io/mode: audit, example.com/other: x}}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: e, namespace: plain}
spec: {podSelector: {}}
---
apiVersion: networking.k8s.aws/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: f, annotations: {nameward.io/mode: audit}}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: g}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: h, annotations: {nameward.io/mode: enforce}}
spec: {tier: Admin, priority: 2, subject: {namespaces: {}}}
`

const enforcing = `
apiVersion: v1
kind: Namespace
metadata: {name: firm, annotations: {nameward.io/mode: enforce}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: i, namespace: firm}
spec: {podSelector: {}}
`

func setting(mode string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nameward}\ndata: {mode: " + mode + "}\n"
}

// P23: the nearest mode holds: that of the policy, of its namespace, of the
// ConfigMap, of the flag. A Namespace says nothing of cluster policies.
func TestMode(t *testing.T) {
	table := []struct {
		says  string
		flag  convert.Mode
		files map[string]string
		// policies are the names of those on trial.
		policies   string
		byDefault  bool
		namespaces map[string]bool
	}{
		{"nothing is set", convert.ModeUnset, map[string]string{"a.yaml": onTrial}, "acdf", false, map[string]bool{"tried": true}},
		{"the flag enforces", convert.ModeEnforce, map[string]string{"a.yaml": onTrial}, "acdf", false, map[string]bool{"tried": true}},
		{"the flag audits", convert.ModeAudit, map[string]string{"a.yaml": onTrial}, "acdefg", true, nil},
		{"the ConfigMap audits, over the flag", convert.ModeEnforce, map[string]string{"a.yaml": onTrial, "s.yaml": setting("audit")}, "acdefg", true, nil},
		{"the ConfigMap enforces, over the flag", convert.ModeAudit, map[string]string{"a.yaml": onTrial, "s.yaml": setting("enforce")}, "acdf", false, map[string]bool{"tried": true}},
		{"a Namespace that enforces, under a flag that audits", convert.ModeAudit, map[string]string{"a.yaml": onTrial, "b.yaml": enforcing}, "acdefg", false, map[string]bool{"tried": true, "plain": true}},
		{"a Namespace that enforces, where all do", convert.ModeUnset, map[string]string{"b.yaml": enforcing}, "", false, map[string]bool{}},
		{"a Namespace without object is as all are", convert.ModeAudit, map[string]string{
			"b.yaml": enforcing, "c.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: implied}\n",
		}, "", false, map[string]bool{"implied": true}},
	}
	for _, row := range table {
		t.Run(row.says, func(t *testing.T) {
			s := mustLoad(t, row.files)
			if len(s.Problems) > 0 {
				t.Errorf("got problems %v, want none", s.Problems)
			}
			w := s.World("n1", settings.Settings{Mode: row.flag})
			var got strings.Builder
			for _, p := range w.Policies {
				if p.Audit {
					got.WriteString(p.Ref.Name)
				}
			}
			if got.String() != row.policies {
				t.Errorf("on trial: got %q, want %q", got.String(), row.policies)
			}
			if w.AuditDefault != row.byDefault || !reflect.DeepEqual(w.AuditNamespaces, row.namespaces) {
				t.Errorf("node default: got %v and %v, want %v and %v", w.AuditDefault, w.AuditNamespaces, row.byDefault, row.namespaces)
			}
		})
	}
}

// P23: Worlds of one snapshot share the policies of which they make the same.
func TestModeSharesPolicies(t *testing.T) {
	s := mustLoad(t, map[string]string{"a.yaml": onTrial})
	enforced, tried := s.World("n1", settings.Settings{}), s.World("n1", settings.Settings{Mode: convert.ModeAudit})
	for _, again := range [][2]*policy.World{{enforced, s.World("n2", settings.Settings{})}, {tried, s.World("n1", settings.Settings{Mode: convert.ModeAudit})}} {
		for i, p := range again[0].Policies {
			if p != again[1].Policies[i] {
				t.Errorf("%s: got two pointers under one setting, want one", p.Ref)
			}
		}
	}
	for i, p := range enforced.Policies {
		if same := p == tried.Policies[i]; same != (p.Audit == tried.Policies[i].Audit) {
			t.Errorf("%s: shared under both settings is %v, want it where the mode is the same", p.Ref, same)
		}
	}
}

// P23, P15: a policy whose mode nobody knows is enforced and told, and so is a
// misspelt annotation.
func TestModeOfPolicyIsTold(t *testing.T) {
	dir := folder(t, map[string]string{"a.yaml": `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata:
  name: odd
  annotations:
    nameward.io/mode: dry-run
    nameward.io/mood: audit
    example.com/mode: dry-run
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}}
`})
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range s.Problems {
		got = append(got, strings.TrimPrefix(p.String(), dir+"/"))
	}
	object := "ClusterNetworkPolicy.policy.networking.k8s.io odd: metadata.annotations.nameward.io/"
	check(t, "problems", got, []string{
		"a.yaml:6: " + object + `mode: "dry-run" is not a mode; write audit or enforce; until then the policy is enforced`,
		"a.yaml:7: " + object + `mood: unknown annotation; a policy may have nameward.io/allow-private, nameward.io/grace, nameward.io/lockdown, nameward.io/min-ttl, nameward.io/mode`,
	})
	if s.World("n1", settings.Settings{Mode: convert.ModeAudit}).Policies[0].Audit {
		t.Error("the policy is on trial, want it enforced")
	}
}

// S5: a Namespace has no rules to close, so that its mode is a fault.
func TestLoadRefusesModes(t *testing.T) {
	refuse(t, []refused{
		{"P23: a mode of a Namespace that nobody knows, and a misspelt annotation", map[string]string{"a.yaml": `
apiVersion: v1
kind: Namespace
metadata:
  name: a
  annotations:
    nameward.io/mode: dry-run
    nameward.io/mood: audit
`}, `a.yaml:7: metadata.annotations.nameward.io/mood: unknown annotation; a Namespace may have nameward.io/mode
a.yaml:6: metadata.annotations.nameward.io/mode: "dry-run" is not a mode; write audit or enforce`},
	})
}
