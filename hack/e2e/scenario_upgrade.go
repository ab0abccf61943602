package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// conversations are pods that talk all the time, one on each node, to a server
// on the first; and one that may not.
type conversations struct {
	talkers []cluster.Pod
	other   cluster.Pod
	target  string
	since   []cluster.Talk
}

func (s *stage) talk() (*conversations, error) {
	ns, err := s.place("")
	if err != nil {
		return nil, err
	}
	server := cluster.Pod{Namespace: ns, Name: "server", Node: s.nodes[0], HTTP: 80, UDP: 8081}
	if err := s.Start(s.ctx, server); err != nil {
		return nil, err
	}
	address, err := s.Address(s.ctx, server, false)
	if err != nil {
		return nil, err
	}
	c := &conversations{target: address + ":80", other: cluster.Pod{Namespace: ns, Name: "other", Node: s.nodes[0]}}
	for _, n := range s.nodes {
		p := cluster.Pod{Namespace: ns, Name: "talker-" + n, Node: n, Labels: map[string]string{"talks": "true"}}
		c.talkers = append(c.talkers, cluster.Talker(p, address, 80, 8081))
	}
	err = s.Apply(s.ctx, networkPolicy(ns, "server", podLabel("pod", "server"), []string{`{from: [{podSelector: {matchLabels: {talks: "true"}}}]}`}, nil),
		networkPolicy(ns, "talkers", `{matchLabels: {talks: "true"}}`, nil, []string{"{to: [{podSelector: {matchLabels: {pod: server}}}]}"}))
	if err == nil {
		s.settled()
		err = s.Start(s.ctx, append([]cluster.Pod{c.other}, c.talkers...)...)
	}
	if err != nil {
		return nil, err
	}
	return c, cluster.Await(s.ctx, awaitLimit, "conversations to begin", func(ctx context.Context) error {
		c.since, err = s.talks(ctx, c)
		for i, t := range c.since {
			if err == nil && (t.Echoes < 5 || t.Answers < 5) {
				err = fmt.Errorf("%s: %+v", c.talkers[i].Name, t)
			}
		}
		return err
	})
}

func (s *stage) talks(ctx context.Context, c *conversations) ([]cluster.Talk, error) {
	all := make([]cluster.Talk, len(c.talkers))
	for i, p := range c.talkers {
		var err error
		if all[i], err = s.Talk(ctx, p); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// unharmed checks that every conversation has gone on without a loss, and that
// who may not talk still cannot.
func (s *stage) unharmed(c *conversations, when string) {
	_ = s.check("D8, "+when+": conversations go on and lose nothing", func() error {
		// both have to get further than they are now, not only than before
		now, err := s.talks(s.ctx, c)
		if err != nil {
			return err
		}
		err = cluster.Await(s.ctx, awaitLimit, "conversations to go on", func(ctx context.Context) error {
			later, err := s.talks(ctx, c)
			for i, t := range later {
				if err == nil && (t.Echoes <= now[i].Echoes || t.Answers <= now[i].Answers) {
					err = fmt.Errorf("%s stands still: %+v", c.talkers[i].Name, t)
				}
			}
			return err
		})
		now, again := s.talks(s.ctx, c)
		for i, t := range now {
			if t.Broken != "" || t.Lost > c.since[i].Lost {
				return fmt.Errorf("%s: was %+v, is %+v", c.talkers[i].Name, c.since[i], t)
			}
		}
		if err == nil {
			err = again
		}
		return err
	})
	_ = s.check("D8, "+when+": who is not allowed is still blocked", func() error {
		return s.never(route{from: c.other, target: c.target}, 3)
	})
}

// upgrade: filters never come off, whatever happens to the enforcers.
func upgrade(s *stage) error {
	c, err := s.talk()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	leak := s.watchLeak(ctx, c)
	for i := range s.times(3, 1) {
		if _, err := s.Kubectl(s.ctx, "", "rollout", "restart", "-n", namespace, "daemonset/nameward-enforcer"); err != nil {
			return err
		}
		_ = s.check(fmt.Sprintf("D8, update %d rolls over every node", i+1), func() error { return s.release.ready(s.ctx) })
	}
	s.unharmed(c, "after rolling updates")
	for i := range s.times(3, 1) {
		starts, err := s.starts(s.ctx)
		if err == nil {
			err = s.crashAll()
		}
		if err != nil {
			return err
		}
		s.unharmed(c, fmt.Sprintf("crash %d of all", i+1))
		_ = s.check(fmt.Sprintf("D8, crash %d: every enforcer was started again, and is Ready", i+1), func() error {
			err := cluster.Await(s.ctx, time.Minute, "new starts", func(ctx context.Context) error {
				now, err := s.starts(ctx)
				if err == nil && now < starts+len(s.nodes) {
					err = fmt.Errorf("%d starts before, %d now", starts, now)
				}
				return err
			})
			if err == nil {
				err = s.release.ready(s.ctx)
			}
			return err
		})
	}
	s.unharmed(c, "after crashes")
	stop()
	_ = s.check("D8: no connection of the other pod came about at any time", func() error { return <-leak })
	return nil
}

// starts counts the starts of enforcers' containers: those of each pod that was
// ever seen here, since one that was deleted has a successor.
func (s *stage) starts(ctx context.Context) (int, error) {
	pods, err := s.release.enforcers(ctx)
	if s.started == nil {
		s.started = make(map[types.UID]int)
	}
	for _, pod := range pods {
		s.started[pod.UID] = 1 + int(enforcerOf(pod).RestartCount)
	}
	sum := 0
	for _, n := range s.started {
		sum += n
	}
	return sum, err
}

// enforcerOf is the container of that name.
func enforcerOf(pod corev1.Pod) corev1.ContainerStatus {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == "enforcer" {
			return c
		}
	}
	return corev1.ContainerStatus{}
}

// crashAll kills every enforcer outright. In a cluster that is not the lab its
// pod is deleted without grace, which kills it as well.
func (s *stage) crashAll() error {
	pods, err := s.release.enforcers(s.ctx)
	if err != nil {
		return err
	}
	for node, pod := range pods {
		if s.lab == nil {
			_, err = s.Kubectl(s.ctx, "", "delete", "pod", "-n", namespace, pod.Name, "--grace-period=0", "--force")
		} else {
			err = s.lab.crash(s.ctx, node, enforcerOf(pod).ContainerID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// watchLeak has the other pod try all the time until the context ends.
func (s *stage) watchLeak(ctx context.Context, c *conversations) <-chan error {
	result := make(chan error, 1)
	go func() {
		for attempts := 0; ; attempts++ {
			if ctx.Err() != nil {
				if attempts == 0 {
					result <- fmt.Errorf("nothing was tried")
				}
				result <- nil
				return
			}
			got, err := s.Connect(ctx, c.other, c.target, 300*time.Millisecond)
			if ctx.Err() == nil && err == nil && got != drop {
				result <- fmt.Errorf("attempt %d: got %s, want %s", attempts+1, got, drop)
				return
			}
		}
	}()
	return result
}
