package main

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/report"
)

// D10, S4, P15: while the kernel refuses, new generations and their problems are
// told once, beside what is in force still; and what comes into force is.
func TestWhatTheKernelRefusesIsTold(t *testing.T) {
	ref := policy.PolicyRef{Group: "networking.k8s.aws", Kind: "ApplicationNetworkPolicy", Namespace: "app", Name: "names"}
	drafted := func(generation int64, problems ...policy.Problem) *draft {
		d := draftOf(named([]string{"example.com"}, uint16(generation)))
		d.view = &kube.Snapshot{Objects: []*kube.Object{{Ref: ref, UID: "u", Generation: generation, Problems: problems}}}
		return d
	}
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		var states []report.State
		var failures int
		s := &standing{tell: func(state report.State) { states = append(states, state) }}
		b.node.inForce = s.inForce
		b.node.failed = func(d *draft, absent map[policy.EndpointID]unpoliced, _ error) { failures++; s.refused(d, absent) }
		want := func(generation int64, problems int, applied map[report.Kind]string) {
			t.Helper()
			if len(states) != 1 {
				t.Fatalf("told %d times, want once", len(states))
			}
			got := states[0]
			if p := got.Policies[0]; p.Generation != generation || len(p.Problems) != problems {
				t.Errorf("got %+v, want generation %d with %d problems", p, generation, problems)
			}
			if !maps.Equal(got.Applied, applied) || (got.Applied == nil) != (applied == nil) {
				t.Errorf("got %v applied, want %v", got.Applied, applied)
			}
			states = nil
		}
		refusal := &datapath.UpdateError{Table: "rows", Err: errors.New("out of memory")}
		m.failures["apply"] = []error{refusal, refusal, refusal}
		b.update(drafted(1))
		b.pass(time.Minute)
		want1 := states
		if len(want1) != 2 || want1[0].Applied != nil || want1[1].Applied == nil || failures != 3 {
			t.Fatalf("got %+v after %d failures, want generation 1 told as refused once, then as in force", want1, failures)
		}
		states = nil
		s.applied = map[report.Kind]string{report.ApplicationNetworkPolicy: "7"}
		m.failures["apply"] = []error{refusal, refusal, refusal}
		b.update(drafted(2, policy.Problem{Policy: ref, Field: "spec.egress[0]", Reason: "nobody knows it"}))
		want(2, 1, map[report.Kind]string{report.ApplicationNetworkPolicy: "7"})
		b.pass(time.Minute)
		want(2, 1, map[report.Kind]string{})
	})
}
