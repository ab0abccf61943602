package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// away: a pod that comes while its node has no enforcer does not start, if the
// chain plugin is required, and else starts late and shut. When the enforcer is
// back, the policy holds for either (D9).
func away(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	server := cluster.Pod{Namespace: ns, Name: "server", HTTP: 80}
	other := cluster.Pod{Namespace: ns, Name: "other", HTTP: 80}
	late := cluster.Pod{Namespace: ns, Name: "late", Node: s.nodes[0]}
	err = s.Apply(s.ctx, networkPolicy(ns, "late", podLabel("pod", "late"), nil, []string{"{to: [{podSelector: {matchLabels: {pod: server}}}]}"}))
	if err == nil {
		err = s.Start(s.ctx, server, other)
	}
	if err != nil {
		return err
	}
	to := func(p cluster.Pod, want cluster.Outcome) route {
		address, _ := s.Address(s.ctx, p, false) // one that has none is reached by nobody
		return route{from: late, target: hostPort(address, 80), as: p.Name, want: want}
	}
	rows := []route{to(server, pass), to(other, drop)}
	s.later(func(ctx context.Context) error { return s.enforcersOn(ctx, "null") })
	if err := s.enforcersOn(s.ctx, `"nowhere"`); err != nil {
		return err
	}
	if err := s.Apply(s.ctx, s.Spec(late)); err != nil {
		return err
	}
	if slices.Contains(s.release.variant.set, "cni.mode=required") {
		err = s.check("D9: a pod does not start, and its Event says why", func() error { return s.heldBack(late) })
	} else {
		err = s.check("D9: a pod starts nevertheless", func() error { return s.AwaitReady(s.ctx, late) })
		if err == nil {
			s.routes("D9, the enforcer is away:", to(server, drop), to(other, drop))
		}
	}
	if err != nil {
		return err
	}
	if err := s.enforcersOn(s.ctx, "null"); err != nil {
		return err
	}
	if err := s.check("D9, the enforcer is back: the pod is Ready", func() error { return s.AwaitReady(s.ctx, late) }); err != nil {
		return err
	}
	s.routes("D9, the enforcer is back:", rows...)
	return nil
}

// enforcersOn has enforcers run on nodes with a label of this value alone, a
// JSON string, or on all again by null, and waits until they do.
func (s *stage) enforcersOn(ctx context.Context, value string) error {
	patch := `{"spec":{"template":{"spec":{"nodeSelector":{"nameward.io/e2e-away":` + value + `}}}}}`
	if _, err := s.Kubectl(ctx, "", "patch", "daemonset", "nameward-enforcer", "-n", namespace, "--type=merge", "-p", patch); err != nil {
		return err
	}
	if value == "null" {
		return s.release.ready(ctx)
	}
	return cluster.Await(ctx, 3*awaitLimit, "enforcers to go", func(ctx context.Context) error {
		pods, err := s.Pods(ctx, namespace, "app.kubernetes.io/component=enforcer")
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("there are %d", len(pods))
		}
		return err
	})
}

// heldBack awaits the Event that names the chain plugin. The pod has no address.
func (s *stage) heldBack(p cluster.Pod) error {
	return cluster.Await(s.ctx, 3*awaitLimit, "Event FailedCreatePodSandBox", func(ctx context.Context) error {
		pod, err := s.Pod(ctx, p)
		if err != nil {
			return err
		}
		if pod.Status.PodIP != "" {
			return fmt.Errorf("the pod has started, with the address %s", pod.Status.PodIP)
		}
		var list corev1.EventList
		if err := s.Get(ctx, "/api/v1/namespaces/"+p.Namespace+"/events", &list); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.InvolvedObject.Name == p.Name && e.Reason == "FailedCreatePodSandBox" && strings.Contains(e.Message, "nameward-enforcer") {
				return nil
			}
		}
		return fmt.Errorf("of %d Events none is it", len(list.Items))
	})
}
