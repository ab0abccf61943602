package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// sprint is a pod that connects with the very first thing it does: to what it
// may not reach, three times, and to what it may. It prints what came of it.
const sprint = `
try() { if timeout .9 /bin/bash -c "exec 3<>/dev/tcp/$1/80" 2>/dev/null; then echo "$2 connected"; else echo "$2 blocked"; fi; }
try %[1]s denied &
try %[2]s allowed
try %[1]s denied
try %[1]s denied
wait
`

// sprintByName is the same by name, with what it may reach at the very first:
// it resolves, and connects at once. Names have their time; the first SYN to what
// they led to has the limit, and one that is lost is sent again after a second.
const sprintByName = `
try() { if /agnhost connect "$1:80" --timeout=900ms >/dev/null 2>&1; then echo "$2 connected"; else echo "$2 blocked"; fi; }
try example.com allowed
for i in 1 2 3; do try httpbin.org denied & done
wait
`

// race: a new pod is never open before its policy is in the kernel (D9).
func race(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	allowed := cluster.Pod{Namespace: ns, Name: "allowed", HTTP: 80}
	denied := cluster.Pod{Namespace: ns, Name: "denied", HTTP: 80}
	if err := s.Start(s.ctx, allowed, denied); err != nil {
		return err
	}
	a, err := s.Address(s.ctx, allowed, false)
	if err != nil {
		return err
	}
	d, err := s.Address(s.ctx, denied, false)
	if err != nil {
		return err
	}
	err = s.Apply(s.ctx, networkPolicy(ns, "sprint", `{matchLabels: {sprint: "true"}}`, nil, []string{"{to: [{podSelector: {matchLabels: {pod: allowed}}}]}"}))
	if err != nil {
		return err
	}
	s.settled()
	script := fmt.Sprintf(sprint, d, a)
	count := s.times(200, 20)
	if err := s.sprints(ns, "D9, chain", script, count, true); err != nil {
		return err
	}
	if err := s.raceByName(); err != nil {
		return err
	}
	// Without the chain: a new interface is shut until its pod is known.
	s.later(func(ctx context.Context) error { return s.release.upgrade(ctx) })
	if err := s.release.upgrade(s.ctx, "cni.mode=off"); err != nil {
		return err
	}
	return s.sprints(ns, "D9, no chain", script, count, false)
}

// raceByName: CoreDNS hears of a new pod before the API server has its address
// (N3, N16).
func (s *stage) raceByName() error {
	if !theOutside.met(s.world) {
		s.note("by name: it wants %s", theOutside.what)
		return nil
	}
	if s.variant.noDNS {
		s.note("by name: not in this variant, where Services with a backend on the pod's node answer nobody")
		return nil
	}
	ns, err := s.place("name")
	if err != nil {
		return err
	}
	err = s.Apply(s.ctx, applicationNetworkPolicy(ns, "sprint", podLabel("sprint", `"true"`), nil, []string{`{to: [{domainNames: ["example.com"]}], ports: [{port: 80, protocol: TCP}]}`}))
	if err != nil {
		return err
	}
	s.settled()
	return s.sprints(ns, "N3, N16, by name", sprintByName, s.times(50, 10), true)
}

// sprints starts so many pods, ten at a time. With the chain the first SYN to
// what is allowed passes as well; without it, it may be lost.
func (s *stage) sprints(ns, how, script string, count int, firstPasses bool) error {
	var mu sync.Mutex
	var errs []error
	leaked, lost := 0, 0
	for from := 0; from < count; from += 10 {
		var pods []cluster.Pod
		for i := from; i < min(from+10, count); i++ {
			pods = append(pods, cluster.Pod{Namespace: ns, Name: fmt.Sprintf("sprint-%d", i), Once: true, Script: script,
				Node: s.nodes[i%len(s.nodes)], Labels: map[string]string{"sprint": "true"}})
		}
		if err := s.Start(s.ctx, pods...); err != nil {
			return err
		}
		var all sync.WaitGroup
		for _, p := range pods {
			all.Go(func() {
				out, err := s.Kubectl(s.ctx, "", "logs", "-n", ns, p.Name)
				mu.Lock()
				defer mu.Unlock()
				if err == nil && strings.Count(out, "denied ") != 3 {
					err = fmt.Errorf("%s says %q", p, out)
				}
				if err != nil {
					errs = append(errs, err)
				}
				leaked += min(1, strings.Count(out, "denied connected"))
				lost += strings.Count(out, "allowed blocked")
			})
		}
		all.Wait()
		if _, err := s.Kubectl(s.ctx, "", "delete", "pods", "-n", ns, "-l", "sprint=true", "--wait=true"); err != nil {
			return err
		}
	}
	_ = s.check(fmt.Sprintf("%s: none of %d new pods reached what it may not", how, count), func() error {
		if leaked > 0 {
			errs = append(errs, fmt.Errorf("%d did", leaked))
		}
		return errors.Join(errs...)
	})
	if !firstPasses {
		s.note("%s: %d of %d pods lost their first SYN to what they may reach", how, lost, count)
		return nil
	}
	_ = s.check(fmt.Sprintf("%s: each of %d new pods reached at once what it may", how, count), func() error {
		if lost > 0 {
			return fmt.Errorf("%d lost their first SYN", lost)
		}
		return nil
	})
	return nil
}
