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
	standing standing
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
		where:    newWhereabouts(c.node, finder, comp, n, before, reporter.PodTrouble),
		door:     &door{finder: finder, attached: n.attached, missing: func() []string { return missing(n, nil) }, waits: newWaits(r), clock: time.Now},
		reporter: reporter,
		begun:    make(chan struct{}),
		standing: standing{tell: reporter.Set},
	}
	if c.resident.socket != "" {
		if here.doors, err = chain.Listen(c.resident.socket); err != nil {
			return nil, usageError{err}
		}
	}
	n.inForce, n.failed = here.inForce, here.failed
	n.posture = postureUnder(c.settings())
	r.MustRegister(newReportCollector(reporter.Stats))
	return here, nil
}

// openUntilThen are the interfaces that stay open until the first policy: all of a
// node where nothing was enforced before, but those that nameward-cni has shut.
// Else whatever has no filter has come meanwhile, and is shut.
func (c config) openUntilThen(kernel *datapath.Datapath) (map[int]bool, error) {
	succeeds, err := kernel.Succeeds()
	if err != nil || succeeds {
		return nil, err
	}
	around, err := look()
	if err != nil {
		return nil, err
	}
	return leftOpen(around.links, kernel.IsShut), nil
}

// leftOpen leaves out interfaces that are shut: nobody opens them for a moment.
func leftOpen(links map[string]int, shut func(ifindex int) bool) map[int]bool {
	open := make(map[int]bool, len(links))
	for _, index := range links {
		open[index] = !shut(index)
	}
	return open
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
	r.standing.inForce(d, absent)
}

// failed tells what the kernel did not take, and why. It is called in the node's
// turn.
func (r *residence) failed(d *draft, absent map[policy.EndpointID]unpoliced, err error) {
	r.reporter.KernelFailed(err)
	r.standing.refused(d, absent)
}

// tellSettings has the elected enforcer tell of faults in the settings.
func (r *residence) tellSettings(namespace string, news kube.Invalid) {
	var words []string
	for _, f := range news.Faults {
		words = append(words, f.String())
	}
	r.reporter.SetSettings(report.Settings{Namespace: namespace, Name: settings.Name, UID: types.UID(news.UID), Faults: words})
	r.where.meters.settingsFaults.Set(float64(len(words)))
}
