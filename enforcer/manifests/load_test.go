package manifests

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// P1: the manifests of the walkthrough are read as they are.
func TestLoadWalkthrough(t *testing.T) {
	s, err := Load("testdata/walkthrough")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Problems) > 0 {
		t.Errorf("got problems %v, want none", s.Problems)
	}
	var got []string
	for _, p := range s.Policies {
		got = append(got, p.Tier.String()+" "+p.Ref.String())
	}
	want := []string{
		"networkpolicy NetworkPolicy app/allow-dns",
		"networkpolicy ApplicationNetworkPolicy.networking.k8s.aws app/allow-example-com-only",
		"admin ClusterNetworkPolicy.networking.k8s.aws allow-intra-app",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.Policies[1].Egress.Rules[0].Peers[0].Name; got != "example.com" {
		t.Errorf("got name %q, want example.com", got)
	}
}

const wholeCluster = `
apiVersion: v1
kind: List
metadata: {}
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: app, labels: {team: red, kubernetes.io/metadata.name: lie}}
- apiVersion: v1
  kind: Node
  metadata: {name: n1, labels: {zone: a}, annotations: {nameward.io/default: allow}}
  status:
    addresses:
    - {type: InternalIP, address: 192.0.2.1}
    - {type: Hostname, address: n1}
    - {type: ExternalIP, address: "2001:db8::1"}
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: app}
  spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, "fd00::1"]}
- apiVersion: v1
  kind: Service
  metadata: {name: headless, namespace: app}
  spec: {clusterIP: None}
---
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: app
  uid: 6f1c
  labels: {role: backend}
  annotations: {nameward.io/interface: veth-a, example.com/other: x}
spec:
  nodeName: n1
  initContainers:
  - {name: once, ports: [{name: once, containerPort: 1}]}
  - {name: sidecar, restartPolicy: Always, ports: [{name: mesh, containerPort: 15001}]}
  containers:
  - name: c
    ports: [{name: web, containerPort: 80}, {containerPort: 81}, {name: dns, containerPort: 53, protocol: UDP}]
status:
  phase: Running
  podIP: 10.0.0.1
  podIPs: [{ip: 10.0.0.1}, {ip: "fd01::1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: batch, annotations: {nameward.io/interface: veth-a}}
spec: {nodeName: n1}
status: {phase: Succeeded, podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: host}
spec: {nodeName: n1, hostNetwork: true}
status: {podIP: 192.0.2.1}
`

func TestLoadCluster(t *testing.T) {
	s := mustLoad(t, map[string]string{"cluster.yaml": wholeCluster})
	ip := netip.MustParseAddr
	check(t, "namespaces, those without an object too", s.Namespaces, map[string]labels.Set{
		"app":     {"team": "red", "kubernetes.io/metadata.name": "app"},
		"batch":   {"kubernetes.io/metadata.name": "batch"},
		"default": {"kubernetes.io/metadata.name": "default"},
	})
	check(t, "P14: nodes with all their addresses", s.Nodes, []policy.Node{
		{Name: "n1", Labels: labels.Set{"zone": "a"}, Addresses: []netip.Addr{ip("192.0.2.1"), ip("2001:db8::1")}},
	})
	check(t, "services with their addresses, once each", s.Services, []*policy.Service{
		{Namespace: "app", Name: "headless"},
		{Namespace: "app", Name: "web", Addresses: []netip.Addr{ip("10.96.0.1"), ip("fd00::1")}},
	})
	check(t, "P10, P16, P17, P20: pods", s.Pods, []*policy.Pod{
		{
			Ref: policy.PodRef{Namespace: "app", Name: "a", UID: "6f1c"}, Labels: labels.Set{"role": "backend"},
			Node: "n1", Addresses: []netip.Addr{ip("10.0.0.1"), ip("fd01::1")}, Interface: "veth-a",
			Ports: []policy.NamedPort{{Name: "mesh", Protocol: 6, Number: 15001}, {Name: "web", Protocol: 6, Number: 80}, {Name: "dns", Protocol: 17, Number: 53}},
		},
		{
			Ref:  policy.PodRef{Namespace: "batch", Name: "job", UID: "manifest:cluster.yaml:batch/job"},
			Node: "n1", Addresses: []netip.Addr{ip("10.0.0.1")}, Finished: true, Interface: "veth-a",
		},
		{
			Ref:  policy.PodRef{Namespace: "default", Name: "host", UID: "manifest:cluster.yaml:default/host"},
			Node: "n1", Addresses: []netip.Addr{ip("192.0.2.1")}, HostNetwork: true,
		},
	})
	check(t, "interfaces of pods that live", s.Interfaces, map[string]string{"6f1c": "veth-a"})
}

func check(t *testing.T, says string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", says, got, want)
	}
}

// P7, N5, N10, N15: flags, then the ConfigMap, then the node's annotation.
func TestSettings(t *testing.T) {
	s := mustLoad(t, map[string]string{"cluster.yaml": wholeCluster, "settings.yaml": `
apiVersion: v1
kind: ConfigMap
metadata: {name: nameward, namespace: kube-system}
data:
  awsRuleOrder: AsWritten
  clusterDNS: "10.96.0.10, fd00::a"
  minTTL: 1m
  guardAllow: 10.0.0.1/8,fd00::/8
  guardInCluster: "true"
  nat64: 2001:db8:64::/96
  addressesPerName: "4000"
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
data: {default: anything}
`})
	base := settings.Settings{Default: policy.Deny, MinTTL: 30 * time.Second, Grace: 5 * time.Second, ClusterDNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")}}
	want := settings.Settings{
		Default: policy.Deny, AWSRuleOrder: policy.AsWritten, MinTTL: time.Minute, Grace: 5 * time.Second,
		ClusterDNS:     []netip.Addr{netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("fd00::a")},
		GuardAllow:     []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
		GuardInCluster: true, NAT64: []netip.Prefix{netip.MustParsePrefix("2001:db8:64::/96")}, AddressesPerName: 4000,
	}
	check(t, "another node", s.Settings("n2", base), want)
	want.Default = policy.Allow
	check(t, "the node with an annotation", s.Settings("n1", base), want)

	world := s.World("n1", base)
	check(t, "the world's settings", []any{world.Default, world.AWSRuleOrder, world.ClusterDNS}, []any{want.Default, want.AWSRuleOrder, want.ClusterDNS})
	check(t, "P18: the node's own addresses", world.LocalAddresses, s.Nodes[0].Addresses)
	check(t, "no addresses of a node without object", s.World("n2", base).LocalAddresses, []netip.Addr(nil))
}

// P15: what a newer API may say closes its rule and is told, with its line.
func TestLoadTellsClosedRules(t *testing.T) {
	dir := folder(t, map[string]string{"a.yaml": `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: newer}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  egress:
  - action: Deny
    to:
    - namespaces: {}
    - serviceAccounts: {}
  - action: Accept
    to:
    - pods:
        podSelector: {matchLables: {a: b}}
    protocols:
    - icmp: {type: 8}
  - action: Accept
    to:
    - networks: [10.0.0.0/8, 10.0.0.0/99]
`})
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range s.Problems {
		got = append(got, strings.TrimPrefix(p.String(), dir+"/"))
	}
	object := "ClusterNetworkPolicy.policy.networking.k8s.io newer: "
	check(t, "problems", got, []string{
		"a.yaml:12: " + object + `spec.egress[0].to[1].serviceAccounts: unknown field "serviceAccounts"; this version knows namespaces, pods, nodes, networks, domainNames`,
		"a.yaml:16: " + object + `spec.egress[1].to[0].pods.podSelector.matchLables: unknown field "pods.podSelector.matchLables"; check its spelling`,
		"a.yaml:18: " + object + `spec.egress[1].protocols[0].icmp: unknown field "icmp"; this version knows tcp, udp, sctp, destinationNamedPort`,
		"a.yaml:21: " + object + `spec.egress[2].to[0].networks[1]: "10.0.0.0/99" has prefix length 99; at most 32 is possible`,
	})
	rules := s.Policies[0].Egress.Rules
	if rules[0].Peers[1].Malformed == "" || rules[1].Peers[0].Malformed == "" || rules[1].Ports[0].Malformed == "" || rules[2].Peers[1].Malformed == "" {
		t.Errorf("got rules %+v, want each with a malformed part", rules)
	}
	if rules[0].Peers[0].Malformed != "" || rules[2].Peers[0].Malformed != "" {
		t.Errorf("got rules %+v, want good peers to stay good", rules)
	}
}

func TestLoadReadsItsFilesOnly(t *testing.T) {
	namespace := func(name string) string {
		return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n"
	}
	dir := folder(t, map[string]string{
		"a.yaml": namespace("a"), "b.yml": namespace("b"), "empty.yaml": "", "comment.yaml": "# nothing\n",
		"c.json":    "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"c\"}\n}\n",
		"README.md": "not YAML: [", ".hidden.yaml": "not YAML: [", "old.yaml.bak": "not YAML: [", "backup.yaml~": "[",
	})
	for _, name := range []string{"sub", "sub.yaml"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), "d.yaml", namespace("d"))
	}
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "namespaces", s.Namespaces, map[string]labels.Set{
		"a": {"kubernetes.io/metadata.name": "a"}, "b": {"kubernetes.io/metadata.name": "b"}, "c": {"kubernetes.io/metadata.name": "c"},
	})
}

// A file means here what it means to kubectl, which reads YAML 1.1.
func TestLoadReadsYAMLAsKubectlDoes(t *testing.T) {
	s := mustLoad(t, map[string]string{"a.yaml": `
apiVersion: v1
kind: Pod
metadata:
  name: a
  labels: &labels {date: 2026-01-01, quoted: "yes", 80: "eighty"}
spec: {hostNetwork: yes}
---
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {<<: &more {x: z}, k: v}}
`})
	check(t, "a date is a text, a quoted word too, a number as key too", s.Pods[0].Labels, labels.Set{"date": "2026-01-01", "quoted": "yes", "80": "eighty"})
	check(t, "yes is true", s.Pods[0].HostNetwork, true)
	check(t, "merged keys count", s.Pods[1].Labels, labels.Set{"x": "z", "k": "v"})
}

// P16, P21: a pod keeps its identity as long as it is the same.
func TestPodIdentity(t *testing.T) {
	pod := func(meta string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: x" + meta + "}\n"
	}
	uid := func(file, text string) string {
		return mustLoad(t, map[string]string{file: text}).Pods[0].Ref.UID
	}
	if a, b := uid("a.yaml", pod("")), uid("a.yaml", pod(", labels: {k: v}")); a != b {
		t.Errorf("relabelled: got %q and %q, want one uid", a, b)
	}
	if a, b := uid("a.yaml", pod(", uid: one")), uid("a.yaml", pod(", uid: two")); a == b {
		t.Errorf("created again with another uid: got %q twice", a)
	}
	if a, b := uid("a.yaml", pod("")), uid("b.yaml", pod("")); a == b {
		t.Errorf("in another file: got %q twice", a)
	}
}
