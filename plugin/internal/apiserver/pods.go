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
	// spacing is the shortest time between two lists of one node's pods, however
	// many sessions ask and however often they start anew.
	spacing = 500 * time.Millisecond
	// forgetAfter is when a node's listing is of no more use.
	forgetAfter = time.Minute
)

// listing is the last list of one node's pods. Whoever holds its lock lists for
// all that wait.
type listing struct {
	mu        sync.Mutex
	asked     time.Time // guarded by mu
	addresses map[netip.Addr]struct{}
	err       error
	used      time.Time // guarded by Client.mu
}

// Addresses returns the addresses of the pods that run on a node, at most a
// moment old. Pods on the host's network have none of their own, and pods that
// have come to an end have given theirs back. The map is immutable.
func (c *Client) Addresses(ctx context.Context, node string) (map[netip.Addr]struct{}, error) {
	l := c.listing(node)
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := c.clock(); l.asked.IsZero() || now.Sub(l.asked) >= spacing {
		addresses, err := c.list(ctx, node)
		if err != nil && ctx.Err() != nil {
			return nil, err // the asker's own end, and nobody else's failure
		}
		l.addresses, l.err, l.asked = addresses, err, now
	}
	return l.addresses, l.err
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
func (c *Client) list(ctx context.Context, node string) (map[netip.Addr]struct{}, error) {
	release, err := c.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	selector := fields.AndSelectors(
		fields.OneTermEqualSelector("spec.nodeName", node),
		fields.OneTermNotEqualSelector("status.phase", string(api.PodSucceeded)),
		fields.OneTermNotEqualSelector("status.phase", string(api.PodFailed)),
	)
	pods, err := c.pods.List(ctx, meta.ListOptions{FieldSelector: selector.String()})
	if err != nil {
		return nil, fmt.Errorf("list the pods of node %s: %w", node, err)
	}
	addresses := make(map[netip.Addr]struct{}, 2*len(pods.Items))
	for i := range pods.Items {
		note(addresses, &pods.Items[i], node)
	}
	return addresses, nil
}

// note judges each pod again: what an address may hear must not hang on a
// selector that somebody in between ignores.
func note(addresses map[netip.Addr]struct{}, pod *api.Pod, node string) {
	switch {
	case pod.Spec.NodeName != node, pod.Spec.HostNetwork,
		pod.Status.Phase == api.PodSucceeded, pod.Status.Phase == api.PodFailed:
		return
	}
	for _, ip := range pod.Status.PodIPs {
		if addr, err := netip.ParseAddr(ip.IP); err == nil {
			addresses[addr.Unmap()] = struct{}{}
		}
	}
}
