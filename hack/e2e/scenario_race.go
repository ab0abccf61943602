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
	if err := s.sprints(ns, "chain", script, count, true); err != nil {
		return err
	}
	// Without the chain: a new interface is shut until its pod is known.
	s.later(func(ctx context.Context) error { return s.release.upgrade(ctx) })
	if err := s.release.upgrade(s.ctx, "cni.mode=off"); err != nil {
		return err
	}
	return s.sprints(ns, "no chain", script, count, false)
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
	_ = s.check(fmt.Sprintf("D9, %s: none of %d new pods reached what it may not", how, count), func() error {
		if leaked > 0 {
			errs = append(errs, fmt.Errorf("%d did", leaked))
		}
		return errors.Join(errs...)
	})
	if !firstPasses {
		s.note("%s: %d of %d pods lost their first SYN to what they may reach", how, lost, count)
		return nil
	}
	_ = s.check(fmt.Sprintf("D9, %s: each of %d new pods reached at once what it may", how, count), func() error {
		if lost > 0 {
			return fmt.Errorf("%d lost their first SYN", lost)
		}
		return nil
	})
	return nil
}
