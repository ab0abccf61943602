package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// scenario is a story with checks. Those that are alone change what all others
// see, so nothing runs beside them.
type scenario struct {
	name, about string
	alone       bool
	// special are told only where a variant names them.
	special bool
	// needs say what the cluster must have; the words are for people.
	needs []need
	play  func(*stage) error
}

// need is something that not every cluster has.
type need struct {
	what string
	met  func(*world) bool
}

var (
	theLab      = need{"the lab, to see and stop things from outside", func(w *world) bool { return w.lab != nil }}
	theOutside  = need{"the lab's world outside", func(w *world) bool { return w.lab != nil }}
	bothFamily  = need{"a dual-stack cluster", func(w *world) bool { return w.dual }}
	threeNodes  = need{"three nodes", func(w *world) bool { return len(w.nodes) >= 3 }}
	ownDNS      = need{"a variant whose cluster has a DNS of its own", func(w *world) bool { return w.variant.ownDNS }}
	dnsOnNodes  = need{"a variant with a CoreDNS on each node", func(w *world) bool { return w.variant.asks == nodeDNS }}
	besideCount = 3 // scenarios at a time
)

// scenarios in the order of their telling; uninstalling comes last.
var scenarios = []scenario{
	{name: "article", about: "the seed scenario of the manifests in testdata/seed, names included", alone: true, needs: []need{theOutside}, play: article},
	{name: "workloads", about: "standalone pods, Jobs, StatefulSets and rolling Deployments (P16, P21)", play: workloads},
	{name: "ports", about: "named ports and Services (P10, P22)", play: ports},
	{name: "host", about: "probes of the node, hostNetwork pods, node peers (P14, P17, P18)", needs: []need{threeNodes}, play: host},
	{name: "nodes", about: "pods of three nodes, labels that change (P12)", needs: []need{threeNodes}, play: nodes},
	{name: "dual", about: "both families at the same time (P20)", needs: []need{bothFamily}, play: dual},
	{name: "status", about: "conditions and Events (P15, S4)", play: status},
	{name: "confined", about: "the release's own containers, and what the kernel holds them to", needs: []need{theLab}, play: confined},
	{name: "default", about: "node default switched live, for all and for one node (P7)", alone: true, play: nodeDefault},
	{name: "settings", about: "settings that cannot be (S5)", alone: true, play: badSettings},
	{name: "figures", about: "how long changes take, and what the enforcer costs", alone: true, needs: []need{theLab, threeNodes}, play: figures},
	{name: "upgrade", about: "enforcers rolled and crashed under traffic (D8)", alone: true, play: upgrade},
	{name: "outage", about: "the API server away (D8)", alone: true, needs: []need{theLab}, play: outage},
	{name: "replicas", about: "CoreDNS from one replica to three and back (N13)", alone: true, needs: []need{theOutside}, play: replicas},
	{name: "bustle", about: "names beside pods that start and end (N3)", alone: true, needs: []need{theOutside}, play: bustle},
	{name: "churn", about: "pods that come and go leave nothing", alone: true, needs: []need{theLab}, play: churn},
	{name: "static", about: "static pods with a network of their own (D9, P21)", alone: true, needs: []need{theLab}, play: static},
	{name: "race", about: "the first packet of a new pod, with and without the chain plugin, and by name (D9, N3)", alone: true, play: race},
	{name: "away", about: "pods that start while enforcers are away (D9)", alone: true, play: away},
	{name: "takeover", about: "the cluster's DNS replaced by ours, in the steps of deploy/README.md (N8)", alone: true, special: true, needs: []need{ownDNS}, play: takeover},
	{name: "local", about: "CoreDNS on each node, and its update (N14)", alone: true, special: true, needs: []need{dnsOnNodes}, play: local},
}

// world is the cluster that all scenarios share.
type world struct {
	*cluster.Cluster
	*report
	lab     *laboratory
	release *release
	variant variant
	nodes   []string
	dual    bool
	short   bool
	stay    bool
}

func run(ctx context.Context, o options, r *report) (failure error) {
	picked, err := pick(o)
	if err != nil {
		return err
	}
	if _, err := choose(o.only); err != nil {
		return err
	}
	var lab *laboratory
	if o.kubeconfig == "" {
		if lab, err = openLab(ctx, o.lab, o.keep); err != nil {
			return fmt.Errorf("reach the cluster: %w", err)
		}
		// What is cleaned up is cleaned up after an interruption, too.
		defer func() {
			if lab.ours && lab.env != nil && !o.keep {
				failure = errors.Join(failure, lab.stop(ctx))
			}
		}()
	}
	for _, v := range picked {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.begin(v)
		if why := v.unfit(lab); why != "" {
			r.skip("all of it", why)
		} else if err := vary(ctx, o, r, lab, v); err != nil {
			r.fail("e2e", "runs to its end", err)
		}
	}
	return nil
}

// vary plays one variant.
func vary(ctx context.Context, o options, r *report, lab *laboratory, v variant) error {
	chosen, err := choose(cmp.Or(o.only, strings.Join(v.plays, ",")))
	if err != nil {
		return err
	}
	began := time.Now()
	c, err := reach(ctx, o, lab, v)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	defer c.Close()
	c.Agnhost, c.DNS = o.agnhost, v.asks
	w := &world{Cluster: c, report: r, lab: lab, variant: v, short: o.short, stay: o.stay}
	w.release = &release{options: o, cluster: c, lab: lab, variant: v}
	if err := w.look(ctx); err != nil {
		return err
	}
	r.note("cluster of %d nodes is there after %s", len(w.nodes), time.Since(began).Round(time.Second))
	return w.tell(ctx, chosen)
}

// choose finds scenarios by their names, with commas between them; without any,
// all that every cluster can play.
func choose(only string) ([]scenario, error) {
	if only == "" {
		return slices.DeleteFunc(slices.Clone(scenarios), func(s scenario) bool { return s.special }), nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if i < 0 && name != "none" {
			return nil, fmt.Errorf("-only: there is no scenario %q; -list has them", name)
		}
		if i >= 0 {
			chosen = append(chosen, scenarios[i])
		}
	}
	return chosen, nil
}

// look finds out what kind of cluster it is.
func (w *world) look(ctx context.Context) error {
	var list corev1.NodeList
	if err := w.Get(ctx, "/api/v1/nodes", &list); err != nil {
		return err
	}
	for _, n := range list.Items {
		if !n.Spec.Unschedulable {
			w.nodes = append(w.nodes, n.Name)
		}
	}
	slices.Sort(w.nodes)
	if len(w.nodes) == 0 {
		return errors.New("the cluster has no node that takes pods")
	}
	w.dual = len(list.Items[0].Status.Addresses) > 0 && slices.ContainsFunc(list.Items[0].Status.Addresses, func(a corev1.NodeAddress) bool {
		return a.Type == corev1.NodeInternalIP && strings.Contains(a.Address, ":")
	}) && len(list.Items[0].Spec.PodCIDRs) > 1
	return nil
}

// tell installs, plays and uninstalls.
func (w *world) tell(ctx context.Context, chosen []scenario) error {
	before := w.traces(ctx)
	err := w.ownDNS(ctx)
	if err == nil {
		err = w.installed(ctx)
	}
	if err != nil {
		w.diagnose(context.WithoutCancel(ctx), "install", nil)
	} else {
		w.beside(ctx, chosen)
		for _, s := range chosen {
			if s.alone {
				w.play(ctx, s)
			}
		}
	}
	ctx = context.WithoutCancel(ctx)
	if w.stay {
		return nil
	}
	w.uninstalled(ctx, before)
	w.clean(ctx)
	w.noOwnDNS(ctx)
	return nil
}

// installed is the first check.
func (w *world) installed(ctx context.Context) error {
	s := &stage{world: w, ctx: ctx, name: "install"}
	return errors.Join(
		s.check("helm install succeeds", func() error { return w.release.install(ctx) }),
		s.check("every node has a Ready enforcer, and CoreDNS is Ready", func() error { return w.release.ready(ctx) }),
		s.check("test pods know where to ask", func() error { return w.findDNS(ctx) }),
	)
}

// findDNS has test pods ask our CoreDNS, where kubelets do not send them there.
func (w *world) findDNS(ctx context.Context) error {
	if w.lab != nil || w.Cluster.DNS != "" {
		return nil
	}
	var service corev1.Service
	err := w.Get(ctx, "/api/v1/namespaces/"+namespace+"/services/nameward-dns", &service)
	w.Cluster.DNS = service.Spec.ClusterIP
	return err
}

func (w *world) beside(ctx context.Context, chosen []scenario) {
	var all sync.WaitGroup
	turns := make(chan struct{}, besideCount)
	for _, s := range chosen {
		if !s.alone {
			turns <- struct{}{}
			all.Go(func() {
				defer func() { <-turns }()
				w.play(ctx, s)
			})
		}
	}
	all.Wait()
}

// play is one scenario, with what it made taken away afterwards.
func (w *world) play(ctx context.Context, sc scenario) {
	for _, n := range sc.needs {
		if !n.met(w) {
			w.skip(sc.name, "needs "+n.what)
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	// Against what never ends: race takes 7 minutes, and 10 on a slow day.
	limit := 20 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := &stage{world: w, ctx: ctx, name: sc.name}
	began := time.Now()
	defer func() { w.note("%s took %s", sc.name, time.Since(began).Round(time.Second)) }()
	if err := sc.play(s); err != nil {
		s.wrong = true
		if !errors.As(err, new(reported)) {
			w.fail(sc.name, "is told to its end", err)
		}
	}
	if s.wrong {
		w.diagnose(context.WithoutCancel(ctx), sc.name, s.namespaces)
	}
	s.end()
}

// clean deletes what tests have made, namespaces of killed runs included.
func (w *world) clean(ctx context.Context) {
	for _, args := range [][]string{
		{"delete", "clusternetworkpolicies.networking.k8s.aws,clusternetworkpolicies.policy.networking.k8s.io", "-l", mark, "--ignore-not-found"},
		{"delete", "namespace", "-l", mark, "--ignore-not-found"},
	} {
		if _, err := w.Kubectl(ctx, "", args...); err != nil {
			w.note("not cleaned up: %v", err)
		}
	}
}
