package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// clusterName is one that a cluster's own DNS always has.
const clusterName = "kubernetes.default.svc.cluster.local"

// takeover replaces the cluster's DNS in the steps that deploy/README.md has for
// it. The pod was there before, and goes on asking the same address (N8).
func takeover(s *stage) error {
	early, err := s.askers(s.nodes[:1])
	if err != nil {
		return err
	}
	s.answered("before", early)
	s.routes("before:", route{from: early[0], target: "n5.many.example.net:80", want: cluster.NoName})
	for _, service := range [][2]string{{"kube-system", "kube-dns"}, {namespace, "nameward-dns"}} {
		if _, err := s.Kubectl(s.ctx, "", "delete", "service", "-n", service[0], service[1]); err != nil {
			return err
		}
	}
	// from here on it is the release's
	replace := []string{"dns.mode=replace", "dns.service.clusterIP=" + labDNS}
	s.release.set = append(s.release.set, replace...)
	err = s.check("helm upgrade takes the address over", func() error {
		_, err := s.release.helm(s.ctx, "upgrade", "nameward", s.release.chart, "-n", namespace, "--reuse-values", "--set", replace[0], "--set", replace[1])
		return errors.Join(err, s.release.ready(s.ctx))
	})
	if err != nil {
		return err
	}
	s.byName("N8, replaced", early, 5)
	if _, err := s.Kubectl(s.ctx, "", "scale", "deployment/coredns", "-n", "kube-system", "--replicas=0"); err != nil {
		return err
	}
	s.answered("without the one before", early)
	s.byName("N8, without the one before", early, 6)
	return nil
}

// local: each node's pods ask the CoreDNS of their node, which has one session,
// with the enforcer there (N14).
func local(s *stage) error {
	pods, err := s.askers(s.nodes)
	if err != nil {
		return err
	}
	s.answered("N14", pods)
	s.oneSession("N14", pods, 5)
	err = s.check("N14: CoreDNS is updated on every node", func() error {
		_, err := s.Kubectl(s.ctx, "", "rollout", "restart", "-n", namespace, "daemonset/nameward-dns")
		return errors.Join(err, s.release.ready(s.ctx))
	})
	if err != nil {
		return err
	}
	s.oneSession("N14, CoreDNS updated", pods, 6)
	return nil
}

// oneSession is all that an enforcer has, and enough to connect by n-th names.
func (s *stage) oneSession(when string, pods []cluster.Pod, n int) {
	_ = s.check(when+": every enforcer has one session", func() error {
		return s.everyMetric("nameward_dns_sessions", func(v float64) bool { return v == 1 })
	})
	s.byName(when, pods, n)
}

// askers are pods that may connect to many.example.net, one on each of the nodes.
func (s *stage) askers(nodes []string) ([]cluster.Pod, error) {
	ns, err := s.place("")
	if err != nil {
		return nil, err
	}
	var pods []cluster.Pod
	for _, n := range nodes {
		pods = append(pods, cluster.Pod{Namespace: ns, Name: "asker-" + n, Node: n})
	}
	return pods, errors.Join(
		s.Apply(s.ctx, applicationNetworkPolicy(ns, "names", everyPod, nil, []string{`{to: [{domainNames: ["*.many.example.net"]}], ports: [{port: 80, protocol: TCP}]}`})),
		s.Start(s.ctx, pods...))
}

// byName connects by the n-th name of each zone.
func (s *stage) byName(when string, pods []cluster.Pod, n int) {
	var rows []route
	for _, p := range pods {
		rows = append(rows, route{from: p, target: fmt.Sprintf("n%d.many.example.net:80", n), want: pass},
			// the same addresses belong to the other zone's names
			route{from: p, target: fmt.Sprintf("n%d.short.example.net:80", n+100), want: drop})
	}
	s.routes(when+":", rows...)
}

// answered checks that names of the cluster are.
func (s *stage) answered(when string, pods []cluster.Pod) {
	for _, p := range pods {
		_ = s.check(when+": "+p.Name+" resolves "+clusterName, func() error {
			return cluster.Await(s.ctx, awaitLimit, "it", func(ctx context.Context) error {
				if !s.Resolves(ctx, p, clusterName) {
					return errors.New("got no answer")
				}
				return nil
			})
		})
	}
}
