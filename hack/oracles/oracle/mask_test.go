package oracle

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/oracles/cluster"
)

// everybody is a cluster with a node and three pods: web, db, and lab in
// another namespace.
const everybody = `
{kind: Namespace, metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop}}}
---
{kind: Namespace, metadata: {name: lab, labels: {kubernetes.io/metadata.name: lab}}}
---
{kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}, {type: InternalDNS, address: 192.168.0.9}]}}
---
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  nodeName: n1
  containers: [{name: c, ports: [{name: http, protocol: TCP, containerPort: 80}]}]
  initContainers: [{name: i, restartPolicy: Always, ports: [{name: sidecar, protocol: TCP, containerPort: 81}]}]
status: {phase: Running, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}
---
{kind: Pod, metadata: {name: db, namespace: shop}, spec: {nodeName: n1, containers: []}, status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}}
---
{kind: Pod, metadata: {name: probe, namespace: lab}, spec: {nodeName: n1, containers: []}, status: {phase: Running, podIPs: [{ip: 10.0.0.3}]}}
---
`

// proofOfFault shows that the oracle is wrong without the mask.
type proofOfFault struct {
	// right is the answer by the text of the API.
	right    bool
	sentence string
	policies string
	flow     cluster.Flow
}

func in(pod, address, peer string, port uint16) cluster.Flow {
	return cluster.Flow{
		Direction: policy.Ingress, Pod: pod, Protocol: corev1.ProtocolTCP, Port: port,
		Address: netip.MustParseAddr(address), Peer: netip.MustParseAddr(peer),
	}
}

func out(pod, address, peer string, port uint16) cluster.Flow {
	f := in(pod, address, peer, port)
	f.Direction = policy.Egress
	return f
}

const (
	allow = true
	deny  = false
)

// The proofs by what is masked, for each oracle that has the mask.
var proofsOfFault = map[string]proofOfFault{
	"NotIn on a label that is absent": {allow, "db has no label app, so that NotIn matches it",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Ingress], podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [x]}]}}]}]}}`,
		in("shop/web", "10.0.0.1", "10.0.0.2", 80)},
	"matchLabels with an empty value": {deny, "db has no label app, so that an empty one does not match it",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Ingress], podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: ""}}}]}]}}`,
		in("shop/web", "10.0.0.1", "10.0.0.2", 80)},
	"missing policyTypes": {deny, "a policy without policyTypes isolates for ingress",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {podSelector: {}}}`,
		in("shop/web", "10.0.0.1", "10.0.0.2", 80)},
	"leading zeros in a CIDR": {deny, "010.0.0.0/8 is 10.0.0.0/8, which 192.0.2.1 is not in",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Ingress], podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 010.0.0.0/8}}]}]}}`,
		in("shop/web", "10.0.0.1", "192.0.2.1", 80)},
	"named port of an egress rule under an ipBlock": {deny, "a block has no port called http, whoever has the address",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: lab}, spec: {policyTypes: [Egress], podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{protocol: TCP, port: http}]}]}}`,
		out("lab/probe", "10.0.0.3", "10.0.0.1", 80)},
	"a pod's traffic to itself, on its way out": {allow, "web reaches its own address",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Egress], podSelector: {}}}`,
		out("shop/web", "10.0.0.1", "10.0.0.1", 80)},
	"ingress from the pod's own node": {allow, "web's node may probe it",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Ingress], podSelector: {}}}`,
		in("shop/web", "10.0.0.1", "192.168.0.1", 80)},
	"missing protocol of a port": {allow, "a port without protocol is one of TCP",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Ingress], podSelector: {}, ingress: [{ports: [{port: 80}]}]}}`,
		in("shop/web", "10.0.0.1", "10.0.0.2", 80)},
	"empty list of rules, not nil": {deny, "no rules allow nothing",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Ingress], podSelector: {}, ingress: []}}`,
		in("shop/web", "10.0.0.1", "10.0.0.2", 80)},
	"ports of init containers that stay": {allow, "a sidecar's named port is the pod's",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Ingress], podSelector: {}, ingress: [{ports: [{protocol: TCP, port: sidecar}]}]}}`,
		in("shop/web", "10.0.0.1", "10.0.0.2", 81)},
	"port 0 and a named port": {deny, "port 0 is not the port called http",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Ingress], podSelector: {}, ingress: [{ports: [{protocol: TCP, port: http}]}]}}`,
		in("shop/web", "10.0.0.1", "10.0.0.2", 0)},
	"NetworkPolicy of the other direction": {deny, "an ingress policy does not switch Baseline egress off",
		`{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {policyTypes: [Ingress], podSelector: {}}}
---
{kind: ClusterNetworkPolicy, metadata: {name: p}, spec: {tier: Baseline, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]}}`,
		out("shop/web", "10.0.0.1", "192.0.2.1", 80)},
	"rule with a peer or CIDR that is not understood, or a denied name": {deny, "a rule that denies what nobody understands denies all",
		`{kind: ClusterNetworkPolicy, metadata: {name: p}, spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Pass, to: [{}]}]}}`,
		out("shop/web", "10.0.0.1", "192.0.2.1", 80)},
	"closed ingress rule, and a source that is no pod": {deny, "a closed ingress rule denies every source",
		`{kind: ClusterNetworkPolicy, metadata: {name: p}, spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{}]}]}}`,
		in("shop/web", "10.0.0.1", "192.0.2.1", 80)},
	"named port under networks, nodes or domainNames": {allow, "a network has no port called http, whoever has the address",
		`{kind: ClusterNetworkPolicy, metadata: {name: p}, spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}], protocols: [{destinationNamedPort: http}]}]}}`,
		out("lab/probe", "10.0.0.3", "10.0.0.1", 80)},
	"addresses of nodes of other types": {deny, "an address of a node is one whatever its type",
		`{kind: ClusterNetworkPolicy, metadata: {name: p}, spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {}}]}]}}`,
		out("shop/web", "10.0.0.1", "192.168.0.9", 80)},
}

// TestMasks: every mask hides a real fault of its oracle, and nothing else.
func TestMasks(t *testing.T) {
	for _, o := range All() {
		for _, m := range o.Masks {
			t.Run(o.Name+"/"+m.What, func(t *testing.T) {
				proof, written := proofsOfFault[m.What]
				if !written {
					t.Fatal("no case shows that the oracle is wrong here")
				}
				c, err := cluster.Parse(everybody + proof.policies)
				if err != nil {
					t.Fatal(err)
				}
				if ours := cluster.NewJudge(c).Decide(proof.flow); (ours.Verdict == policy.Allow) != proof.right {
					t.Errorf("%s: nameward got %s (%s), want %v", proof.sentence, ours.Verdict, ours.Why, proof.right)
				}
				checkMask(t, o, m, c, proof)
			})
		}
	}
}

func checkMask(t *testing.T, o *Oracle, m *Mask, c *cluster.Cluster, proof proofOfFault) {
	t.Helper()
	bare := o.Open(m)
	bare.Load(c)
	if answer := bare.Ask(proof.flow); answer.Skipped != nil || answer.Fault == nil && answer.Allowed == proof.right {
		t.Errorf("%s: the oracle without this mask got %s, want it to be wrong", proof.sentence, answer)
	}
	masked := o.Open()
	masked.Load(c)
	switch answer := masked.Ask(proof.flow); {
	case m.Skips() && answer.Skipped != m:
		t.Errorf("%s: got %s, want it skipped by %q", proof.sentence, answer, m.What)
	case !m.Skips() && (answer.Skipped != nil || answer.Fault != nil || answer.Allowed != proof.right):
		t.Errorf("%s: the oracle asked in other words got %s, want %v", proof.sentence, answer, proof.right)
	}
}

// TestMasksAreNarrow: beside the fault, the oracle is asked as ever.
func TestMasksAreNarrow(t *testing.T) {
	elsewhere := out("shop/db", "10.0.0.2", "10.0.0.3", 443)
	for _, o := range All() {
		for _, m := range o.Masks {
			c, err := cluster.Parse(everybody + proofsOfFault[m.What].policies)
			if err != nil {
				t.Fatal(err)
			}
			s := o.Open()
			s.Load(c)
			if answer := s.Ask(elsewhere); answer.Skipped != nil || answer.Fault != nil {
				t.Errorf("%s: %s: a flow beside the fault got %s, want an answer", o.Name, m.What, answer)
			}
		}
	}
}

// TestMaskNames: a mask is told to people by what it masks.
func TestMaskNames(t *testing.T) {
	used := map[string]bool{}
	for _, o := range All() {
		seen := map[string]bool{}
		for _, m := range o.Masks {
			if seen[m.What] || m.Reason == "" || m.Oracle == "" {
				t.Errorf("%s: mask %q: got it twice or without a reason", o.Name, m.What)
			}
			if (m.skip == nil) == (m.adjust == nil) {
				t.Errorf("%s: mask %q: want it to skip or to adjust", o.Name, m.What)
			}
			seen[m.What], used[m.What] = true, true
		}
	}
	for what := range proofsOfFault {
		if !used[what] {
			t.Errorf("a case for %q, which nobody masks", what)
		}
	}
}
