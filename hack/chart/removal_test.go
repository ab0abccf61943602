package main

import (
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/nameward/nameward/hack/chart/render"
)

// helm uninstall runs a Job whose DaemonSet is the one that an upgrade with
// removal.enabled makes, and the one of uninstall.yaml: three ways, one removal.
func TestRemovalIsOne(t *testing.T) {
	for _, set := range [][]string{nil, nodeLocal, {"cni.mode=off"}, {"cni.confDir=/etc/x", "cni.binDir=/opt/y"}} {
		manifest := get[*core.ConfigMap](t, rendered(t, set...), "ConfigMap/nameward-removal").Data["daemonset.json"]
		hook := get[*apps.DaemonSet](t, decode(t, []string{manifest}), "DaemonSet/nameward-enforcer")
		upgrade := get[*apps.DaemonSet](t, rendered(t, append([]string{"removal.enabled=true"}, set...)...), "DaemonSet/nameward-enforcer")
		if !equality.Semantic.DeepEqual(hook.Spec, upgrade.Spec) {
			t.Errorf("%q: the hook's removal differs from the upgrade's", set)
		}
		enforcer := get[*apps.DaemonSet](t, rendered(t, set...), "DaemonSet/nameward-enforcer")
		if !equality.Semantic.DeepEqual(hook.Spec.Selector, enforcer.Spec.Selector) || hook.Namespace != enforcer.Namespace {
			t.Errorf("%q: the removal is of another DaemonSet", set)
		}
	}
}

// First the chain plugin, so that new pods start without it; filters last, and
// Ready only after all of it.
func TestRemovalTakesEverything(t *testing.T) {
	for name, mode := range map[string][]string{"node-local": nodeLocal, "beside, that was node-local before": nil} {
		t.Run(name, func(t *testing.T) { removalTakesEverything(t, mode) })
	}
}

func removalTakesEverything(t *testing.T, mode []string) {
	all := rendered(t, append([]string{"removal.enabled=true", "cni.confDir=/etc/x", "cni.binDir=/opt/y"}, mode...)...)
	p := get[*apps.DaemonSet](t, all, "DaemonSet/nameward-enforcer").Spec.Template.Spec
	var commands []string
	for _, c := range p.InitContainers {
		commands = append(commands, strings.Join(slices.Concat(c.Command, c.Args), " "))
	}
	want := []string{
		"/enforcer cni uninstall --conf-dir=/etc/x --bin-dir=/opt/y",
		"/enforcer address remove --interface=nameward-dns",
		"/enforcer detach --pin=/sys/fs/bpf/nameward --socket=/run/nameward/enforcer.sock --missing-ok",
	}
	if !slices.Equal(commands, want) {
		t.Errorf("got %q, want %q", commands, want)
	}
	main := p.Containers[0]
	if len(p.Containers) != 1 || !slices.Equal(main.Command, []string{"/enforcer", "wait"}) || main.ReadinessProbe != nil {
		t.Errorf("got %+v, want one that waits and is ready when it runs", p.Containers)
	}
	if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken {
		t.Error("got a token for who asks nothing")
	}
}

// Hooks run in the order in which they need each other, leave nothing when they
// have succeeded, and work where pods are cut off or cannot start.
func TestRemovalHook(t *testing.T) {
	r, err := render.Chart(chartFolder, namespace, full)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, d := range r.Hooks {
		for key := range decode(t, []string{d}) {
			kinds = append(kinds, strings.Split(key, "/")[0])
		}
		if !strings.Contains(d, "helm.sh/hook: pre-delete\n") || !strings.Contains(d, "helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded\n") {
			t.Errorf("got a hook that is not deleted, or not before a deletion:\n%s", d)
		}
	}
	if want := []string{"ServiceAccount", "Role", "ConfigMap", "RoleBinding", "Job"}; !slices.Equal(kinds, want) {
		t.Errorf("got %q, want %q", kinds, want)
	}
	// Least privilege: what the Job asks for, and only while it runs.
	wanted := []rbac.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"daemonsets"}, ResourceNames: []string{"nameward-enforcer"}, Verbs: []string{"get", "patch"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"deletecollection"}},
	}
	if rules := get[*rbac.Role](t, decode(t, r.Hooks), "Role/nameward-removal").Rules; !equality.Semantic.DeepEqual(rules, wanted) {
		t.Errorf("got %+v, want %+v", rules, wanted)
	}
	job := get[*batch.Job](t, decode(t, r.Hooks), "Job/nameward-removal").Spec
	if p := job.Template.Spec; !p.HostNetwork || p.RestartPolicy != core.RestartPolicyNever || *job.BackoffLimit != 0 || !*p.SecurityContext.RunAsNonRoot {
		t.Errorf("got %+v, want one attempt, on the node's network, without root", job)
	}
	if r, err := render.Chart(chartFolder, namespace, full, "removal.hook=false"); err != nil || len(r.Hooks) != 0 {
		t.Errorf("got %d hooks and %v, want none", len(r.Hooks), err)
	}
}
