package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// outage: without an API server what was in force stays in force, names are
// learnt, and what has changed is caught up with. Nothing can be asked of pods
// through the API meanwhile, so they note themselves what they see.
func outage(s *stage) error {
	c, err := s.talk()
	if err != nil {
		return err
	}
	ns := c.other.Namespace
	away := time.Duration(s.times(60, 10)) * time.Second
	// asks for names three seconds after it was told to, when the server is away
	asker := cluster.Pod{Namespace: ns, Name: "asker", Labels: map[string]string{"asks": "true"}, Script: `
trap 'exit 0' TERM
until [ -e /dev/shm/go ]; do sleep .1; done
sleep 3
for i in 0 1 2 3 4; do
	/agnhost connect "n$((100 + i)).many.example.net:80" --timeout=900ms >/dev/null 2>&1 && echo reached >>/dev/shm/reached
	/agnhost connect "n$((110 + i)).short.example.net:80" --timeout=900ms >/dev/null 2>&1 && echo leaked >>/dev/shm/leaked
	/agnhost connect "httpbin.org:80" --timeout=900ms >/dev/null 2>&1 && echo leaked >>/dev/shm/leaked
done
echo done >>/dev/shm/done
while :; do sleep 1; done
`}
	err = s.Apply(s.ctx, applicationNetworkPolicy(ns, "names", podLabel("pod", "asker"), nil, []string{`{to: [{domainNames: ["*.many.example.net"]}], ports: [{port: 80, protocol: TCP}]}`}))
	if err == nil {
		s.settled()
		err = s.Start(s.ctx, asker)
	}
	if err != nil {
		return err
	}
	// By now CoreDNS knows the pod, and who may ask for it.
	s.routes("before it:", route{from: asker, target: "n99.many.example.net:80", want: pass})
	s.later(func(ctx context.Context) error { return s.lab.run(ctx, nil, "apiserver", "start") })
	if _, err := s.Exec(s.ctx, asker, "touch", "/dev/shm/go"); err != nil {
		return err
	}
	if err := s.lab.run(s.ctx, nil, "apiserver", "stop"); err != nil {
		return err
	}
	s.note("the API server is away for %s", away)
	select {
	case <-s.ctx.Done():
	case <-time.After(away):
	}
	if err := s.lab.run(s.ctx, nil, "apiserver", "start"); err != nil {
		return err
	}
	_ = s.check("D8: enforcers are Ready, none had to start again", func() error { return s.release.ready(s.ctx) })
	s.unharmed(c, "the API server was away")
	_ = s.check("D8: names were learnt meanwhile, and nothing else was reached", func() error { return s.askerSaw(asker) })
	if err := s.Apply(s.ctx, networkPolicy(ns, "later", podLabel("pod", "server"), []string{"{from: [{podSelector: {matchLabels: {pod: other}}}]}"}, nil)); err != nil {
		return err
	}
	s.routes("a policy after it:", route{from: c.other, target: c.target, as: "server", want: pass})
	return s.recovered()
}

// recovered waits until the cluster itself is as before: it takes nodes that could
// not report for down, once the API server is back, and meanwhile Services have no
// backends, DNS included.
func (s *stage) recovered() error {
	const stretch = 15 * time.Second // longer than nodes take to report, which is 10
	var since time.Time
	return cluster.Await(s.ctx, 4*time.Minute, "nodes and pods to stay Ready", func(ctx context.Context) error {
		err := s.allReady(ctx)
		if err != nil {
			since = time.Time{}
			return err
		}
		if since.IsZero() {
			since = time.Now()
		}
		if is := time.Since(since); is < stretch {
			return fmt.Errorf("they are for %s, want %s", is.Round(time.Second), stretch)
		}
		return nil
	})
}

func (s *stage) allReady(ctx context.Context) error {
	var nodes corev1.NodeList
	if err := s.Get(ctx, "/api/v1/nodes", &nodes); err != nil {
		return err
	}
	for _, n := range nodes.Items {
		if !slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}) {
			return fmt.Errorf("node %s is not Ready", n.Name)
		}
	}
	pods, err := s.Pods(ctx, namespace, "app.kubernetes.io/name=nameward")
	if err == nil && len(pods) == 0 {
		err = errors.New("there is no pod of nameward")
	}
	for i := range pods {
		if err == nil && !cluster.IsReady(&pods[i]) {
			err = fmt.Errorf("pod %s is not Ready", pods[i].Name)
		}
	}
	return err
}
