package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/manifests"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

const draftManifest = `
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: app}
spec: {clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: here, namespace: app, uid: here, annotations: {nameward.io/interface: pod0}}
spec: {nodeName: node-1, containers: [{name: c, image: example.invalid/c}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: app, uid: bare}
spec: {nodeName: node-1, containers: [{name: c, image: example.invalid/c}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: there, namespace: app, uid: there}
spec: {nodeName: node-2, containers: [{name: c, image: example.invalid/c}]}
status: {phase: Running, podIPs: [{ip: 10.0.1.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: app, uid: host}
spec: {nodeName: node-1, hostNetwork: true, containers: [{name: c, image: example.invalid/c}]}
status: {phase: Running, podIPs: [{ip: 192.0.2.1}]}
`

func snapshotOf(tb testing.TB, text string) *manifests.Snapshot {
	tb.Helper()
	dir := tb.TempDir()
	check(tb, os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(text), 0o600))
	return must(manifests.Load(dir))
}

func TestDraft(t *testing.T) {
	base := settings.Settings{Default: policy.Deny, MinTTL: time.Second, Grace: 2 * time.Second}
	around := &surroundings{addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}}
	known := knowledge{snapshotOf(t, draftManifest), around, new(locations)}
	d := newDraft("node-1", base, known, nil)
	here, bare := policy.EndpointOf("here"), policy.EndpointOf("bare")
	if len(d.pods) != 2 || !slices.Equal(d.pods[here], []netip.Addr{podAddr}) || d.pods[bare] == nil {
		t.Errorf("pods: got %v, want the two of this node that have a network of their own", d.pods)
	}
	if len(d.interfaces) != 1 || d.interfaces[here].Name != "pod0" {
		t.Errorf("interfaces: got %v, want the one that is annotated", d.interfaces)
	}
	if got := d.settings; got.MinTTL != time.Second || got.Grace != 2*time.Second {
		t.Errorf("lifetimes: got %v and %v, want those of the flags", got.MinTTL, got.Grace)
	}
	local, _ := d.compiled.Tables.Addresses.Get(around.addresses[1])
	if !local.LocalNode { // P18
		t.Errorf("an address of the host that no Node object has: got %+v, want it local", local)
	}
	occupied := []struct {
		sentence, addr string
		want           grants.Reason
	}{ // N10
		{"a pod of this node", "10.0.0.1", grants.ReasonPod},
		{"a pod of another node", "10.0.1.1", grants.ReasonPod},
		{"a Service", "10.96.0.7", grants.ReasonService},
		{"a hostNetwork pod has its node's address", "192.0.2.1", grants.ReasonNode},
		{"an address of the host", "192.0.2.2", grants.ReasonNode},
	}
	for _, tt := range occupied {
		t.Run(tt.sentence, func(t *testing.T) {
			if got, _ := d.settings.Guard.Occupied(netip.MustParseAddr(tt.addr)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if again := newDraft("node-1", base, known, d); again.compiled != d.compiled {
		t.Error("the same World was compiled again")
	}
}
