package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// host: what is the node's own. kubelet reaches a pod whatever policies say
// (P18); other nodes do not; pods with the node's address are nodes (P17).
func host(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	pod := cluster.Pod{Namespace: ns, Name: "probed", Node: s.nodes[0], HTTP: 80, Ready: "/"}
	near := cluster.Pod{Namespace: ns, Name: "on-its-node", Node: s.nodes[0], HostNetwork: true}
	far := cluster.Pod{Namespace: ns, Name: "on-another-node", Node: s.nodes[1], HostNetwork: true}
	neighbour := cluster.Pod{Namespace: ns, Name: "neighbour", Node: s.nodes[0]}
	deny := clusterNetworkPolicy("e2e-host", "Admin", 10, ns, "{action: Deny, from: [{namespaces: {}}]}, {action: Deny, from: [{pods: {namespaceSelector: {}, podSelector: {}}}]}", "")
	s.later(func(ctx context.Context) error { return s.Delete(ctx, deny) })
	if err := s.Apply(s.ctx, networkPolicy(ns, "closed", everyPod, nobody, nil), deny); err != nil {
		return err
	}
	if err := s.check("P18: a pod that nobody may reach becomes Ready", func() error { return s.Start(s.ctx, pod) }); err != nil {
		return err
	}
	if err := s.Start(s.ctx, near, far, neighbour); err != nil {
		return err
	}
	address, err := s.Address(s.ctx, pod, false)
	if err != nil {
		return err
	}
	target := address + ":80"
	s.routes("P17, P18, closed pod:",
		route{from: near, target: target, as: pod.Name, want: pass},
		route{from: far, target: target, as: pod.Name, want: drop},
		route{from: neighbour, target: target, as: pod.Name, want: drop})
	_ = s.check("P18: it stays Ready", func() error { return s.staysReady(pod, time.Duration(s.times(10, 3))*time.Second) })
	if err := s.nodePeers(ns, far, target); err != nil {
		return err
	}
	return s.hostSubjects(ns, near, pod, address)
}

func (s *stage) staysReady(p cluster.Pod, during time.Duration) error {
	for end := time.Now().Add(during); time.Now().Before(end); {
		pod, err := s.Pod(s.ctx, p)
		if err == nil && !cluster.IsReady(pod) {
			err = errors.New("it is not Ready any more")
		}
		if err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return nil
}

// nodePeers: a rule for nodes lets another node in, and Pass of no other rule (P14).
func (s *stage) nodePeers(ns string, far cluster.Pod, target string) error {
	p := cluster.Pod{Namespace: ns, Name: "caller", Node: s.nodes[0]}
	listener := cluster.Pod{Namespace: ns, Name: "listener", Node: s.nodes[1], HostNetwork: true, HTTP: 18080}
	if err := s.Start(s.ctx, p, listener); err != nil {
		return err
	}
	node, err := s.nodeAddress(s.nodes[1])
	if err != nil {
		return err
	}
	allow := clusterNetworkPolicy("e2e-host-nodes", "Admin", 20, ns, "", "{action: Accept, to: [{nodes: {matchLabels: {kubernetes.io/hostname: "+s.nodes[1]+"}}}]}")
	s.later(func(ctx context.Context) error { return s.Delete(ctx, allow) })
	if err := s.Apply(s.ctx, networkPolicy(ns, "out", podLabel("pod", "caller"), nil, nobody)); err != nil {
		return err
	}
	s.routes("P14, without a rule for nodes:", route{from: p, target: node + ":18080", as: "node " + s.nodes[1], want: drop})
	if err := s.Apply(s.ctx, allow); err != nil {
		return err
	}
	s.routes("P14, with one:", route{from: p, target: node + ":18080", as: "node " + s.nodes[1], want: pass})
	return nil
}

// hostSubjects: policies for every pod say nothing about pods of the host (P17).
func (s *stage) hostSubjects(ns string, near, pod cluster.Pod, address string) error {
	if err := s.Apply(s.ctx, networkPolicy(ns, "no-egress", everyPod, nil, nobody)); err != nil {
		return err
	}
	s.routes("P17, egress denied for every pod:", route{from: near, target: address + ":80", as: pod.Name, want: pass})
	return nil
}

func (s *stage) nodeAddress(name string) (string, error) {
	var node corev1.Node
	if err := s.Get(s.ctx, "/api/v1/nodes/"+name, &node); err != nil {
		return "", err
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address, nil
		}
	}
	return "", fmt.Errorf("node %s has no address", name)
}
