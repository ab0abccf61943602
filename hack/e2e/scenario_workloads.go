package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// workloads: a policy is the pod's, whoever made the pod, and ends with it.
func workloads(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	server := cluster.Pod{Namespace: ns, Name: "server", HTTP: 80, Labels: map[string]string{"role": "server"}}
	if err := s.Start(s.ctx, server); err != nil {
		return err
	}
	address, err := s.Address(s.ctx, server, false)
	if err != nil {
		return err
	}
	// Everybody is cut off, but for role=client to role=server.
	err = s.Apply(s.ctx, networkPolicy(ns, "isolated", everyPod, nil, nobody),
		networkPolicy(ns, "clients", podLabel("role", "client"), nil, []string{"{to: [{podSelector: {matchLabels: {role: server}}}]}"}))
	if err != nil {
		return err
	}
	return errors.Join(
		s.standalone(ns, address),
		s.jobs(ns, address),
		s.statefulSet(ns, address),
		s.rolling(ns),
	)
}

func (s *stage) standalone(ns, address string) error {
	client := cluster.Pod{Namespace: ns, Name: "standalone-client", Labels: map[string]string{"role": "client"}}
	other := cluster.Pod{Namespace: ns, Name: "standalone-other", Labels: map[string]string{"role": "other"}}
	if err := s.Start(s.ctx, client, other); err != nil {
		return err
	}
	s.routes("P21, standalone pods:", route{from: client, target: address + ":80", as: "server", want: pass},
		route{from: other, target: address + ":80", as: "server", want: drop})
	return nil
}

// attempt prints one line, whether a connection at the very start of a pod was
// made; it takes its answer within a second.
func attempt(address string) string {
	return fmt.Sprintf(`if timeout .9 /bin/bash -c 'exec 3<>/dev/tcp/%s/80' 2>/dev/null; then echo connected; else echo blocked; fi`, address)
}

// jobs are run, deleted and made again under the same name with other labels.
func (s *stage) jobs(ns, address string) error {
	for i, row := range []struct{ role, want string }{{"client", "connected"}, {"other", "blocked"}, {"client", "connected"}} {
		p := cluster.Pod{Namespace: ns, Name: "task", Labels: map[string]string{"role": row.role}, Once: true,
			// Settled before it tries: the start is a scenario of its own.
			Script: "sleep 1; " + attempt(address)}
		job := fmt.Sprintf(`{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"task","namespace":%q},"spec":{"backoffLimit":0,"template":%s}}`, ns, s.Template(p))
		if err := s.Apply(s.ctx, job); err != nil {
			return err
		}
		err := s.check(fmt.Sprintf("P16, P21, Job task, run %d with role=%s: %s", i+1, row.role, row.want), func() error {
			return cluster.Await(s.ctx, 30*time.Second, "the Job", func(ctx context.Context) error {
				out, err := s.Kubectl(ctx, "", "logs", "-n", ns, "job/task")
				// the log also has what bash says of an attempt that was ended
				if err == nil && !slices.Contains(strings.Fields(out), row.want) {
					err = fmt.Errorf("got %q, want %q", out, row.want)
				}
				return err
			})
		})
		_, gone := s.Kubectl(s.ctx, "", "delete", "job", "task", "-n", ns, "--cascade=foreground")
		if err != nil || gone != nil {
			return gone
		}
	}
	return nil
}

// statefulSet: the pod is another one under the same name.
func (s *stage) statefulSet(ns, address string) error {
	p := cluster.Pod{Namespace: ns, Name: "web", Labels: map[string]string{"role": "client"}}
	set := func(role string) string {
		p.Labels["role"] = role
		return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"web","namespace":%q},"spec":{"serviceName":"web","selector":{"matchLabels":{"pod":"web"}},"template":%s}}`, ns, s.Template(p))
	}
	first := cluster.Pod{Namespace: ns, Name: "web-0"}
	uid := ""
	for _, row := range []struct {
		role string
		want cluster.Outcome
	}{{"client", pass}, {"other", drop}} {
		if err := s.Apply(s.ctx, set(row.role)); err != nil {
			return err
		}
		err := cluster.Await(s.ctx, 60*time.Second, "web-0 with role="+row.role, func(ctx context.Context) error {
			pod, err := s.Pod(ctx, first)
			if err == nil && (!cluster.IsReady(pod) || pod.Labels["role"] != row.role || string(pod.UID) == uid) {
				err = fmt.Errorf("role=%s, phase %s", pod.Labels["role"], pod.Status.Phase)
			}
			if err == nil {
				uid = string(pod.UID)
			}
			return err
		})
		if err != nil {
			return err
		}
		s.routes("P21, StatefulSet, role="+row.role+":", route{from: first, target: address + ":80", as: "server", want: row.want})
	}
	return nil
}

// restless opens a connection after the other and writes how many did not come
// about in time. A refused one reached a host.
const restless = `
trap 'exit 0' TERM
n=0 lost=0
while :; do
	timeout 1.5 /bin/bash -c 'exec 3<>/dev/tcp/%s/80' 2>/dev/null
	case $? in 124 | 143) lost=$((lost + 1)) ;; esac # of coreutils, of busybox
	n=$((n + 1))
	echo "$n $lost" >/dev/shm/count
	sleep .05
done
`

// rolling replaces all pods of a Deployment while one client connects to them
// without end, and another one, which may not, tries the same.
func (s *stage) rolling(ns string) error {
	p := cluster.Pod{Namespace: ns, Name: "app", HTTP: 80, Ready: "/", Linger: 3, Labels: map[string]string{"role": "server"}}
	deployment := fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"app","namespace":%q},"spec":{"replicas":3,"selector":{"matchLabels":{"pod":"app"}},"template":%s}}`, ns, s.Template(p))
	if err := s.Apply(s.ctx, deployment); err != nil {
		return err
	}
	service, err := s.service(ns, "app", "  selector: {pod: app}\n  ports: [{port: 80}]\n")
	if err != nil {
		return err
	}
	client := cluster.Pod{Namespace: ns, Name: "rolling-client", Labels: map[string]string{"role": "client"}, Script: fmt.Sprintf(restless, service)}
	other := cluster.Pod{Namespace: ns, Name: "rolling-other", Labels: map[string]string{"role": "other"}, Script: fmt.Sprintf(restless, service)}
	if err := s.Start(s.ctx, client, other); err != nil {
		return err
	}
	if _, err := s.Kubectl(s.ctx, "", "rollout", "status", "-n", ns, "deployment/app", "--timeout=60s"); err != nil {
		return err
	}
	before, err := s.counts(client)
	if err != nil {
		return err
	}
	for range s.times(3, 1) {
		_, err := s.Kubectl(s.ctx, "", "rollout", "restart", "-n", ns, "deployment/app")
		if err == nil {
			_, err = s.Kubectl(s.ctx, "", "rollout", "status", "-n", ns, "deployment/app", "--timeout=90s")
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(
		s.check("P21, rolling Deployment: no connection of the allowed client is dropped", func() error {
			after, err := s.counts(client)
			if err == nil && (after[1] != before[1] || after[0] <= before[0]) {
				err = fmt.Errorf("of %d connections %d timed out", after[0]-before[0], after[1]-before[1])
			}
			return err
		}),
		s.check("P21, rolling Deployment: none of the other client comes about", func() error {
			got, err := s.counts(other)
			if err == nil && (got[0] != got[1] || got[0] == 0) {
				err = fmt.Errorf("of %d connections only %d were blocked", got[0], got[1])
			}
			return err
		}),
	)
}

// counts are what a restless pod has written: attempts, and those that timed out.
func (s *stage) counts(p cluster.Pod) (n [2]int, err error) {
	err = cluster.Await(s.ctx, awaitLimit, "counts of "+p.Name, func(ctx context.Context) error {
		out, err := s.Exec(ctx, p, "cat", "/dev/shm/count")
		if err != nil {
			return err
		}
		_, err = fmt.Sscan(out, &n[0], &n[1])
		return err
	})
	return n, err
}
