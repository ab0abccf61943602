package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

const earlyManifest = `
apiVersion: v1
kind: Pod
metadata: {name: new, namespace: app, uid: new}
spec: {nodeName: node-1, containers: [{name: c, image: example.invalid/c}]}
status: {phase: Pending}
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: app, uid: host}
spec: {nodeName: node-1, hostNetwork: true, containers: [{name: c, image: example.invalid/c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: there, namespace: app, uid: there}
spec: {nodeName: node-2, containers: [{name: c, image: example.invalid/c}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: peers, namespace: app}
spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}
`

// D9: a pod has the addresses that the network's plugin tells before the API
// server knows them, and is policed at the interface that was found.
func TestAddressesToldEarly(t *testing.T) {
	known := knowledge{snapshotOf(t, earlyManifest), new(surroundings), new(locations)}
	base := settings.Settings{Default: policy.Deny}
	before := newDraft("node-1", base, known, nil)
	fresh, at := policy.EndpointOf("new"), datapath.Interface{Name: "veth1", Index: 7}
	if len(before.pods[fresh]) != 0 || len(before.interfaces) != 0 {
		t.Errorf("before: got %v at %v, want neither address nor interface", before.pods, before.interfaces)
	}
	known.found = &locations{
		interfaces: map[string]datapath.Interface{"new": at},
		addresses:  map[string][]netip.Addr{"new": {podAddr}, "host": {web}, "there": {other}},
	}
	d := newDraft("node-1", base, known, before)
	if got := d.pods[fresh]; !slices.Equal(got, []netip.Addr{podAddr}) || d.interfaces[fresh] != at {
		t.Errorf("got %v at %v, want %v at %v", got, d.interfaces[fresh], podAddr, at)
	}
	if _, ok := d.compiled.Tables.Addresses.Get(podAddr); !ok {
		t.Error("want the address among those of peers")
	}
	for _, a := range []netip.Addr{web, other} {
		if _, ok := d.compiled.Tables.Addresses.Get(a); ok {
			t.Errorf("%v: want nothing told of pods that have no network of their own here", a)
		}
	}
	if again := newDraft("node-1", base, known, d); again.compiled != d.compiled {
		t.Error("the same World was compiled again")
	}
}

// D9: who waits for a pod's policy waits for that at the interface that the pod
// has now.
func TestWaitForAttached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttached()
		ended := make(chan error, 1)
		go func() { ended <- a.wait(t.Context(), podID, 7) }()
		for _, earlier := range []map[policy.EndpointID]datapath.Interface{
			nil, {policy.EndpointOf("another"): {Index: 7}}, {podID: {Index: 6}},
		} {
			a.replace(earlier)
			synctest.Wait()
			if len(ended) > 0 {
				t.Fatalf("with %v: want it to wait", earlier)
			}
		}
		a.replace(map[policy.EndpointID]datapath.Interface{podID: {Index: 7}})
		if err := <-ended; err != nil {
			t.Errorf("got %v, want no error", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.wait(ctx, podID, 8); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
	})
}

// S1: a pod whose interface is still being looked for is not cried over; what was
// tried in vain is told.
func TestPodsThatStartAreNotTold(t *testing.T) {
	for why, want := range map[string]int{"": 0, "no route leads there": 1} {
		m := newMemory()
		inBubble(t, m, func(t *testing.T, b *bench) {
			d := draftOf()
			d.looked, d.why = true, map[policy.EndpointID]string{podID: why}
			m.failures["apply"] = []error{&datapath.InterfaceError{Pod: podRef, Err: errors.New("not known")}}
			b.update(d)
			if got := b.node.absent; len(got) != want || want > 0 && got[podID].reason != why {
				t.Errorf("%q: got %v, want %d told", why, got, want)
			}
		})
	}
}
