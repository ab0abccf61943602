package report

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

var (
	nodesResource  = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	leasesResource = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
)

// patience is how long a newly elected enforcer waits for nodes whose last report
// is old to speak. Where the API server was away, all reports are.
const patience = 20 * time.Second

// audience is what the elected enforcer hears from the nodes. Two reflectors
// write, one reader reads.
type audience struct {
	clock func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	nodes   map[string]struct{}
	reports map[string]heard // by node
	synced  [2]bool          // nodes, Leases
	since   time.Time        // of synced
	settled bool             // patience is over, or was not needed
	changed chan struct{}    // capacity 1
}

func newAudience(clock func() time.Time, log *slog.Logger) *audience {
	return &audience{clock: clock, log: log, nodes: map[string]struct{}{}, reports: map[string]heard{}, changed: make(chan struct{}, 1)}
}

// present gives what was heard so far; ok is false as long as nothing should be
// concluded from it. The values are the caller's.
func (a *audience) present() (nodes []string, reports map[string]heard, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.synced[0] || !a.synced[1] {
		return nil, nil, false
	}
	now := a.clock()
	if a.since.IsZero() {
		a.since = now
	}
	if !a.settled && now.Sub(a.since) < patience && anySilent(a.nodes, a.reports, now) {
		return nil, nil, false
	}
	a.settled = true
	return slices.Collect(maps.Keys(a.nodes)), maps.Clone(a.reports), true
}

func anySilent(nodes map[string]struct{}, reports map[string]heard, now time.Time) bool {
	for name := range nodes {
		if h, ok := reports[name]; ok && now.Sub(h.when) > overdue {
			return true
		}
	}
	return false
}

// watch listens until ctx ends. Metadata is all that is asked for: a Lease's
// report is an annotation, a node counts by its name.
func (a *audience) watch(ctx context.Context, client metadata.Interface, namespace, nodeSelector string) {
	var both sync.WaitGroup
	both.Go(func() { a.reflect(ctx, client.Resource(nodesResource), nodeSelector, nodeStore{a}) })
	both.Go(func() {
		a.reflect(ctx, client.Resource(leasesResource).Namespace(namespace), partLabel+"="+partNode, leaseStore{a})
	})
	both.Wait()
}

func (a *audience) reflect(ctx context.Context, from metadata.ResourceInterface, selector string, into cache.ReflectorStore) {
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o meta.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			return from.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o meta.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			return from.Watch(ctx, o)
		},
	}
	cache.NewReflectorWithOptions(source, &meta.PartialObjectMetadata{}, into, cache.ReflectorOptions{Name: manager}).RunWithContext(ctx)
}

func (a *audience) signal() { wake(a.changed) }

// nodeStore keeps the names of nodes.
type nodeStore struct{ *audience }

func (s nodeStore) Add(o any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := o.(meta.Object).GetName()
	if _, known := s.nodes[name]; !known {
		s.nodes[name] = struct{}{}
		s.signal()
	}
	return nil
}

func (s nodeStore) Update(o any) error { return s.Add(o) }

func (s nodeStore) Delete(o any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.nodes, o.(meta.Object).GetName())
	s.signal()
	return nil
}

func (s nodeStore) Replace(all []any, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.nodes)
	for _, o := range all {
		s.nodes[o.(meta.Object).GetName()] = struct{}{}
	}
	s.synced[0] = true
	s.signal()
	return nil
}

func (nodeStore) Resync() error { return nil }

// leaseStore keeps the reports of Leases.
type leaseStore struct{ *audience }

func (s leaseStore) Add(o any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, news := s.take(o.(meta.Object)); news {
		s.signal()
	}
	return nil
}

func (s leaseStore) Update(o any) error { return s.Add(o) }

func (s leaseStore) Delete(o any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.reports, o.(meta.Object).GetAnnotations()[nodeKey])
	s.signal()
	return nil
}

// Replace keeps what is known of a node's reports: when they were heard.
func (s leaseStore) Replace(all []any, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := make(map[string]struct{}, len(all))
	for _, o := range all {
		node, _ := s.take(o.(meta.Object))
		there[node] = struct{}{}
	}
	maps.DeleteFunc(s.reports, func(node string, _ heard) bool {
		_, ok := there[node]
		return !ok
	})
	s.synced[1] = true
	s.signal()
	return nil
}

func (leaseStore) Resync() error { return nil }

// take notes a Lease and returns its node, and whether anything follows from it:
// thousands of heartbeats do not make anybody count again. A Lease under another
// name than its node's is nobody's report, nor is one that cannot be read.
func (a *audience) take(o meta.Object) (node string, news bool) {
	node = o.GetAnnotations()[nodeKey]
	if o.GetName() != leaseName(node) {
		a.log.Warn("a Lease is not named after its node", "lease", o.GetName(), "want", leaseName(node))
		return "", false
	}
	last, known := a.reports[node]
	r, err := decodeReport(o.GetAnnotations()[reportKey])
	if err != nil {
		a.log.Warn("a node's report is unreadable", "lease", o.GetName(), "error", err)
		delete(a.reports, node)
		return "", known
	}
	now := a.clock()
	a.reports[node] = hear(last, known, r, now)
	return node, !known || r.Unpoliced != last.Unpoliced || !maps.Equal(r.Kinds, last.Kinds) || now.Sub(last.when) > overdue
}
