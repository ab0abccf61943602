package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// static: a pod that the kubelet has from a file runs under a UID that the API
// does not have. It starts although no pod does before its policy is in the kernel,
// and policies are for it as for others.
func static(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	s.later(func(ctx context.Context) error { return s.release.upgrade(ctx) })
	if err := s.release.upgrade(s.ctx, "cni.mode=required"); err != nil {
		return err
	}
	allowed := cluster.Pod{Namespace: ns, Name: "allowed", Node: s.nodes[0], HTTP: 80}
	denied := cluster.Pod{Namespace: ns, Name: "denied", Node: s.nodes[len(s.nodes)-1], HTTP: 80}
	err = s.Apply(s.ctx,
		networkPolicy(ns, "static", podLabel("static", `"true"`), []string{"{from: [{podSelector: {matchLabels: {pod: allowed}}}]}"}, []string{"{to: [{podSelector: {matchLabels: {pod: allowed}}}]}"}))
	if err == nil {
		err = s.Start(s.ctx, allowed, denied)
	}
	if err != nil {
		return err
	}
	file := cluster.Pod{Namespace: ns, Name: "static", HTTP: 80, Labels: map[string]string{"static": "true"}}
	pod := cluster.Pod{Namespace: ns, Name: "static-" + s.nodes[0]} // the kubelet adds the node
	if err := s.file(s.nodes[0], file); err != nil {
		return err
	}
	if err := s.check("P21, D9: a static pod with a network of its own starts", func() error { return s.AwaitReady(s.ctx, pod) }); err != nil {
		return err
	}
	_ = s.check("P21: the API knows it by another UID than its kubelet", func() error { return s.mirrored(pod) })
	return errors.Join(s.reached(pod, allowed, denied, "P21, static pod:"), s.mirrorDeleted(pod, allowed, denied))
}

// file gives a pod to a node's kubelet, and takes it back in the end.
func (s *stage) file(node string, p cluster.Pod) error {
	manifest, err := json.Marshal(s.Spec(p))
	if err != nil {
		return err
	}
	path := filepath.Join(s.lab.state, "nodes", node, "static", p.Name+".json")
	s.later(func(ctx context.Context) error {
		_, err := s.lab.node(ctx, node, "rm", "-f", path)
		return err
	})
	// Under a name that the kubelet passes over until the file is whole.
	_, err = s.lab.node(s.ctx, node, "sh", "-c", `printf %s "$1" >"$2" && mv "$2" "$3"`, "sh", string(manifest), filepath.Join(filepath.Dir(path), "."+p.Name), path)
	return err
}

func (s *stage) mirrored(p cluster.Pod) error {
	pod, err := s.Pod(s.ctx, p)
	if err != nil {
		return err
	}
	runs := pod.Annotations[corev1.MirrorPodAnnotationKey]
	if runs == "" || runs == string(pod.UID) {
		return fmt.Errorf("got the UID %s and the annotation %q", pod.UID, runs)
	}
	return nil
}

// reached checks both directions of the static pod's policy.
func (s *stage) reached(pod, allowed, denied cluster.Pod, when string) error {
	addresses := map[string]string{}
	for _, p := range []cluster.Pod{pod, allowed, denied} {
		a, err := s.Address(s.ctx, p, false)
		if err != nil {
			return err
		}
		addresses[p.Name] = a + ":80"
	}
	s.routes(when,
		route{from: pod, target: addresses[allowed.Name], as: allowed.Name, want: pass},
		route{from: pod, target: addresses[denied.Name], as: denied.Name, want: drop},
		route{from: allowed, target: addresses[pod.Name], as: pod.Name, want: pass},
		route{from: denied, target: addresses[pod.Name], as: pod.Name, want: drop})
	return nil
}

// mirrorDeleted: the pod runs on, under a mirror that its kubelet makes anew.
func (s *stage) mirrorDeleted(pod, allowed, denied cluster.Pod) error {
	before, err := s.Pod(s.ctx, pod)
	if err != nil {
		return err
	}
	if _, err := s.Kubectl(s.ctx, "", "delete", "pod", pod.Name, "-n", pod.Namespace, "--wait=false"); err != nil {
		return err
	}
	err = cluster.Await(s.ctx, 90*time.Second, "another mirror of "+pod.String(), func(ctx context.Context) error {
		now, err := s.Pod(ctx, pod)
		if err == nil && (now.UID == before.UID || !cluster.IsReady(now)) {
			err = fmt.Errorf("UID %s, phase %s", now.UID, now.Status.Phase)
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.reached(pod, allowed, denied, "P21, with another mirror:")
}
