package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/nameward/nameward/hack/bench/apiserver"
)

// awayNode is a node that is elsewhere. newPod is the number of the pod that comes
// to this node, whose address has a route there; pods that come elsewhere have
// numbers after it.
const (
	awayNode = "node-0001"
	newPod   = 1 << 20
)

// connect makes the interface of the nth pod of the node, as the CNI plugin ptp
// does: a pair of which one end is elsewhere, and a route.
func (h *home) connect(n int) error {
	if n == apiserver.Local {
		n = newPod
	}
	name := fmt.Sprintf("veth%d", n)
	return h.node.Do(func() error {
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: fmt.Sprintf("p%d", n), PeerNamespace: netlink.NsFd(h.pods.Handle())}
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		to := net.ParseIP(apiserver.PodAddress(n))
		return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: to, Mask: net.CIDRMask(32, 32)}})
	})
}

// inForce waits until a policy has come into force so many times in all, which
// the enforcer logs, and says how long after its start that is.
func (e *resident) inForce(ctx context.Context, times int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	for {
		n, err := e.times()
		if err != nil {
			return 0, err
		}
		if n >= times {
			return time.Since(e.began), nil
		}
		if !e.Running() {
			return 0, errors.New("the enforcer has ended")
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the policy is not in force: %w", ctx.Err())
		case <-time.After(200 * time.Microsecond):
		}
	}
}

// times is how often a policy has come into force so far.
func (e *resident) times() (int, error) {
	text, err := os.ReadFile(e.log)
	return bytes.Count(text, []byte("policy is in force")), err
}

// restedUsage is what a program takes that has nothing to do.
type restedUsage struct {
	usage
	anonymous, file, kernel float64 // bytes
	idle                    float64 // share of a core
}

// The enforcer gives memory back when nothing has changed for 10 s.
const residentRest, residentIdle = 15 * time.Second, 30 * time.Second

// rests gives what the program takes after it has come to rest.
func (e *resident) rests(ctx context.Context) (r restedUsage, err error) {
	if !pause(ctx, residentRest) {
		return r, ctx.Err()
	}
	before, err := usageOf(e.PID())
	if err != nil {
		return r, err
	}
	began := time.Now()
	if !pause(ctx, residentIdle) {
		return r, ctx.Err()
	}
	if r.usage, err = usageOf(e.PID()); err != nil {
		return r, err
	}
	r.idle = float64(r.cpu-before.cpu) / float64(time.Since(began))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.PID()))
	if err != nil {
		return r, err
	}
	for label, to := range map[string]*float64{"RssAnon:": &r.anonymous, "RssFile:": &r.file} {
		if *to, err = kilobytes(string(status), label); err != nil {
			return r, err
		}
	}
	r.kernel, err = kernelTables(e.PID())
	return r, err
}

// kernelTables adds up what the BPF maps that a process has open take, as the
// kernel says in proc_pid_fdinfo(5).
func kernelTables(pid int) (sum float64, _ error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return 0, err
	}
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // closed meanwhile
		}
		var id string
		var bytes float64
		for line := range strings.Lines(string(text)) {
			switch fields := strings.Fields(line); {
			case len(fields) != 2:
			case fields[0] == "map_id:":
				id = fields[1]
			case fields[0] == "memlock:":
				if _, err := fmt.Sscan(fields[1], &bytes); err != nil {
					return 0, fmt.Errorf("read %s: %w", file, err)
				}
			}
		}
		if id != "" && !seen[id] {
			seen[id] = true
			sum += bytes
		}
	}
	return sum, nil
}

// changes measures how long after a change on the API server it is in force.
func (e *resident) changes(ctx context.Context, t *table, server *apiserver.Server, crowd int) error {
	next := newPod + crowd // of each crowd other pods
	pod := func(n int, namespace, on string) func(context.Context) error {
		return func(ctx context.Context) error { return server.PutPod(ctx, n, namespace, on) }
	}
	const rounds = 16
	promised := func(g goal) goal { // of clusters of the size of the first crowd
		if crowd > crowds[0].pods {
			return goal{}
		}
		return g
	}
	for _, c := range []struct {
		says   string
		goal   goal
		change func(round int) func(context.Context) error
	}{
		{"a pod comes to another node", atMost(20e6), func(i int) func(context.Context) error { return pod(next+i, apiserver.Namespace(i), awayNode) }},
		{"a pod comes to this node", atMost(20e6), func(i int) func(context.Context) error {
			if i%2 == 0 {
				return pod(newPod, apiserver.Namespace(0), apiserver.Here)
			}
			return func(ctx context.Context) error { return server.RemovePod(ctx, newPod, apiserver.Namespace(0)) }
		}},
		{"the first pod of a namespace, elsewhere", goal{}, func(i int) func(context.Context) error {
			return pod(next+rounds+i, fmt.Sprintf("fresh-%d-%d", crowd, i), awayNode)
		}},
		{"a policy of this node's pods gets another CIDR", atMost(100e6), func(i int) func(context.Context) error {
			return func(ctx context.Context) error {
				return server.Merge(ctx, apiserver.PolicyPath(), fmt.Sprintf(`{"spec":{"ingress":[{"from":[{"ipBlock":{"cidr":"198.51.%d.0/24"}}]}]}}`, crowd/10_000*rounds+i))
			}
		}},
	} {
		var took []float64
		for i := range rounds {
			t.progress("apiserver: %s, %d of %d", c.says, i+1, rounds)
			before, err := e.times()
			if err != nil {
				return err
			}
			began := time.Now()
			if err := c.change(i)(ctx); err != nil {
				return err
			}
			if _, err := e.inForce(ctx, before+1); err != nil {
				return fmt.Errorf("%s: %w", c.says, err)
			}
			took = append(took, float64(time.Since(began)))
			if !pause(ctx, 200*time.Millisecond) {
				return ctx.Err()
			}
		}
		t.figure(figure{name: c.says, value: median(took), unit: elapsed, goal: promised(c.goal),
			beside: "median; at the most " + elapsed.write(quantile(took, 1))})
	}
	return nil
}
