package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/chain"
	"github.com/nameward/nameward/enforcer/pods"
	"github.com/nameward/nameward/enforcer/policy"
)

// door is where the CNI chain has pods wait for their policy (D9).
type door struct {
	finder   *pods.Finder
	attached *attached
	// missing is what stands between the node and enforcing at all.
	missing func() []string
	waits   prometheus.ObserverVec
	clock   func() time.Time
}

// newWaits shows what the chain costs the starts of pods, and how often they were
// let down.
func newWaits(r prometheus.Registerer) *prometheus.HistogramVec {
	waits := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "nameward", Name: "pod_start_wait_seconds",
		Help: "How long starts of pods waited in the CNI chain, from when their interface was known, by whether their policy was in the kernel then (enforced) or not (late).",
		// From a write to the kernel to the longest wait, if nobody has set another (chain.DefaultTimeout).
		Buckets: []float64{.001, .0025, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"result"})
	r.MustRegister(waits)
	for _, result := range []string{"enforced", "late"} {
		waits.WithLabelValues(result)
	}
	return waits
}

var errNoUID = errors.New("the container runtime does not tell K8S_POD_UID, by which a pod is known; containerd does from 1.4 on, CRI-O from 1.20 on")

// Add waits until the pod's policy judges the interface. Why it does not get there
// is for the pod's Events.
func (d *door) Add(ctx context.Context, a chain.Attachment) error {
	if a.UID == "" {
		return errNoUID
	}
	began := d.clock()
	d.finder.Told(pods.Attachment(a))
	err := d.attached.wait(ctx, policy.EndpointOf(a.UID), a.IfIndex)
	waited := d.clock().Sub(began).Seconds()
	if err == nil {
		d.waits.WithLabelValues("enforced").Observe(waited)
		return nil
	}
	d.waits.WithLabelValues("late").Observe(waited)
	if lacking := d.missing(); len(lacking) > 0 {
		return fmt.Errorf("the policy of pod %s is not in the kernel: %s", a, strings.Join(lacking, "; "))
	}
	return fmt.Errorf("the policy of pod %s is not at interface %s yet: %w", a, a.Interface, err)
}

// Check says whether it still does.
func (d *door) Check(_ context.Context, a chain.Attachment) error {
	at, ok, _ := d.attached.look(policy.EndpointOf(a.UID))
	switch {
	case !ok:
		return fmt.Errorf("no policy judges pod %s", a)
	case at.Index != a.IfIndex:
		return fmt.Errorf("the policy of pod %s judges interface %s, want %s", a, at.Name, a.Interface)
	}
	return nil
}

// Del forgets where the container was. Its pod's policy stays until the pod ends.
func (d *door) Del(_ context.Context, containerID string) error {
	d.finder.Forget(containerID)
	return nil
}

// GC forgets all but the given containers.
func (d *door) GC(_ context.Context, valid []string) error {
	d.finder.Keep(valid)
	return nil
}

// Status says whether pods can start.
func (d *door) Status(context.Context) error {
	if lacking := d.missing(); len(lacking) > 0 {
		return errors.New(strings.Join(lacking, "; "))
	}
	return nil
}
