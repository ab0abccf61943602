package apiserver

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	api "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

const (
	// spacing is the shortest time between two lists of one node's pods in the
	// long run, however many sessions ask and however often they start anew.
	spacing = 500 * time.Millisecond
	// burst is how many lists may follow each other at once. Pods start in
	// bursts, and each is to be found before it has asked for its first name.
	burst = 4
	// forgetAfter is when a node's listing is of no more use.
	forgetAfter = time.Minute
	// awaitingFor is how long after it was bound to its node a pod is taken to be
	// about to get an address. A node has some pods that never get one.
	awaitingFor = time.Minute
)

// listing is the last list of one node's pods. Whoever holds its lock lists for
// all that wait.
type listing struct {
	mu    sync.Mutex
	asked time.Time // when the last list began; guarded by mu
	spare float64   // lists that may follow at once, after that one; guarded by mu
	last  census    // guarded by mu
	err   error     // guarded by mu
	used  time.Time // guarded by Client.mu
}

// census is what one list says of a node's pods. It is immutable.
type census struct {
	addresses map[netip.Addr]struct{}
	awaiting  []string
}

// Pods returns what the API has of a node's pods, at most a moment old, and
// nothing of it changes: the addresses of those that run there, and the UIDs of
// those that were bound to the node lately and have no address in the API yet,
// where the kubelet writes it about a second after the pod got it. Pods on the
// host's network have no address of their own, and pods that have come to an end
// have given theirs back.
func (c *Client) Pods(ctx context.Context, node string) (addresses map[netip.Addr]struct{}, awaiting []string, err error) {
	arrived := c.clock()
	l := c.listing(node)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := c.clock()
	// What began after the asker came is good enough for it.
	if spare := l.refill(now); l.asked.Before(arrived) && spare >= 1 {
		last, err := c.list(ctx, node)
		if err != nil && ctx.Err() != nil {
			return nil, nil, err // the asker's own end, and nobody else's failure
		}
		l.last, l.err, l.spare, l.asked = last, err, spare-1, now
	}
	return l.last.addresses, l.last.awaiting, l.err
}

// refill returns how many lists may begin now. The caller holds l.mu.
func (l *listing) refill(now time.Time) float64 {
	return min(burst, l.spare+float64(now.Sub(l.asked))/float64(spacing))
}

func (c *Client) listing(node string) *listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if now.Sub(c.swept) > forgetAfter {
		c.swept = now
		for name, have := range c.listings {
			if now.Sub(have.used) > forgetAfter {
				delete(c.listings, name)
			}
		}
	}
	l := c.listings[node]
	if l == nil {
		l = &listing{}
		c.listings[node] = l
	}
	l.used = now
	return l
}

// list asks for the present state, no cached one: an address that has just
// changed hands is what the question is about. From Kubernetes 1.31 on, the API
// server answers from its cache all the same, by its index of nodes.
func (c *Client) list(ctx context.Context, node string) (census, error) {
	release, err := c.turn(ctx)
	if err != nil {
		return census{}, err
	}
	defer release()
	selector := fields.AndSelectors(
		fields.OneTermEqualSelector("spec.nodeName", node),
		fields.OneTermNotEqualSelector("status.phase", string(api.PodSucceeded)),
		fields.OneTermNotEqualSelector("status.phase", string(api.PodFailed)),
	)
	pods, err := c.pods.List(ctx, meta.ListOptions{FieldSelector: selector.String()})
	if err != nil {
		return census{}, fmt.Errorf("list the pods of node %s: %w", node, err)
	}
	out := census{addresses: make(map[netip.Addr]struct{}, 2*len(pods.Items))}
	now := c.clock()
	for i := range pods.Items {
		out.note(&pods.Items[i], node, now)
	}
	return out, nil
}

// note judges each pod again: what an address may hear must not hang on a
// selector that somebody in between ignores.
func (s *census) note(pod *api.Pod, node string, now time.Time) {
	switch {
	case pod.Spec.NodeName != node, pod.Spec.HostNetwork,
		pod.Status.Phase == api.PodSucceeded, pod.Status.Phase == api.PodFailed:
		return
	}
	for _, ip := range pod.Status.PodIPs {
		if addr, err := netip.ParseAddr(ip.IP); err == nil {
			s.addresses[addr.Unmap()] = struct{}{}
		}
	}
	// In either direction, as the API server's clock is not ours.
	lately := now.Sub(bound(pod)).Abs() <= awaitingFor
	if len(pod.Status.PodIPs) == 0 && pod.DeletionTimestamp == nil && lately {
		s.awaiting = append(s.awaiting, string(pod.UID))
	}
}

// bound is when the pod got its node. Where no scheduler gave it one, it was
// made with it.
func bound(pod *api.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == api.PodScheduled && c.Status == api.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return pod.CreationTimestamp.Time
}
