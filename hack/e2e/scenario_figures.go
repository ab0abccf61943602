package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// sampler asks for an echo over UDP without end and tells when that begins or
// ceases to work: nobody sends a lost datagram again, so it is as precise as its
// pause of 3 ms.
const sampler = `
exec 3<>"/dev/udp/%s/8081"
was=
while :; do
	printf 'echo x' >&3
	if IFS= read -r -N 1 -t .003 -u 3 _; then is=up; else is=down; fi
	[ "$is" = "$was" ] || echo "$EPOCHREALTIME $is"
	was=$is
done
`

// change is when a node's sampler saw it.
type change struct {
	node, is string
	at       time.Time
}

// figures measures; it asserts no time.
func figures(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	server := cluster.Pod{Namespace: ns, Name: "server", HTTP: 80, UDP: 8081, Node: s.nodes[0]}
	pods := []cluster.Pod{server}
	for _, n := range s.nodes {
		pods = append(pods, cluster.Pod{Namespace: ns, Name: "sampler-" + n, Node: n, Labels: map[string]string{"samples": "true"}})
	}
	if err := s.Start(s.ctx, pods...); err != nil {
		return err
	}
	address, err := s.Address(s.ctx, server, false)
	if err != nil {
		return err
	}
	if err := s.Apply(s.ctx, networkPolicy(ns, "isolated", `{matchLabels: {samples: "true"}}`, nil, nobody)); err != nil {
		return err
	}
	s.settled()
	err = s.check("a policy is in force, and then out of it, on every node each time", func() error { return s.changes(ns, address, pods[1:]) })
	if err != nil {
		return err
	}
	if err := s.podStarts(ns); err != nil {
		return err
	}
	s.costs()
	return nil
}

// podStarts are, one per node at a time: how long the chain had them wait.
func (s *stage) podStarts(ns string) error {
	const goal = "0.02" // seconds, which is a bucket's limit
	before, err := s.waits(goal)
	if err != nil {
		return err
	}
	for round := range s.times(10, 2) {
		var pods []cluster.Pod
		for _, n := range s.nodes {
			pods = append(pods, cluster.Pod{Namespace: ns, Name: fmt.Sprintf("start-%d-%s", round, n), Node: n, Labels: map[string]string{"samples": "true"}})
		}
		if err := s.Start(s.ctx, pods...); err != nil {
			return err
		}
	}
	after, err := s.waits(goal)
	if err != nil {
		return err
	}
	count := after.count - before.count
	s.figure(fmt.Sprintf("pod's interface known → enforced, %.0f starts", count),
		fmt.Sprintf("mean %.1f ms, %.0f of them ≤ 20 ms", 1000*(after.sum-before.sum)/count, after.within-before.within), "≤ 20 ms")
	return nil
}

// waiting is what the enforcers of all nodes say of pods that started.
type waiting struct{ count, sum, within float64 }

func (s *stage) waits(limit string) (w waiting, err error) {
	const name = "nameward_pod_start_wait_seconds"
	for _, n := range s.nodes {
		for series, to := range map[string]*float64{
			name + `_count{result="enforced"}`:                     &w.count,
			name + `_sum{result="enforced"}`:                       &w.sum,
			name + `_bucket{result="enforced",le="` + limit + `"}`: &w.within,
		} {
			value, err := s.metric(s.ctx, n, series)
			if err != nil {
				return w, err
			}
			*to += value
		}
	}
	return w, nil
}

// changes allows and forbids again and again, and waits for all nodes each time.
func (s *stage) changes(ns, address string, samplers []cluster.Pod) error {
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	seen := make(chan change, 1024)
	for _, p := range samplers {
		go func() {
			_ = s.Stream(ctx, func(line string) {
				at, is, _ := strings.Cut(line, " ")
				var seconds, micros int64
				if _, err := fmt.Sscanf(at, "%d.%d", &seconds, &micros); err == nil {
					seen <- change{p.Node, is, time.Unix(seconds, micros*1000)}
				}
			}, "exec", "-n", ns, p.Name, "--", "/bin/bash", "-c", fmt.Sprintf(sampler, address))
		}()
	}
	if _, err := s.untilAll(seen, "down", len(samplers)); err != nil {
		return err
	}
	var took []time.Duration
	for i := range s.times(60, 10) {
		name := fmt.Sprintf("figure-%d", i)
		path := "/apis/networking.k8s.io/v1/namespaces/" + ns + "/networkpolicies/" + name
		policy := map[string]any{
			"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": map[string]any{"name": name, "namespace": ns},
			"spec": map[string]any{"podSelector": map[string]any{"matchLabels": map[string]any{"samples": "true"}}, "policyTypes": []string{"Egress"},
				"egress": []any{map[string]any{"to": []any{map[string]any{"podSelector": map[string]any{"matchLabels": map[string]any{"pod": "server"}}}}}}},
		}
		// What kubectl apply sends, without the time that kubectl needs to start.
		began := time.Now()
		if err := s.Send(ctx, http.MethodPatch, path+"?fieldManager=e2e&force=true", policy, nil); err != nil {
			return err
		}
		last, err := s.untilAll(seen, "up", len(samplers))
		if err != nil {
			return err
		}
		took = append(took, last.Sub(began))
		if err := s.Send(ctx, http.MethodDelete, path, nil, nil); err != nil {
			return err
		}
		if _, err := s.untilAll(seen, "down", len(samplers)); err != nil {
			return err
		}
	}
	slices.Sort(took)
	at := func(p float64) time.Duration {
		return took[min(len(took)-1, int(p*float64(len(took))))].Round(time.Millisecond)
	}
	s.figure(fmt.Sprintf("apply → enforced on %d nodes, %d policies", len(samplers), len(took)),
		fmt.Sprintf("p50 %s, p99 %s, max %s", at(.5), at(.99), took[len(took)-1].Round(time.Millisecond)), "p50 ≤ 100ms, p99 ≤ 500ms")
	return nil
}

// untilAll waits until every node's sampler is in that state; it returns when
// the last one was.
func (s *stage) untilAll(seen <-chan change, is string, count int) (last time.Time, err error) {
	state := make(map[string]string)
	limit := time.After(30 * time.Second)
	for {
		select {
		case c := <-seen:
			state[c.node] = c.is
			if c.is == is && c.at.After(last) {
				last = c.at
			}
		case <-limit:
			return last, fmt.Errorf("waited 30s for all samplers to be %s: %v", is, state)
		case <-s.ctx.Done():
			return last, s.ctx.Err()
		}
		all := 0
		for _, v := range state {
			if v == is {
				all++
			}
		}
		if all == count {
			return last, nil
		}
	}
}

// costs are memory and idle CPU of the enforcers.
func (s *stage) costs() {
	idle := time.Duration(s.times(30, 5)) * time.Second
	for _, n := range s.nodes {
		memory, err := s.metric(s.ctx, n, "process_resident_memory_bytes")
		if err != nil {
			s.note("no figures of memory: %v", err)
			return
		}
		s.figure("enforcer of "+n+": resident memory", fmt.Sprintf("%.0f MB", memory/1e6), "≤ 60 MB with 10,000 pods in the cluster")
	}
	before, err := s.metric(s.ctx, s.nodes[0], "process_cpu_seconds_total")
	if err != nil {
		s.note("no figures of CPU: %v", err)
		return
	}
	time.Sleep(idle)
	after, err := s.metric(s.ctx, s.nodes[0], "process_cpu_seconds_total")
	if err == nil {
		s.figure("enforcer of "+s.nodes[0]+": CPU at idle", fmt.Sprintf("%.2f %% of one", 100*(after-before)/idle.Seconds()), "≈ 0")
	}
}
