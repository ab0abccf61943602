package main

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/chain"
	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/pods"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/report"
)

// S4: what is told of a policy is what was found when it was read and when it was
// compiled, each once, and nothing is made anew where nothing has changed.
func TestReportedPolicies(t *testing.T) {
	ref := policy.PolicyRef{Group: "networking.k8s.aws", Kind: "ApplicationNetworkPolicy", Namespace: "app", Name: "names"}
	read := policy.Problem{Policy: ref, Field: "spec.egress[0].to[0]", Reason: "nobody knows it"}
	again := policy.Problem{Policy: ref, Field: "egress rule 0", Reason: "nobody knows it"}
	more := policy.Problem{Policy: ref, Field: "egress rule 1", Reason: "too many"}
	s := &kube.Snapshot{Objects: []*kube.Object{{Ref: ref, UID: "u", Generation: 2, ResourceVersion: "7", Problems: []policy.Problem{read}}}}
	var r reported
	compiled := []policy.Problem{again, more}
	got := r.of(s, compiled)
	want := []report.Policy{{Ref: ref, UID: "u", Generation: 2, ResourceVersion: "7", Problems: []policy.Problem{read, more}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if second := r.of(s, compiled); &second[0] != &got[0] {
		t.Error("want the same slice where nothing has changed")
	}
	if third := r.of(s, nil); len(third[0].Problems) != 1 {
		t.Errorf("got %v, want what was found when it was read", third[0].Problems)
	}
}

// S4: the revisions of policies are told by the kinds that conditions are for.
func TestAppliedRevisions(t *testing.T) {
	got := applied(map[string]string{"pods": "9", "networkpolicies.networking.k8s.io": "7", "clusternetworkpolicies.networking.k8s.aws": "8"})
	want := map[report.Kind]string{report.NetworkPolicy: "7", report.AWSClusterNetworkPolicy: "8"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// D9: what nameward-cni has shut on a node that has just booted is not opened by
// the first enforcer.
func TestShutBeforeTheFirstEnforcer(t *testing.T) {
	got := leftOpen(map[string]int{"veth1": 7, "veth2": 8}, func(ifindex int) bool { return ifindex == 8 })
	if want := map[int]bool{7: true, 8: false}; !maps.Equal(got, want) {
		t.Errorf("open until there is a policy: got %v, want %v", got, want)
	}
}

// D9: who comes without a policy in the kernel is told why.
func TestDoor(t *testing.T) {
	lacking := []string{}
	r, now := prometheus.NewPedanticRegistry(), time.Unix(0, 0)
	d := &door{
		finder: pods.New(pods.Config{}), attached: newAttached(), missing: func() []string { return lacking }, waits: newWaits(r),
		clock: func() time.Time { now = now.Add(15 * time.Millisecond); return now },
	}
	a := chain.Attachment{ContainerID: "c", Namespace: "app", Name: "client", UID: podRef.UID, Interface: "veth1", IfIndex: 7, Addresses: []netip.Addr{podAddr}}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Add(ended, a); err == nil || !strings.Contains(err.Error(), "app/client") || !strings.Contains(err.Error(), "veth1") {
		t.Errorf("too late: got %v, want the pod and its interface", err)
	}
	if err := d.Status(t.Context()); err != nil {
		t.Errorf("got %v, want it ready", err)
	}
	lacking = []string{"no policy is in the kernel yet"}
	for what, err := range map[string]error{"add": d.Add(ended, a), "status": d.Status(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), lacking[0]) {
			t.Errorf("%s: got %v, want what is missing", what, err)
		}
	}
	if err := d.Check(t.Context(), a); err == nil {
		t.Error("check: got no error for a pod that no policy judges")
	}
	d.attached.replace(map[policy.EndpointID]datapath.Interface{podID: {Name: "veth0", Index: 6}})
	if err := d.Check(t.Context(), a); err == nil || !strings.Contains(err.Error(), "veth0") {
		t.Errorf("check: got %v, want the interface that is judged", err)
	}
	d.attached.replace(map[policy.EndpointID]datapath.Interface{podID: {Name: "veth1", Index: 7}})
	if err := errors.Join(d.Check(t.Context(), a), d.Add(t.Context(), a)); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	page := get(t, pages(r, nil), "/metrics", http.StatusOK)
	for _, want := range []string{
		`nameward_pod_start_wait_seconds_bucket{result="enforced",le="0.01"} 0`,
		`nameward_pod_start_wait_seconds_bucket{result="enforced",le="0.02"} 1`,
		`nameward_pod_start_wait_seconds_count{result="late"} 2`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	a.UID = ""
	if err := d.Add(t.Context(), a); !errors.Is(err, errNoUID) {
		t.Errorf("got %v, want that the UID is missing", err)
	}
}
