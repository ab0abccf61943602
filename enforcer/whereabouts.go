package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/pods"
	"github.com/nameward/nameward/enforcer/policy"
)

// reasonDoubtful is that of Events on pods that are policed where they seem to be,
// while something points elsewhere.
const reasonDoubtful = "InterfaceDoubtful"

// whereabouts has this node's pods found on the node, and every interface without
// one shut.
type whereabouts struct {
	node   string
	finder *pods.Finder
	comp   *compiler
	kernel *node
	meters *meters
	log    *slog.Logger
	// trouble is told once of each pod whose interface is doubtful.
	trouble func(pod policy.PodRef, reason, note string)

	mu sync.Mutex // guards the rest
	// pods are those of the newest view, by UID.
	pods  map[string]policy.PodRef
	found *pods.Located
	// before are interfaces that were there when a first enforcer started, and
	// are nil from the first policy on: nobody has promised anything for them
	// yet, and to cut off a running node is no start.
	before map[int]bool
	// doubts are as told last, and doubted the pods that have had one.
	doubts  map[string]string
	doubted map[string]bool
}

// newWhereabouts takes the indices of the interfaces that stay open until there is
// a policy.
func newWhereabouts(name string, f *pods.Finder, comp *compiler, n *node, before map[int]bool, trouble func(policy.PodRef, string, string)) *whereabouts {
	return &whereabouts{
		node: name, finder: f, comp: comp, kernel: n, meters: n.meters, before: before, log: n.log, trouble: trouble,
		doubted: make(map[string]bool),
	}
}

// see has the pods of a new view found.
func (w *whereabouts) see(v view) {
	var wanted []pods.Pod
	known := make(map[string]policy.PodRef)
	for _, p := range v.Local(w.node) {
		if !p.HostNetwork && !p.Finished {
			wanted = append(wanted, pods.Pod{UID: p.Ref.UID, Namespace: p.Ref.Namespace, Name: p.Ref.Name, Addresses: p.Addresses})
			known[p.Ref.UID] = p.Ref
		}
	}
	w.mu.Lock()
	w.pods = known
	w.mu.Unlock()
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
	w.doubt(l.Doubts)
}

// doubt logs doubts that are new, and has the pod's Events tell of the first: it
// may come and go with routes that do.
func (w *whereabouts) doubt(doubts map[string]string) {
	w.meters.doubtful.Set(float64(len(doubts)))
	for uid, doubt := range doubts {
		pod, known := w.pods[uid]
		if w.doubts[uid] != doubt {
			w.log.Warn("something points to another interface of a pod", "pod", pod.Namespace+"/"+pod.Name, "uid", uid, "doubt", doubt)
		}
		if known && !w.doubted[uid] {
			w.doubted[uid] = true
			w.trouble(pod, reasonDoubtful, doubt)
		}
	}
	w.doubts = doubts
	maps.DeleteFunc(w.doubted, func(uid string, _ bool) bool { _, stays := w.pods[uid]; return !stays })
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
