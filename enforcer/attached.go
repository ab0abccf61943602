package main

import (
	"context"
	"sync"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
)

// attached are the pods whose policy is in the kernel and at their interface, for
// those who wait for one: a pod that the network's plugin is about to start.
type attached struct {
	mu      sync.Mutex
	pods    map[policy.EndpointID]datapath.Interface
	changed chan struct{} // closed when pods is replaced, and replaced too
}

func newAttached() *attached { return &attached{changed: make(chan struct{})} }

// replace takes all that are attached now, and keeps the map.
func (a *attached) replace(pods map[policy.EndpointID]datapath.Interface) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pods = pods
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *attached) look(ep policy.EndpointID) (at datapath.Interface, ok bool, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, ok = a.pods[ep]
	return at, ok, a.changed
}

// wait returns when the pod's policy judges the interface of that index: not one
// that the pod had before, as where its sandbox is made anew. It returns ctx's
// error where that ends first.
func (a *attached) wait(ctx context.Context, ep policy.EndpointID, index int) error {
	for {
		at, ok, changed := a.look(ep)
		if ok && at.Index == index {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
