package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// traces are what nodes have that nameward could have left there, by node;
// nothing where nodes cannot be seen from inside.
func (w *world) traces(ctx context.Context) map[string]string {
	if w.lab == nil {
		return nil
	}
	all := make(map[string]string)
	for _, n := range w.nodes {
		files, err := w.lab.node(ctx, n, "sh", "-c", "find /sys/fs/bpf /run/nameward /opt/cni/bin | sort; cd /etc/cni/net.d && sha256sum *")
		if err != nil {
			files = err.Error()
		}
		filters, err := filtersOf("/run/netns/lab-" + n)
		if err != nil {
			filters = err.Error()
		}
		all[n] = files + filters
	}
	return all
}

// nodeInterface has the address of a node's CoreDNS.
const nodeInterface = "nameward-dns"

// filtersOf lists the programs on interfaces of a network namespace: on TCX, and
// the qdiscs that older kernels' filters hang on. And the interface of our own.
func filtersOf(path string) (string, error) {
	space, err := netns.GetFromPath(path)
	if err != nil {
		return "", err
	}
	defer space.Close()
	var all strings.Builder
	err = inside(space, func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.Attrs().Name == nodeInterface {
				fmt.Fprintf(&all, "%s: an interface\n", nodeInterface)
			}
			for _, at := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
				programs, err := link.QueryPrograms(link.QueryOptions{Target: l.Attrs().Index, Attach: at})
				if err == nil && len(programs.Programs) > 0 {
					fmt.Fprintf(&all, "%s: %d programs\n", l.Attrs().Name, len(programs.Programs))
				}
			}
			qdiscs, err := netlink.QdiscList(l)
			if err != nil {
				return err
			}
			for _, q := range qdiscs {
				if q.Type() == "clsact" {
					fmt.Fprintf(&all, "%s: clsact\n", l.Attrs().Name)
				}
			}
		}
		return nil
	})
	return all.String(), err
}

// uninstalled is the last check. A pod that was cut off until then shows that
// filters were there and have gone.
func (w *world) uninstalled(ctx context.Context, before map[string]string) {
	s := &stage{world: w, ctx: ctx, name: "uninstall"}
	defer s.end()
	client, target, err := s.cutOff()
	if err != nil {
		_ = s.check("a pod is cut off beforehand", func() error { return err })
	}
	err = s.check("helm uninstall succeeds", func() error { return w.release.uninstall(ctx) })
	if err != nil {
		w.diagnose(ctx, s.name, nil)
	}
	_ = s.check("namespace nameward has no pods any more", func() error {
		return cluster.Await(ctx, 2*awaitLimit, "no pods", func(ctx context.Context) error {
			pods, err := w.Pods(ctx, namespace, "app.kubernetes.io/name=nameward")
			if err == nil && len(pods) > 0 {
				err = fmt.Errorf("there are %d, the first is %s", len(pods), pods[0].Name)
			}
			return err
		})
	})
	if target != "" {
		s.routes("without nameward:", route{from: client, target: target, as: "what was forbidden", want: pass})
	}
	if before == nil {
		w.skip(s.name, "what is left on nodes: needs the lab")
	}
	// the pods of this scenario are gone when their filters are looked for: they have none
	for _, n := range w.nodes {
		if before != nil {
			_ = s.check("node "+n+" is as it was: no filters, pins, files; conflist and plugins as before", func() error {
				if after := w.traces(ctx)[n]; after != before[n] {
					return fmt.Errorf("before:\n%sand now:\n%s", before[n], after)
				}
				return nil
			})
		}
	}
	if _, err := w.Kubectl(ctx, "", "delete", "namespace", namespace, "--ignore-not-found"); err != nil {
		w.note("%v", err)
	}
}

// cutOff is a pod that may not reach the server at target.
func (s *stage) cutOff() (client cluster.Pod, target string, err error) {
	ns, err := s.place("")
	if err != nil {
		return client, "", err
	}
	server := cluster.Pod{Namespace: ns, Name: "server", HTTP: 80}
	client = cluster.Pod{Namespace: ns, Name: "client"}
	if err := errors.Join(s.Apply(s.ctx, networkPolicy(ns, "isolated", podLabel("pod", "client"), nil, nobody)), s.Start(s.ctx, server, client)); err != nil {
		return client, "", err
	}
	address, err := s.Address(s.ctx, server, false)
	if err != nil {
		return client, "", err
	}
	target = address + ":80"
	s.routes("before:", route{from: client, target: target, as: "server", want: drop})
	return client, target, nil
}
