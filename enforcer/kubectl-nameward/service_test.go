package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
)

// P22: a Service with more kinds of backends than the tables can tell apart is
// closed by them. That is told as such, and is no difference to report.
func TestServiceOfTooManyKinds(t *testing.T) {
	var text strings.Builder
	for i := range policy.MaxTargets + 1 {
		fmt.Fprintf(&text, `---
apiVersion: v1
kind: Pod
metadata: {name: p%[1]d, namespace: app, labels: {app: server, kind: k%[1]d}}
spec: {nodeName: n%[2]d}
status: {podIP: 10.0.0.%[1]d}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: to-%[1]d, namespace: app}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {kind: k%[1]d}}}]}]
`, i+1, i%2)
	}
	text.WriteString(`---
apiVersion: v1
kind: Service
metadata: {name: all, namespace: app}
spec: {clusterIP: 10.96.0.1, selector: {app: server}, ports: [{port: 80}]}
`)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "all.yaml"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	if got := run(&stdout, &stderr, []string{"explain", "-f", folder, "app/p1", "svc/app/all:80"}); got != exitNo {
		t.Errorf("exit code: got %d, want %d", got, exitNo)
	}
	if want := "the Service leads to more than 16 kinds of backends"; !strings.Contains(stdout.String(), want) {
		t.Errorf("got %q, want %q in it", stdout.String(), want)
	}
	if want := "warning: service address 10.96.0.1 port 80/6 leads to more than 16 kinds"; strings.Count(stderr.String(), want) != 1 {
		t.Errorf("got %q, want %q in it, once", stderr.String(), want)
	}
}
