package main

import (
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
)

// No container is privileged, writes its own files or may become more than it is,
// whatever the values; and each has just the capabilities that are justified in
// deploy/README.md.
func TestContainersHaveWhatTheyNeed(t *testing.T) {
	allowed := map[string][]core.Capability{
		"DaemonSet/nameward-enforcer enforcer": {"BPF", "NET_ADMIN", "PERFMON"},
		"DaemonSet/nameward-enforcer filters":  {"BPF", "NET_ADMIN", "PERFMON"},
		"DaemonSet/nameward-enforcer address":  {"NET_ADMIN"},
		"DaemonSet/nameward-enforcer cni":      nil,
		"DaemonSet/nameward-dns address":       {"NET_ADMIN"},
		"DaemonSet/nameward-dns coredns":       {"NET_BIND_SERVICE"},
		"Deployment/nameward-dns coredns":      {"NET_BIND_SERVICE"},
		"Job/nameward-removal removal":         nil,
	}
	seen := map[string]bool{}
	for _, row := range valueSets {
		if strings.HasPrefix(row.sentence, "one more capability") {
			continue
		}
		for owner, p := range pods(rendered(t, row.set...)) {
			for _, c := range containers(p.Spec) {
				name := owner + " " + c.Name
				seen[name] = true
				s := c.SecurityContext
				if s == nil || s.Capabilities == nil || s.ReadOnlyRootFilesystem == nil || s.AllowPrivilegeEscalation == nil {
					t.Fatalf("%s: %s: got security context %+v, want it all said", row.sentence, name, s)
				}
				want, known := allowed[name]
				if name == "DaemonSet/nameward-enforcer enforcer" && slices.Equal(c.Command, []string{"/enforcer", "wait"}) {
					want = nil
				}
				if !known || !slices.Equal(s.Capabilities.Add, want) || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) {
					t.Errorf("%s: %s: got capabilities %v without %v, want %v without all", row.sentence, name, s.Capabilities.Add, s.Capabilities.Drop, want)
				}
				if s.Privileged != nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation {
					t.Errorf("%s: %s: got %+v, want no privilege, and none to gain", row.sentence, name, s)
				}
				seccomp := s.SeccompProfile
				if seccomp == nil {
					seccomp = p.Spec.SecurityContext.SeccompProfile
				}
				if seccomp == nil || seccomp.Type != core.SeccompProfileTypeRuntimeDefault {
					t.Errorf("%s: %s: got %+v, want the runtime's seccomp profile", row.sentence, name, seccomp)
				}
			}
			if p.Spec.HostPID && !strings.Contains(row.sentence, "processes") || p.Spec.HostIPC {
				t.Errorf("%s: %s: got the host's processes", row.sentence, owner)
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("%s: no value set has it: the test guards nothing", name)
		}
	}
}

// What of the host is mounted, and how: nothing else comes in by accident.
func TestHostPaths(t *testing.T) {
	for owner, want := range map[string][]string{
		"DaemonSet/nameward-enforcer enforcer": {"/run/nameward", "/run/netns ro HostToContainer", "/sys/fs/bpf", "/var/lib/cni ro"},
		"DaemonSet/nameward-enforcer cni":      {"/etc/cni/net.d", "/opt/cni/bin"},
		"DaemonSet/nameward-dns coredns":       {"/run/nameward"},
		"DaemonSet/nameward-dns address":       nil,
		"Deployment/nameward-dns coredns":      nil,
		"Job/nameward-removal removal":         nil,
	} {
		set := nodeLocal
		if strings.HasPrefix(owner, "Deployment") {
			set = nil
		}
		key, name, _ := strings.Cut(owner, " ")
		p := pods(rendered(t, set...))[key].Spec
		i := slices.IndexFunc(containers(p), func(c core.Container) bool { return c.Name == name })
		if i < 0 {
			t.Fatalf("no %s", owner)
		}
		if got := hostMounts(p, containers(p)[i]); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", owner, got, want)
		}
	}
	all := rendered(t)
	for _, v := range get[*apps.DaemonSet](t, all, "DaemonSet/nameward-enforcer").Spec.Template.Spec.Volumes {
		if v.Name == "bpf" && *v.HostPath.Type != core.HostPathDirectory {
			t.Errorf("got type %s for the BPF file system, want one that has to be there: in an empty folder nothing would outlive the node's boot", *v.HostPath.Type)
		}
	}
}

func hostMounts(p core.PodSpec, c core.Container) (all []string) {
	host := map[string]string{}
	for _, v := range p.Volumes {
		if v.HostPath != nil {
			host[v.Name] = v.HostPath.Path
		}
	}
	for _, m := range c.VolumeMounts {
		path, ok := host[m.Name]
		if !ok {
			continue
		}
		if path != m.MountPath {
			path += " at " + m.MountPath
		}
		if m.ReadOnly {
			path += " ro"
		}
		if m.MountPropagation != nil {
			path += " " + string(*m.MountPropagation)
		}
		all = append(all, path)
	}
	slices.Sort(all)
	return all
}

// D8: filters stay on when the pod goes, comes to every node and is rolled out a
// part of the nodes at a time.
func TestEnforcersPlace(t *testing.T) {
	d := get[*apps.DaemonSet](t, rendered(t), "DaemonSet/nameward-enforcer").Spec
	p := d.Template.Spec
	if p.Containers[0].Lifecycle != nil {
		t.Errorf("got %+v, want nothing done before the end: filters stay", p.Containers[0].Lifecycle)
	}
	if len(p.Tolerations) != 1 || p.Tolerations[0] != (core.Toleration{Operator: core.TolerationOpExists}) {
		t.Errorf("got %+v, want every taint tolerated", p.Tolerations)
	}
	if !p.HostNetwork || p.PriorityClassName != "system-node-critical" || p.DNSPolicy != core.DNSClusterFirstWithHostNet {
		t.Errorf("got host network %v, priority %s, DNS %s", p.HostNetwork, p.PriorityClassName, p.DNSPolicy)
	}
	if got := d.UpdateStrategy.RollingUpdate.MaxUnavailable.String(); got != "10%" {
		t.Errorf("got %s of the nodes at a time, want 10%%", got)
	}
	if p.Containers[0].ReadinessProbe.HTTPGet.Path != "/readyz" || p.Containers[0].LivenessProbe.HTTPGet.Path != "/healthz" {
		t.Error("want /readyz and /healthz probed")
	}
}

// Rights in the API: read what policies speak of, write what is said about them,
// no more; nobody may make tokens (whoever may could pose as any node), and no
// Secret is read through the API.
func TestRightsAreFew(t *testing.T) {
	all := rendered(t)
	writes := map[string][]string{
		"ClusterRole/nameward-enforcer": {"applicationnetworkpolicies/status", "clusternetworkpolicies/status", "events"},
		"Role/nameward-enforcer":        {"leases"},
		"ClusterRole/nameward-dns":      {"tokenreviews"},
		"Role/nameward-removal":         {"daemonsets", "leases"},
	}
	found := 0
	for key, o := range all {
		var rules []rbac.PolicyRule
		switch o := o.(type) {
		case *rbac.ClusterRole:
			rules = o.Rules
		case *rbac.Role:
			rules = o.Rules
		default:
			continue
		}
		found++
		for _, rule := range rules {
			for _, text := range slices.Concat(rule.Verbs, rule.Resources, rule.APIGroups) {
				if text == "*" {
					t.Errorf("%s: got %+v, want no wildcard", key, rule)
				}
			}
			for _, resource := range rule.Resources {
				if resource == "secrets" || strings.HasSuffix(resource, "/token") || strings.HasPrefix(resource, "nodes/") {
					t.Errorf("%s: got %s, which nobody needs", key, resource)
				}
				reads := !slices.ContainsFunc(rule.Verbs, func(v string) bool { return v != "get" && v != "list" && v != "watch" })
				if !reads && !slices.Contains(writes[key], resource) {
					t.Errorf("%s: got %v of %s, want it to be read alone", key, rule.Verbs, resource)
				}
			}
		}
	}
	if found != len(writes) {
		t.Errorf("got %d roles, want %d", found, len(writes))
	}
}
