package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/pods"
)

// whereabouts has this node's pods found on the node, and every interface without
// one shut.
type whereabouts struct {
	node   string
	finder *pods.Finder
	comp   *compiler
	kernel *node
	meters *meters
	log    *slog.Logger

	mu    sync.Mutex // guards the rest
	found *pods.Located
	// before are interfaces that were there when a first enforcer started, and
	// are nil from the first policy on: nobody has promised anything for them
	// yet, and to cut off a running node is no start.
	before map[int]bool
	doubts map[string]string // as told last
}

// newWhereabouts takes the indices of the interfaces that stay open until there is
// a policy.
func newWhereabouts(name string, f *pods.Finder, comp *compiler, n *node, m *meters, before map[int]bool, log *slog.Logger) *whereabouts {
	return &whereabouts{node: name, finder: f, comp: comp, kernel: n, meters: m, before: before, log: log}
}

// see has the pods of a new view found.
func (w *whereabouts) see(v view) {
	var wanted []pods.Pod
	for _, p := range v.Local(w.node) {
		if !p.HostNetwork && !p.Finished {
			wanted = append(wanted, pods.Pod{UID: p.Ref.UID, Namespace: p.Ref.Namespace, Name: p.Ref.Name, Addresses: p.Addresses})
		}
	}
	w.finder.Node(v.Addresses(w.node))
	w.finder.Want(wanted)
}

// run finds until ctx ends. begun tells that a policy is in force.
func (w *whereabouts) run(ctx context.Context, begun <-chan struct{}) {
	var first sync.WaitGroup
	defer first.Wait()
	first.Go(func() {
		select {
		case <-ctx.Done():
		case <-begun:
			w.begin()
		}
	})
	for {
		err := w.finder.Run(ctx, w.take)
		if ctx.Err() != nil {
			return
		}
		w.log.Error("pods' interfaces cannot be found, will try again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// begin ends the exception for interfaces that were there before.
func (w *whereabouts) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = nil
	w.guard()
}

// take hands on what was found.
func (w *whereabouts) take(l *pods.Located) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = l
	w.guard() // first: it waits for nothing
	w.comp.setLocations(locationsOf(l))
	w.meters.unknown.Set(float64(len(l.Unknown)))
	for uid, doubt := range l.Doubts {
		if w.doubts[uid] != doubt {
			w.log.Warn("something points to another interface of a pod", "uid", uid, "doubt", doubt)
		}
	}
	w.doubts = l.Doubts
}

// guard tells all interfaces that look like a pod's. Those whose pod is known are
// among them: they are shut until its policy judges them.
func (w *whereabouts) guard() {
	if w.found == nil {
		return
	}
	all := slices.Clone(w.found.Unknown)
	for _, at := range w.found.Interfaces {
		all = append(all, at)
	}
	var guarded []datapath.Interface
	for _, at := range all {
		if !w.before[at.Index] {
			guarded = append(guarded, datapath.Interface(at))
		}
	}
	w.kernel.guard(guarded, w.comp.localAddresses())
}

// locationsOf are what the compiler takes of what was found.
func locationsOf(l *pods.Located) *locations {
	found := &locations{found: true, interfaces: make(map[string]datapath.Interface, len(l.Interfaces)), addresses: l.Addresses, why: l.Why}
	for uid, at := range l.Interfaces {
		found.interfaces[uid] = datapath.Interface(at)
	}
	return found
}
