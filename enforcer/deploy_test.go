package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/report"
	"github.com/nameward/nameward/enforcer/settings"
)

// deployed reads the object of a kind and name from deploy/manifests, which the
// chart renders.
func deployed[T any](t *testing.T, file, kind, name string) *T {
	t.Helper()
	content, err := os.ReadFile("../deploy/manifests/" + file)
	check(t, err)
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			t.Fatalf("%s: got no %s %s", file, kind, name)
		}
		check(t, err)
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		check(t, sigsyaml.Unmarshal(document, &head))
		if head.Kind == kind && head.Metadata.Name == name {
			object := new(T)
			check(t, sigsyaml.Unmarshal(document, object))
			return object
		}
	}
}

// Least privilege: what enforcers may do in the API is what their packages ask
// for, not less and not more.
func TestDeployedRightsAreWhatPackagesAskFor(t *testing.T) {
	for _, row := range []struct {
		kind    string
		granted []rbac.PolicyRule
		asked   []rbac.PolicyRule
	}{
		{"ClusterRole", deployed[rbac.ClusterRole](t, "nameward.yaml", "ClusterRole", "nameward-enforcer").Rules, slices.Concat(kube.ClusterRules, report.Rules.Cluster)},
		{"Role", deployed[rbac.Role](t, "nameward.yaml", "Role", "nameward-enforcer").Rules, slices.Concat(kube.NamespaceRules, report.Rules.Namespace)},
	} {
		granted, asked := singly(row.granted), singly(row.asked)
		for _, r := range asked {
			if !slices.Contains(granted, r) {
				t.Errorf("%s: %q is asked for and not granted", row.kind, r)
			}
		}
		for _, r := range granted {
			if !slices.Contains(asked, r) {
				t.Errorf("%s: %q is granted and not asked for", row.kind, r)
			}
		}
	}
}

// singly takes rules apart: one group, resource, name and verb each.
func singly(rules []rbac.PolicyRule) (all []string) {
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, name := range append(r.ResourceNames, "")[:max(1, len(r.ResourceNames))] {
					for _, verb := range r.Verbs {
						all = append(all, strings.Join([]string{verb, resource, group, name}, " "))
					}
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// S5: the settings that a cluster begins with are understood.
func TestDeployedSettingsAreUnderstood(t *testing.T) {
	c := deployed[core.ConfigMap](t, "nameward.yaml", "ConfigMap", "nameward")
	data := c.Data
	if _, faults := settings.Parse(data, c.BinaryData); len(faults) > 0 || len(data) < 8 {
		t.Errorf("got %d settings and faults %v, want all and none", len(data), faults)
	}
}

// What the DaemonSets run is something that the program has, with flags that it
// knows.
func TestDeployedCommandsAreKnown(t *testing.T) {
	seen := 0
	for _, file := range []string{"nameward.yaml", "node-local.yaml", "uninstall.yaml"} {
		pod := deployed[apps.DaemonSet](t, file, "DaemonSet", "nameward-enforcer").Spec.Template.Spec
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			seen++
			cmd, rest, err := rootCommand(env{stdout: io.Discard, stderr: io.Discard, hostname: os.Hostname}).Find(c.Command[1:])
			if err != nil || len(rest) > 0 {
				t.Errorf("%s: %q: got %v, %q is left", file, c.Command, err, rest)
				continue
			}
			if err := cmd.ParseFlags(c.Args); err != nil {
				// Kubelet fills in what is between parentheses.
				t.Errorf("%s: %q: %v", file, c.Command, err)
			}
		}
	}
	if seen < 7 {
		t.Errorf("got %d containers, want 7 or more", seen)
	}
}
