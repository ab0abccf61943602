package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// tables counts the kernel's tables that a node's enforcer has open, and the memory
// of their entries: hash tables without preallocation tell what is in them.
const tables = `
here=$(readlink /proc/self/ns/net)
for p in /proc/[0-9]*; do
	[ "$(cat "$p/comm")" = enforcer ] && [ "$(readlink "$p/ns/net")" = "$here" ] && cat "$p"/fdinfo/*
done 2>/dev/null | awk '/^memlock/ { bytes = $2 } /^map_id/ && !seen[$2]++ { maps++; sum += bytes } END { print maps " tables of " sum " bytes" }'
`

// churn: pods that were leave no pins, no entries and no memory (D8, P16).
func churn(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	err = s.Apply(s.ctx, networkPolicy(ns, "isolated", everyPod, nobody, []string{"{to: [{podSelector: {}}]}"}),
		applicationNetworkPolicy(ns, "names", everyPod, nil, []string{`{to: [{domainNames: ["example.com"]}]}`}))
	if err != nil {
		return err
	}
	if err := s.quiet(); err != nil {
		return err
	}
	before, err := s.kept(s.ctx)
	if err != nil {
		return err
	}
	memory, err := s.memory()
	if err != nil {
		return err
	}
	total, batch := s.times(500, 30), 50
	for from := 0; from < total; from += batch {
		if err := s.wave(ns, from, min(from+batch, total)); err != nil {
			return err
		}
	}
	_ = s.check(fmt.Sprintf("D8, P16: after %d pods nodes keep what they kept before", total), func() error {
		return cluster.Await(s.ctx, 30*time.Second, "pins and pods to be gone", func(ctx context.Context) error {
			after, err := s.kept(ctx)
			if err == nil && after != before {
				err = fmt.Errorf("got\n%s\nwant\n%s", after, before)
			}
			return err
		})
	})
	_ = s.check(fmt.Sprintf("after %d pods enforcers have at most half as much memory again", total), func() error {
		return cluster.Await(s.ctx, 2*time.Minute, "memory to be given back", func(context.Context) error {
			after, err := s.memory()
			if err == nil && after > memory*3/2 {
				err = fmt.Errorf("got %.0f MB on all nodes, and %.0f MB before", after/1e6, memory/1e6)
			}
			return err
		})
	})
	return nil
}

// memory is the enforcers' of all nodes, in bytes.
func (s *stage) memory() (sum float64, err error) {
	for _, n := range s.nodes {
		value, err := s.metric(s.ctx, n, "process_resident_memory_bytes")
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

// quiet waits until other scenarios' pods have gone.
func (s *stage) quiet() error {
	return cluster.Await(s.ctx, 2*time.Minute, "other scenarios' namespaces to be gone", func(ctx context.Context) error {
		var list corev1.NamespaceList
		if err := s.Get(ctx, "/api/v1/namespaces?labelSelector=nameward.io%2Fe2e", &list); err != nil {
			return err
		}
		for _, n := range list.Items {
			if !slices.Contains(s.namespaces, n.Name) {
				return fmt.Errorf("%s is there", n.Name)
			}
		}
		return nil
	})
}

// wave makes pods, has them live, and deletes them.
func (s *stage) wave(ns string, from, to int) error {
	var pods []cluster.Pod
	for i := from; i < to; i++ {
		pods = append(pods, cluster.Pod{Namespace: ns, Name: fmt.Sprintf("churn-%d", i), Node: s.nodes[i%len(s.nodes)], Labels: map[string]string{"churn": "true"}})
	}
	if err := s.Start(s.ctx, pods...); err != nil {
		return err
	}
	_, err := s.Kubectl(s.ctx, "", "delete", "pods", "-n", ns, "-l", "churn=true", "--wait=true", "--timeout=120s")
	return err
}

// kept is what each node keeps for pods: pins, tables and pods in the enforcer's
// count.
func (s *stage) kept(ctx context.Context) (string, error) {
	var all strings.Builder
	for _, n := range s.nodes {
		pins, err := s.lab.node(ctx, n, "sh", "-c", "find /sys/fs/bpf -type f | wc -l")
		if err != nil {
			return "", err
		}
		open, err := s.lab.node(ctx, n, "sh", "-c", tables)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&all, "%s: %s pins, %s", n, strings.TrimSpace(pins), strings.TrimSpace(open))
		for _, name := range []string{"nameward_endpoints", "nameward_interfaces_missing"} {
			value, err := s.metric(ctx, n, name)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&all, ", %s %g", name, value)
		}
		fmt.Fprintln(&all)
	}
	return all.String(), nil
}
