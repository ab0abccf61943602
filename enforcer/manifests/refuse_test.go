package manifests

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// S5: every fault has a file, a line, a field, and what would be right.
func TestLoadRefuses(t *testing.T) {
	refuse(t, []refused{
		{"a misspelt field of a Pod", map[string]string{"a.yaml": `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  nodename: n1
`}, `a.yaml:5: spec.nodename: unknown field; did you mean nodeName?`},
		{"a misspelt field of a policy outside of peers", map[string]string{"a.yaml": `
apiVersion: networking.k8s.aws/v1alpha1
kind: ClusterNetworkPolicy
metadata: {name: a}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  ingress:
  - action: Deny
    to: []
`}, `a.yaml:10: spec.ingress[0].to: unknown field; possible here: action, from, name, ports`},
		{"a field of another upper case", map[string]string{"a.yaml": `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
spec: {podselector: {}}
`}, `a.yaml:4: spec.podselector: unknown field; did you mean podSelector?`},
		{"a fault in the third document has its line in the file", map[string]string{"a.yaml": `
apiVersion: v1
kind: Namespace
metadata: {name: a}
---
# nothing
---
apiVersion: v1
kind: Pod
metadata:
  name: b
  labels: {a: 1}
`}, `a.yaml:11: metadata.labels.a: is a number, where a text is wanted; put it in quotes`},
		{"a fault in an item of a List", map[string]string{"a.yaml": `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- apiVersion: v1
  kind: Namespace
  metadata:
    nam: b
`}, `a.yaml:8: metadata.nam: unknown field; did you mean name?`},
		{"a list where an object belongs", map[string]string{"a.yaml": `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
spec:
  podSelector: {}
  ingress:
  - from:
    - podSelector: []
`}, `a.yaml:8: spec.ingress[0].from[0].podSelector: is an array, where an object is wanted`},
		{"a bad line of YAML", map[string]string{"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: [a\nspec: {}\n"},
			`a.yaml:4: did not find expected ',' or ']'`},
		{"a file that ends too early", map[string]string{"a.yaml": "apiVersion: v1\nkind: [Pod\n"},
			`a.yaml:2: did not find expected ',' or ']'`},
		{"a JSON file that ends too early", map[string]string{"a.json": "{\n\"kind\":\n"},
			`a.json:2: unexpected EOF`},
		{"two pods with one uid", map[string]string{"a.yaml": `
apiVersion: v1
kind: Pod
metadata: {name: a, uid: u}
---
apiVersion: v1
kind: Pod
metadata: {name: b, uid: u}
`}, `a.yaml:7: metadata.uid: pod default/a at a.yaml:1 has uid u as well; each pod needs its own`},
		{"two ConfigMaps with settings", map[string]string{"a.yaml": `
apiVersion: v1
kind: ConfigMap
metadata: {name: nameward, namespace: a}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: nameward, namespace: b}
`}, `a.yaml:7: metadata.name: a second ConfigMap "nameward", the first is at a.yaml:1; keep one of them`},
		{"a key that is there twice", map[string]string{"a.yaml": `
apiVersion: v1
kind: Pod
metadata:
  name: a
  name: b
`}, `a.yaml:5: mapping key "name" already defined at line 4`},
		{"a key that kubectl would rewrite", map[string]string{"a.yaml": `
apiVersion: v1
kind: Pod
metadata:
  name: a
  labels: {n: x}
`}, `a.yaml:5: the key n is not a text in YAML; put it in quotes`},
		{"a bad line of JSON", map[string]string{"a.json": "{\"apiVersion\": \"v1\",\n\"kind\" \"Pod\"}"},
			`a.json:2: invalid character '"' after object key`},
		{"a fault in a second value of JSON", map[string]string{"a.json": "{\"apiVersion\":\"v1\",\n\t\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\"}}\n{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\n\t\"metadata\":{\"name\":1}}"},
			`a.json:4: metadata.name: is a number, where a text is wanted; put it in quotes`},
		{"a text instead of an object", map[string]string{"a.yaml": "hello\n"},
			`a.yaml:1: not an object; write one with apiVersion and kind`},
		{"an object without kind", map[string]string{"a.yaml": "apiVersion: v1\n"},
			`a.yaml:1: kind: an object needs its kind`},
		{"a kind that is not read", map[string]string{"a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"},
			`a.yaml:2: kind: Deployment of apps/v1 is not read; move it to another folder`},
		{"an old version of a policy, which must not be ignored", map[string]string{"a.yaml": "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\n"},
			`a.yaml:2: kind: AdminNetworkPolicy of policy.networking.k8s.io/v1alpha1 is not read; write it as a ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2`},
		{"one object in two files", map[string]string{
			"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: x}\n",
			"b.yaml": "# same\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: x}\n",
		}, `b.yaml:4: metadata.name: Pod x/a is at a.yaml:1 as well; keep one of them`},
		{"no name", map[string]string{"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {namespace: x}\n"},
			`a.yaml:3: metadata.name: an object needs a name`},
		{"a namespace on a cluster policy", map[string]string{"a.yaml": `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: a, namespace: x}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}}
`}, `a.yaml:3: metadata.namespace: a ClusterNetworkPolicy is in no namespace; remove the field`},
		{"two pods with one address", map[string]string{"a.yaml": `
apiVersion: v1
kind: Pod
metadata: {name: a}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: b}
status:
  podIPs: [{ip: "::ffff:10.0.0.1"}]
`}, `a.yaml:9: status: pod default/a at a.yaml:1 has address 10.0.0.1 as well; each pod needs its own`},
		{"two pods of one node with one interface", map[string]string{"a.yaml": `
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {nameward.io/interface: veth1}}
---
apiVersion: v1
kind: Pod
metadata: {name: b, annotations: {nameward.io/interface: veth1}}
`}, `a.yaml:7: metadata.annotations.nameward.io/interface: pod default/a at a.yaml:1 has interface veth1 as well; each pod needs its own`},
		{"an interface name that is too long", map[string]string{"a.yaml": `
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {nameward.io/interface: averylonginterface}}
`}, `a.yaml:3: metadata.annotations.nameward.io/interface: "averylonginterface" has 18 characters; an interface name has at most 15`},
		{"a misspelt annotation", map[string]string{"a.yaml": `
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations:
    nameward.io/defualt: Deny
`}, `a.yaml:6: metadata.annotations.nameward.io/defualt: unknown annotation; a Node may have nameward.io/default`},
		{"addresses that are none", map[string]string{"a.yaml": `
apiVersion: v1
kind: Pod
metadata: {name: a}
status:
  podIPs:
  - ip: 10.0.0.1
  - ip: 10.0.0.256
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {clusterIPs: [x]}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: fe80::1%eth0}]}
`}, `a.yaml:7: status.podIPs[1].ip: "10.0.0.256" is not an IP address; write one such as 10.96.0.10 or fd00::a
a.yaml:12: spec.clusterIPs[0]: "x" is not an IP address; write one such as 10.96.0.10 or fd00::a
a.yaml:17: status.addresses[0].address: "fe80::1%eth0" is not an IP address; write one such as 10.96.0.10 or fd00::a`},
		{"settings that nobody knows or understands", map[string]string{"a.yaml": `
apiVersion: v1
kind: ConfigMap
metadata: {name: nameward}
data:
  default: maybe
  awsRuleOrder: Random
  clusterDNS: 10.0.0.10,
  minTTL: "30"
  grace: -1s
  guardAllow: 10.0.0.0
  hold: 250ms
  mode: dry-run
  guardInCluster: "on"
  addressesPerName: "0"
`}, `a.yaml:14: data.addressesPerName: "0" is no limit of addresses; write 1 to 100000
a.yaml:6: data.awsRuleOrder: "Random" is not a rule order; write DenyFirst or AsWritten
a.yaml:7: data.clusterDNS: "" is not an IP address; write one such as 10.96.0.10 or fd00::a
a.yaml:5: data.default: "maybe" is not a default; write Allow or Deny
a.yaml:9: data.grace: "-1s" is out of range; write 0s to 24h
a.yaml:10: data.guardAllow: "10.0.0.0" has no prefix length; write 10.0.0.0/32
a.yaml:13: data.guardInCluster: "on" is neither; write true or false
a.yaml:11: data.hold: unknown setting; possible: addressesPerName, awsRuleOrder, clusterDNS, default, grace, guardAllow, guardInCluster, minTTL, mode, nat64, startPosture
a.yaml:8: data.minTTL: "30" is not a duration; write a number and a unit, such as 30s or 5m
a.yaml:12: data.mode: "dry-run" is not a mode; write audit or enforce`},
	})
}

// refused is a folder and what is said of it.
type refused struct {
	says  string
	files map[string]string
	want  string
}

func refuse(t *testing.T, table []refused) {
	t.Helper()
	for _, row := range table {
		t.Run(row.says, func(t *testing.T) {
			if got := refusal(t, row.files); got != row.want {
				t.Errorf("\n got %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestLoadTellsTenFaultsAtMost(t *testing.T) {
	var text strings.Builder
	for range 13 {
		text.WriteString("---\napiVersion: v1\nkind: Pod\n")
	}
	lines := strings.Split(refusal(t, map[string]string{"a.yaml": text.String()}), "\n")
	if got, want := len(lines), 11; got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
	if got, want := lines[10], "and 3 more"; got != want {
		t.Errorf("got last line %q, want %q", got, want)
	}
}

func TestLoadNamesWhatCannotBeRead(t *testing.T) {
	t.Run("a folder that is not there", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "nowhere")
		_, err := Load(dir)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want fs.ErrNotExist with the folder's name", err)
		}
	})
	t.Run("a link to nothing", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink("nowhere", filepath.Join(dir, "a.yaml")); err != nil {
			t.Fatal(err)
		}
		_, err := Load(dir)
		fault, ok := errors.AsType[*Error](err)
		if !ok || fault.File != filepath.Join(dir, "a.yaml") {
			t.Errorf("got %v, want an *Error with the file's name", err)
		}
	})
	t.Run("a pipe", func(t *testing.T) {
		dir := t.TempDir()
		if err := syscall.Mkfifo(filepath.Join(dir, "a.yaml"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "only files can be read") {
			t.Errorf("got %v, want a refusal to read a pipe", err)
		}
	})
}
