package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// status: what became of a policy is told where its author looks (S4), and a
// part that nobody understands is closed and named (P15).
func status(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	pod := cluster.Pod{Namespace: ns, Name: "pod"}
	if err := s.Start(s.ctx, pod); err != nil {
		return err
	}
	good := applicationNetworkPolicy(ns, "good", everyPod, nil, []string{`{to: [{domainNames: ["example.com"]}]}`})
	// the CRD's pattern lets it through, but it is no name (N1)
	odd := applicationNetworkPolicy(ns, "odd", everyPod, nil, []string{`{to: [{domainNames: ["^.com"]}]}`, `{to: [{domainNames: ["example.com"]}]}`})
	upstream := clusterNetworkPolicy("e2e-status", "Admin", 30, ns, "", `{action: Accept, to: [{networks: ["198.51.100.0/24"]}]}`)
	network := networkPolicy(ns, "strange", everyPod, nil, []string{`{to: [{ipBlock: {cidr: 10.0.0.0/8, except: ["10.1.0.0/16"]}}], ports: [{port: nowhere}]}`})
	s.later(func(ctx context.Context) error { return s.Delete(ctx, upstream) })
	if err := s.Apply(s.ctx, good, odd, upstream, network); err != nil {
		return err
	}
	policies := "/apis/networking.k8s.aws/v1alpha1/namespaces/" + ns + "/applicationnetworkpolicies/"
	all := fmt.Sprintf("%d of %d nodes", len(s.nodes), len(s.nodes))
	for _, row := range []struct {
		path, sentence string
		kind           string
		want           metav1.ConditionStatus
		reason, says   string
	}{
		{policies + "good", "S4: a good ApplicationNetworkPolicy is Accepted", "Accepted", metav1.ConditionTrue, "", ""},
		{policies + "good", "S4: it is Enforced on every node", "Enforced", metav1.ConditionTrue, "", all},
		{policies + "odd", "P15: one with a name that is none says which field", "Accepted", metav1.ConditionFalse, "PartlyClosed", "domainNames"},
		{"/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/e2e-status", "S4: an upstream ClusterNetworkPolicy is Enforced on every node", "Enforced", metav1.ConditionTrue, "", all},
	} {
		_ = s.check(row.sentence, func() error { return s.condition(row.path, row.kind, row.want, row.reason, row.says) })
	}
	_ = s.check("P15, S4: an Event tells of what was closed", func() error { return s.event(ns, "odd", "PartlyClosed") })
	return nil
}

// condition awaits a condition of the object.
func (s *stage) condition(path, kind string, want metav1.ConditionStatus, reason, says string) error {
	return cluster.Await(s.ctx, 20*time.Second, "condition "+kind, func(ctx context.Context) error {
		var object struct {
			Status struct{ Conditions []metav1.Condition }
		}
		if err := s.Get(ctx, path, &object); err != nil {
			return err
		}
		for _, c := range object.Status.Conditions {
			if c.Type != kind {
				continue
			}
			if c.Status == want && (reason == "" || c.Reason == reason) && strings.Contains(c.Message, says) {
				return nil
			}
			return fmt.Errorf("got %s, %s: %s; want %s %s with %q", c.Status, c.Reason, c.Message, want, reason, says)
		}
		return fmt.Errorf("there is none of the type %s", kind)
	})
}

// event awaits an Event about an object, with this reason.
func (s *stage) event(ns, name, reason string) error {
	return cluster.Await(s.ctx, 20*time.Second, "Event "+reason, func(ctx context.Context) error {
		var list corev1.EventList
		if err := s.Get(ctx, "/api/v1/namespaces/"+ns+"/events", &list); err != nil {
			return err
		}
		var seen []string
		for _, e := range list.Items {
			if e.InvolvedObject.Name == name && e.Reason == reason {
				return nil
			}
			seen = append(seen, e.InvolvedObject.Name+" "+e.Reason)
		}
		return fmt.Errorf("there are %s", strings.Join(seen, ", "))
	})
}
