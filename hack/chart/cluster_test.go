package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nameward/nameward/hack/chart/render"
)

// kubeconfigVariable names a kubeconfig of a cluster that tests may use.
const kubeconfigVariable = "NAMEWARD_KUBECONFIG"

// A real API server takes what the chart makes of every value set, and what the
// plain manifests are: nothing is created but a namespace to try in.
func TestAPIServerTakesEverything(t *testing.T) {
	path := os.Getenv(kubeconfigVariable)
	if path == "" {
		t.Skipf("%s is not set; want the kubeconfig of a cluster (and kubectl), for a namespace of this test's own", kubeconfigVariable)
	}
	kubectl := func(t *testing.T, stdin string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "kubectl", append([]string{"--kubeconfig", path}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Errorf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out.String())
		}
		return out.String()
	}
	id := make([]byte, 4)
	rand.Read(id)
	trial := "try-chart-" + hex.EncodeToString(id)
	kubectl(t, "", "create", "namespace", trial)
	defer exec.Command("kubectl", "--kubeconfig", path, "delete", "namespace", trial, "--wait=false").Run()
	for _, row := range valueSets {
		t.Run(row.sentence, func(t *testing.T) {
			// Kinds of others are left out: this cluster need not know them.
			r, err := render.Chart(chartFolder, trial, render.Cluster{APIs: []string{"cert-manager.io/v1"}}, row.set...)
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, d := range append(r.Objects, r.Hooks...) {
				if !strings.Contains(d, "apiVersion: cert-manager.io/") && !strings.Contains(d, "apiVersion: monitoring.coreos.com/") {
					all = append(all, d)
				}
			}
			out := kubectl(t, strings.Join(all, "---\n"), "apply", "--dry-run=server", "--validate=strict", "-f", "-")
			if got := strings.Count(out, "(server dry run)"); got != len(all) || strings.Contains(out, "Warning") {
				t.Errorf("got %d of %d objects taken without warning:\n%s", got, len(all), out)
			}
		})
	}
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			content, err := f.render()
			if err != nil {
				t.Fatal(err)
			}
			// The namespace of the manifests need not be there.
			content = strings.ReplaceAll(content, "namespace: nameward\n", "namespace: "+trial+"\n")
			content = strings.Replace(content, "kind: Namespace\nmetadata:\n  name: nameward\n", "kind: Namespace\nmetadata:\n  name: "+trial+"\n", 1)
			out := kubectl(t, content, "apply", "--dry-run=server", "--validate=strict", "-f", "-")
			if got, want := strings.Count(out, "(server dry run)"), strings.Count(content, "\nkind: "); got != want {
				t.Errorf("got %d of %d objects taken:\n%s", got, want, out)
			}
		})
	}
}
