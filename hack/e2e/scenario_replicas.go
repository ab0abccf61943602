package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

func (s *stage) askerSaw(asker cluster.Pod) error {
	return cluster.Await(s.ctx, 3*awaitLimit, "the asker to end", func(ctx context.Context) error {
		out, err := s.Exec(ctx, asker, "/bin/bash", "-c", "cat /dev/shm/done /dev/shm/reached /dev/shm/leaked 2>/dev/null; true")
		if err != nil {
			return err
		}
		if !strings.Contains(out, "done") || strings.Count(out, "reached") != 5 || strings.Contains(out, "leaked") {
			return fmt.Errorf("got %q, want done and 5 times reached", strings.Fields(out))
		}
		return nil
	})
}

// curious asks for one name after the other, each for the first time, and
// connects at once. Lost is a connection that does not come about, one for which
// TCP sent a segment again (RetransSegs of /proc/net/snmp; nothing else of the pod
// speaks TCP), and one that took five seconds, after which a lost query to DNS is
// asked again. Lost ones are told with their time in microseconds.
const curious = `
trap 'exit 0' TERM
again() {
	local tcp
	while read -ra tcp; do [ "${tcp[0]}" != Tcp: ] || again=${tcp[12]}; done </proc/net/snmp
}
n=0 lost=0
again
while :; do
	began=${EPOCHREALTIME/[.,]/} before=$again
	said=$(/agnhost connect "n$((n %% 150)).%s:80" --timeout=8s 2>&1) || said="failed ${said:-saying nothing}"
	took=$((${EPOCHREALTIME/[.,]/} - began))
	again
	if [ -n "$said" ] || ((again > before || took >= 5000000)); then
		lost=$((lost + 1))
		printf 'n%%d@%%(%%T)T: %%dus, %%d segments again %%s\n' $n -1 $took $((again - before)) "$said" >>/dev/shm/lost
	fi
	n=$((n + 1))
	echo "$n $lost" >/dev/shm/count
	sleep .05
done
`

// replicas: any number of CoreDNS, each with a session to every enforcer, and no
// connection by name is lost while they come and go (N13).
func replicas(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	err = s.Apply(s.ctx, applicationNetworkPolicy(ns, "names", everyPod, nil, []string{`{to: [{domainNames: ["*.short.example.net"]}], ports: [{port: 80, protocol: TCP}]}`}))
	if err != nil {
		return err
	}
	s.settled()
	var askers []cluster.Pod
	for _, n := range s.nodes {
		askers = append(askers, cluster.Pod{Namespace: ns, Name: "curious-" + n, Node: n, Script: fmt.Sprintf(curious, "short.example.net")})
	}
	if err := s.Start(s.ctx, askers...); err != nil {
		return err
	}
	before, err := s.lost(askers)
	if err != nil {
		return err
	}
	dropped := s.dropped()
	s.later(func(ctx context.Context) error { return s.scale(ctx, 2) })
	for _, count := range []int{1, 3, 1} {
		_ = s.check(fmt.Sprintf("N13: CoreDNS is scaled to %d", count), func() error { return s.scale(s.ctx, count) })
		_ = s.check(fmt.Sprintf("N13: every enforcer has %d sessions", count), func() error {
			return s.everyMetric("nameward_dns_sessions", func(v float64) bool { return int(v) == count })
		})
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
	}
	return s.check("N3, N13: every connection by name came about at its first SYN", func() error {
		after, err := s.lost(askers)
		for i := range after {
			if err == nil && (after[i][1] != before[i][1] || after[i][0] <= before[i][0]) {
				names, _ := s.Exec(s.ctx, askers[i], "tail", "-5", "/dev/shm/lost")
				err = fmt.Errorf("%s: of %d connections %d were lost, the last %q; packets dropped before:\n%s\nand now:\n%s", askers[i].Name,
					after[i][0]-before[i][0], after[i][1]-before[i][1], strings.TrimSpace(names), dropped, s.dropped())
			}
		}
		return err
	})
}

// losses are what a kernel says of packets that it dropped: of all network
// namespaces for want of room, by CPU, and of this one's connection tracking.
const losses = `
awk '{ full = full " " $2 } END { print "no room" full }' /proc/net/softnet_stat
awk 'NR > 1 { print "conntrack insert_failed " $10 " drop " $11 " early_drop " $12 }' /proc/net/stat/nf_conntrack
`

// dropped tells who dropped a packet, policies or others, from one that was late.
func (s *stage) dropped() string {
	var all []string
	for _, n := range s.nodes {
		line, err := s.lab.node(s.ctx, n, "sh", "-c", losses)
		if err != nil {
			return err.Error()
		}
		all = append(all, n+" "+strings.Join(strings.Fields(line), " "))
		text, err := s.release.metrics(s.ctx, n)
		if err != nil {
			return err.Error()
		}
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(line, "nameward_verdicts_total{") && strings.Contains(line, `verdict="deny"`) && !strings.HasSuffix(line, " 0") {
				all = append(all, n+" "+strings.TrimPrefix(line, "nameward_verdicts_total"))
			}
		}
	}
	return strings.Join(all, "\n")
}

func (s *stage) lost(pods []cluster.Pod) ([][2]int, error) {
	all := make([][2]int, len(pods))
	for i, p := range pods {
		var err error
		if all[i], err = s.counts(p); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (w *world) scale(ctx context.Context, count int) error {
	_, err := w.Kubectl(ctx, "", "scale", "deployment/nameward-dns", "-n", namespace, fmt.Sprintf("--replicas=%d", count))
	if err == nil {
		err = w.release.ready(ctx)
	}
	return err
}
