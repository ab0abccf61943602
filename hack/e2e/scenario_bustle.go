package main

import (
	"fmt"
	"strings"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// bustle: a pod connects by name, to one name after the other for the first time,
// while pods start and end beside it on its node. What the kernel does for those
// must not keep its answers waiting (N3).
func bustle(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	err = s.Apply(s.ctx, applicationNetworkPolicy(ns, "names", podLabel("asks", `"true"`), nil,
		[]string{`{to: [{domainNames: ["*.short.example.net"]}], ports: [{port: 80, protocol: TCP}]}`}))
	if err != nil {
		return err
	}
	// Short lives, so that each time a name comes round its address is new again.
	if _, err := s.Kubectl(s.ctx, "", "annotate", "-n", ns, "applicationnetworkpolicies.networking.k8s.aws/names", "nameward.io/min-ttl=0s", "nameward.io/grace=5s"); err != nil {
		return err
	}
	s.settled()
	node := s.nodes[0]
	asker := cluster.Pod{Namespace: ns, Name: "curious", Node: node, Labels: map[string]string{"asks": "true"}, Script: fmt.Sprintf(curious, "short.example.net")}
	if err := s.Start(s.ctx, asker); err != nil {
		return err
	}
	before, err := s.counts(asker)
	if err != nil {
		return err
	}
	dropped := s.dropped()
	const crowd = 20
	for range s.times(5, 1) {
		var pods []cluster.Pod
		for i := range crowd {
			pods = append(pods, cluster.Pod{Namespace: ns, Name: fmt.Sprint("passes-", i), Node: node, Labels: map[string]string{"passes": "true"}})
		}
		if err := s.Start(s.ctx, pods...); err != nil {
			return err
		}
		if _, err := s.Kubectl(s.ctx, "", "delete", "pods", "-n", ns, "-l", "passes=true", "--wait=true", "--timeout=120s"); err != nil {
			return err
		}
	}
	after, err := s.counts(asker)
	if err != nil {
		return err
	}
	tried, lost := after[0]-before[0], after[1]-before[1]
	s.figure(fmt.Sprintf("connections by name, %d pods at a time beside", crowd), fmt.Sprintf("%d, of them lost %d", tried, lost), "none lost")
	if lost > 0 {
		last, _ := s.Exec(s.ctx, asker, "tail", "-5", "/dev/shm/lost")
		s.note("the last lost ones: %q; packets dropped before:\n%s\nand now:\n%s", strings.TrimSpace(last), dropped, s.dropped())
	}
	return s.check("N3: connections by name come about beside pods that start and end", func() error {
		if tried-lost < 20 {
			return fmt.Errorf("got %d of %d, want 20 at least", tried-lost, tried)
		}
		return nil
	})
}
