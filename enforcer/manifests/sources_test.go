package manifests

import (
	"slices"
	"testing"
)

const sources = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: same, namespace: app}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]}
---
apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata: {name: same, namespace: app}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{domainNames: [example.com]}]}]}
---
apiVersion: networking.k8s.aws/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: same}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: same}
spec:
  tier: Baseline
  priority: 1
  subject: {namespaces: {}}
  egress:
  - action: Accept
    to: [{nodes: {matchLabels: {zone: a}}}, {networks: [10.0.0.0/8]}, {domainNames: [example.org]}]
    protocols: [{tcp: {destinationPort: {number: 80}}}, {destinationNamedPort: web}]
`

// P1, P8: objects of all sources are read unchanged, those of the experimental
// channel included, and all of one name are as many policies.
func TestEverySource(t *testing.T) {
	s := mustLoad(t, map[string]string{"all.yaml": sources})
	if len(s.Problems) > 0 {
		t.Errorf("got problems %v, want none", s.Problems)
	}
	var got []string
	for _, p := range s.Policies {
		got = append(got, p.Tier.String()+" "+p.Ref.String())
	}
	slices.Sort(got)
	want := []string{
		"admin ClusterNetworkPolicy.networking.k8s.aws same",
		"baseline ClusterNetworkPolicy.policy.networking.k8s.io same",
		"networkpolicy ApplicationNetworkPolicy.networking.k8s.aws app/same",
		"networkpolicy NetworkPolicy app/same",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// P16: a pod takes part until it has finished, in either way; one that is being
// deleted takes part until then.
func TestPhases(t *testing.T) {
	for _, c := range []struct {
		sentence, meta, phase string
		finished              bool
	}{
		{"a pod without a phase", "", "", false},
		{"a pending pod has its address before it runs", "", "Pending", false},
		{"a running pod", "", "Running", false},
		{"a pod whose node is out of reach", "", "Unknown", false},
		{"a terminating pod still runs", `, deletionTimestamp: "2026-01-01T00:00:00Z"`, "Running", false},
		{"a pod that succeeded", "", "Succeeded", true},
		{"a pod that failed", "", "Failed", true},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := mustLoad(t, map[string]string{"pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: x" + c.meta +
				"}\nstatus: {podIP: 10.0.0.1, phase: \"" + c.phase + "\"}\n"})
			if got := s.Pods[0].Finished; got != c.finished {
				t.Errorf("got finished %v, want %v", got, c.finished)
			}
		})
	}
}
