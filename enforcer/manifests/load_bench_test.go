package manifests

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkLoad reads 1,000 objects: 800 pods and 200 policies, in 10 files.
func BenchmarkLoad(b *testing.B) {
	files := map[string]string{}
	for f := range 10 {
		var text strings.Builder
		for i := range 80 {
			fmt.Fprintf(&text, `---
apiVersion: v1
kind: Pod
metadata: {name: p%[2]d, namespace: ns%[1]d, labels: {app: a%[2]d}, annotations: {nameward.io/interface: veth%[1]d-%[2]d}}
spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: web, containerPort: 80}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.%[1]d.%[2]d}]}
`, f, i)
		}
		for i := range 20 {
			fmt.Fprintf(&text, `---
apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata: {name: p%[2]d, namespace: ns%[1]d}
spec:
  podSelector: {matchLabels: {app: a%[2]d}}
  policyTypes: [Egress]
  egress: [{to: [{domainNames: [a.example.com, "*.example.org"]}], ports: [{port: 443}]}]
`, f, i)
		}
		files[fmt.Sprintf("f%d.yaml", f)] = text.String()
	}
	dir := folder(b, files)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(dir); err != nil {
			b.Fatal(err)
		}
	}
}
