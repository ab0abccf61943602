package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nameward/nameward/hack/demo/product"
)

// clusterSize measures what pods that are elsewhere take of a node's memory and
// time.
func clusterSize(ctx context.Context, t *table, s *stage) error {
	return errors.Join(clusterCompiler(ctx, t), s.clusterEnforcer(ctx, t))
}

// clusterChanges are the benchmarks of one change there and back.
var clusterChanges = []struct {
	name, says string
	goal       goal
}{
	{"pod-elsewhere", "a pod comes to another node", atMost(5e6)},
	{"pod-here", "a pod comes to this node", atMost(20e6)},
	{"backend", "a Service gets another backend", atMost(5e6)},
	{"policy", "a policy of this node's pods gets a new CIDR", goal{}},
}

// clusterCompiler measures package policy.
func clusterCompiler(ctx context.Context, t *table) error {
	const runs = 3
	t.progress("cluster: benchmark of ./enforcer/policy, %d runs", runs)
	all, err := goBench(ctx, "enforcer/policy", "^BenchmarkCluster$", runs, 200*time.Millisecond)
	if err != nil {
		return err
	}
	t.section("Cluster: what is kept of pods elsewhere, and what their changes cost", fmt.Sprintf("30 pods of this node, 500 policies; median of %d runs", runs))
	for _, pods := range []float64{10_000, 100_000} {
		in := fmt.Sprintf("Cluster/%.0f/", pods)
		kept, err := all.median(in+"all", "MB-compiled")
		if err != nil {
			return err
		}
		took, err := all.median(in+"all", "ns/op")
		if err != nil {
			return err
		}
		says := grouped(pods) + " pods: "
		t.figure(figure{name: says + "kept by compiler and tables", value: kept, unit: megabytes, beside: extras(all.values[in+"all"])})
		t.figure(figure{name: says + "everything compiled", value: took, unit: elapsed})
		for _, change := range clusterChanges {
			if took, err = all.median(in+change.name, "us/change"); err != nil {
				return err
			}
			t.figure(figure{name: says + change.says, value: took * 1e3, unit: elapsed, goal: change.goal})
		}
	}
	return nil
}

// clusterPods are those of the manifests that the enforcer is given.
const clusterPods = 10_000

// clusterEnforcer measures the whole program.
func (s *stage) clusterEnforcer(ctx context.Context, t *table) error {
	t.progress("cluster: the enforcer reads %d pods", clusterPods)
	p, err := s.product("cluster", "", nil)
	if err != nil {
		return err
	}
	err = func() error {
		if err := p.Enforce(ctx); err != nil {
			return err
		}
		if err := p.Apply("cluster.yaml", []byte(clusterManifests(clusterPods))); err != nil {
			return err
		}
		return settledUsage(ctx, t, p)
	}()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, p.Tails())
	}
	return errors.Join(err, p.Close())
}

// The enforcer gives memory back when nothing has changed for 10 s, and has
// come to rest when it does next to nothing for longer.
const clusterWindow, clusterRest = 5 * time.Second, 4

func settledUsage(ctx context.Context, t *table, p *product.Product) error {
	var last usage
	var idle float64
	for still := 0; still < clusterRest; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(clusterWindow):
		}
		now, err := usageOf(p.EnforcerPID())
		if err != nil {
			return err
		}
		idle = float64(now.cpu-last.cpu) / float64(clusterWindow)
		if still++; idle > 0.1 {
			still = 0
		}
		last = now
	}
	t.section("Cluster: the enforcer with a folder of 10,000 pods, 500 Services and 500 policies",
		"resident memory, the program's own pages included; to read a folder takes more than the stream of an API server")
	t.figure(figure{name: "memory once all is in force", value: last.resident / 1e6, unit: megabytes, goal: atMost(60),
		beside: megabytes.write(last.peak/1e6) + " at the most, while the folder was read"})
	t.figure(figure{name: "CPU when nothing happens", value: idle, unit: share, goal: atMost(0.01)})
	return nil
}

// clusterManifests are pods of 500 workloads, each with a Service and a
// namespace with a policy, on nodes of 100 pods.
func clusterManifests(pods int) string {
	const workloads = 500
	var out strings.Builder
	out.WriteString(everybodyIn)
	for i := range workloads {
		fmt.Fprintf(&out, clusterWorkload, i, i>>8, i&255)
	}
	for i := range pods / 100 {
		fmt.Fprintf(&out, clusterNode, i, i>>8, i&255)
	}
	for i := range pods {
		fmt.Fprintf(&out, clusterPod, i%workloads, i, i/100, i>>16, i>>8&255, i&255)
	}
	return out.String()
}

// everybodyIn lets every pod reach some of the node, so that each has an entry.
const everybodyIn = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: everybody, namespace: crawl}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}]}]}
`

const clusterWorkload = `---
apiVersion: v1
kind: Namespace
metadata: {name: work-%[1]d, labels: {team: t%[1]d}}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: work-%[1]d}
spec: {clusterIP: 10.251.%[2]d.%[3]d, selector: {app: app-%[1]d}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np, namespace: work-%[1]d}
spec:
  podSelector: {}
  ingress: [{from: [{namespaceSelector: {matchLabels: {team: t%[1]d}}}]}]
  egress: [{to: [{podSelector: {}}, {ipBlock: {cidr: 203.0.113.0/24}}]}]
`

const clusterNode = `---
apiVersion: v1
kind: Node
metadata: {name: node-%d}
status: {addresses: [{type: InternalIP, address: 172.20.%d.%d}]}
`

const clusterPod = `---
apiVersion: v1
kind: Pod
metadata: {name: app-%[2]d, namespace: work-%[1]d, uid: 11111111-2222-3333-4444-%012[2]d, labels: {app: app-%[1]d, pod-template-hash: h%[1]d, tier: web}}
spec: {nodeName: node-%[3]d, containers: [{name: c, image: example.invalid/c, ports: [{name: http, containerPort: 8080}]}]}
status: {phase: Running, podIPs: [{ip: 10.%[4]d.%[5]d.%[6]d}]}
`
