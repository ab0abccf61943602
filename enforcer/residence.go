package main

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"github.com/nameward/nameward/enforcer/chain"
	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/pods"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/report"
	"github.com/nameward/nameward/enforcer/settings"
)

// residence is what an enforcer does in a cluster and not for a folder: it finds
// its pods on the node, lets their start wait, and tells the API server how it
// stands.
type residence struct {
	where    *whereabouts
	door     *door
	doors    net.Listener // nil without --socket
	reporter *report.Reporter
	begun    chan struct{} // closed when the first policy is in force
	first    sync.Once
	policies reported
}

// reported are the policies as the reporter knows them, made anew where they have
// changed. Only the node, in its turn, uses it.
type reported struct {
	objects  []*kube.Object
	compiled []policy.Problem
	policies []report.Policy
}

func (c config) reside(n *node, comp *compiler, kernel *datapath.Datapath, r prometheus.Registerer) (*residence, error) {
	reporter, err := report.New(report.Config{
		REST: c.cluster, Node: c.node, Namespace: c.namespace, NodeSelector: c.resident.nodes,
		PodName: c.resident.podName, PodUID: types.UID(c.resident.podUID), Clock: time.Now, Log: c.log,
	})
	if err != nil {
		return nil, err
	}
	before, err := c.openUntilThen(kernel)
	if err != nil {
		return nil, err
	}
	finder := pods.New(c.resident.finding(c.log))
	here := &residence{
		where:    newWhereabouts(c.node, finder, comp, n, n.meters, before, c.log),
		door:     &door{finder: finder, attached: n.attached, missing: func() []string { return missing(n, nil) }},
		reporter: reporter,
		begun:    make(chan struct{}),
	}
	if c.resident.socket != "" {
		if here.doors, err = chain.Listen(c.resident.socket); err != nil {
			return nil, usageError{err}
		}
	}
	n.inForce, n.failed = here.inForce, reporter.KernelFailed
	n.posture = postureUnder(c.settings())
	r.MustRegister(newReportCollector(reporter.Stats))
	return here, nil
}

// openUntilThen are the interfaces that stay open until the first policy: all of a
// node where nothing was enforced before. Else whatever has no filter has come
// meanwhile, and is shut.
func (c config) openUntilThen(kernel *datapath.Datapath) (map[int]bool, error) {
	succeeds, err := kernel.Succeeds()
	if err != nil || succeeds {
		return nil, err
	}
	around, err := look()
	if err != nil {
		return nil, err
	}
	before := make(map[int]bool, len(around.links))
	for _, index := range around.links {
		before[index] = true
	}
	return before, nil
}

// spawn runs all of it in the group.
func (r *residence) spawn(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { r.where.run(ctx, r.begun); return nil })
	group.Go(func() error { return r.reporter.Run(ctx) })
	if r.doors != nil {
		group.Go(func() error { return chain.Serve(ctx, r.doors, r.door) })
	}
}

// inForce tells what is enforced now. It is called in the node's turn.
func (r *residence) inForce(d *draft, absent map[policy.EndpointID]unpoliced) {
	r.first.Do(func() { close(r.begun) })
	snapshot, ok := d.view.(*kube.Snapshot)
	if !ok {
		return
	}
	state := report.State{Policies: r.policies.of(snapshot, d.compiled.Problems), Applied: applied(snapshot.Revisions()), Nodes: len(snapshot.Nodes)}
	for _, u := range absent {
		state.Unpoliced = append(state.Unpoliced, report.Unpoliced{Pod: u.pod, Why: u.reason})
	}
	r.reporter.Set(state)
}

// of gives the same slice while nothing has changed.
func (r *reported) of(s *kube.Snapshot, compiled []policy.Problem) []report.Policy {
	if same(r.objects, s.Objects) && same(r.compiled, compiled) && r.policies != nil {
		return r.policies
	}
	found := make(map[policy.PolicyRef][]policy.Problem)
	for _, p := range compiled {
		found[p.Policy] = append(found[p.Policy], p)
	}
	r.objects, r.compiled, r.policies = s.Objects, compiled, make([]report.Policy, 0, len(s.Objects))
	for _, o := range s.Objects {
		r.policies = append(r.policies, report.Policy{
			Ref: o.Ref, UID: types.UID(o.UID), Generation: o.Generation, ResourceVersion: o.ResourceVersion,
			Problems: united(o.Problems, found[o.Ref]),
		})
	}
	return r.policies
}

// same says whether two slices are one.
func same[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// united leaves out what the compiler found again, with a path of its own.
func united(read, compiled []policy.Problem) []policy.Problem {
	all := read[:len(read):len(read)]
	for _, p := range compiled {
		known := false
		for _, q := range read {
			known = known || p.Reason == q.Reason
		}
		if !known {
			all = append(all, p)
		}
	}
	return all
}

// applied are the revisions of the kinds of policies.
func applied(revisions map[string]string) map[report.Kind]string {
	all := make(map[report.Kind]string, len(report.Kinds))
	for _, k := range report.Kinds {
		if r, ok := revisions[k.String()]; ok {
			all[k] = r
		}
	}
	return all
}

// tellSettings has the elected enforcer tell of faults in the settings.
func (r *residence) tellSettings(namespace string, faults []settings.Fault) {
	var words []string
	for _, f := range faults {
		words = append(words, f.String())
	}
	r.reporter.SetSettings(report.Settings{Namespace: namespace, Name: settings.Name, Faults: words})
	r.where.meters.settingsFaults.Set(float64(len(faults)))
}
