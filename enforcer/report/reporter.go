package report

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/nameward/nameward/enforcer/policy"
)

// Config is what a Reporter needs. All fields are required unless they say
// otherwise.
type Config struct {
	// REST reaches the API server. It is copied.
	REST *rest.Config
	// Node is the name of this enforcer's Node object.
	Node string
	// Namespace is the enforcers' own, for their Leases.
	Namespace string
	// PodName and PodUID tell this process from its predecessors and from
	// others on the node, such as at an update.
	PodName string
	PodUID  types.UID
	// NodeSelector restricts the nodes that count to those where enforcers are
	// meant to run, as a label selector; empty = all.
	NodeSelector string
	// Clock is time.Now.
	Clock func() time.Time
	Log   *slog.Logger
}

func (c *Config) check() error {
	switch {
	case c.REST == nil:
		return errors.New("report: want a REST config")
	case c.Node == "":
		return errors.New("report: want the name of this node")
	case c.Namespace == "":
		return errors.New("report: want the enforcers' namespace")
	case c.PodName == "":
		return errors.New("report: want the name of this pod")
	case c.Clock == nil || c.Log == nil:
		return errors.New("report: want a clock and a log")
	}
	return nil
}

// Settings is the ConfigMap that users write, and what is wrong with it.
type Settings struct {
	Namespace, Name string
	UID             types.UID
	// Faults name field and what would be right; empty = all is well.
	Faults []string
}

// Stats are for metrics.
type Stats struct {
	// Elected says that this enforcer writes the cluster's conditions.
	Elected bool
	// StatusWrites counts conditions written, by policy.
	StatusWrites uint64
	// EventsDropped counts Events that did not fit or were refused.
	EventsDropped uint64
}

// Reporter tells the API server what this enforcer does, and, while it is the
// elected one, what all do. Its methods are safe for concurrent use, and none
// but Run waits for anything.
type Reporter struct {
	api      *api
	config   Config
	book     book
	settings atomic.Pointer[Settings]
	recorder *recorder
	speaker  *speaker
	node     atomic.Pointer[types.UID]
	// forOffice wakes the elected one's work; capacity 1.
	forOffice chan struct{}
	elected   atomic.Bool
	written   atomic.Uint64
}

// New prepares a Reporter; nothing is asked or written before Run.
func New(c Config) (*Reporter, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	client, err := newAPI(c.REST)
	if err != nil {
		return nil, err
	}
	r := &Reporter{api: client, config: c, forOffice: make(chan struct{}, 1)}
	r.recorder = &recorder{api: client, instance: c.PodName, clock: c.Clock, log: c.Log, records: newRecords(), changed: make(chan struct{}, 1)}
	r.speaker = &speaker{
		api: client, namespace: c.Namespace, node: c.Node, book: &r.book, clock: c.Clock, log: c.Log,
		changed: make(chan struct{}, 1), known: func(uid types.UID) { r.node.Store(&uid) },
		tell: func(u Unpoliced) { r.recorder.say(notPoliced(u.Pod, u.Why), again) },
	}
	return r, nil
}

// Set replaces what is known. Only the newest counts.
func (r *Reporter) Set(s State) {
	r.book.set(s)
	wake(r.speaker.changed)
	wake(r.forOffice)
}

// SetSettings replaces what is known of the settings. The elected enforcer tells
// of their faults.
func (r *Reporter) SetSettings(s Settings) {
	r.settings.Store(&s)
	wake(r.forOffice)
}

// KernelFailed tells of an update that the kernel did not take (D10). It may be
// called for every try: they become one Event with a count.
func (r *Reporter) KernelFailed(err error) {
	var uid types.UID
	if known := r.node.Load(); known != nil {
		uid = *known
	}
	r.recorder.say(kernelFailed(r.config.Node, uid, err), 0)
}

// PodTrouble tells of something that is wrong with a pod of this node, besides
// not being policed, which is in State. reason is a word in CamelCase.
func (r *Reporter) PodTrouble(pod policy.PodRef, reason, note string) {
	r.recorder.say(event{podReference(pod), reason, "Enforce", note}, 0)
}

// Stats are the present ones.
func (r *Reporter) Stats() Stats {
	return Stats{r.elected.Load(), r.written.Load(), r.recorder.droppedSoFar()}
}

// Run reports until ctx ends, and returns nil then. It waits out every failure
// of the API server. It may be called once.
func (r *Reporter) Run(ctx context.Context) error {
	defer r.api.close()
	c := r.config
	vote := &election{
		api: r.api, namespace: c.Namespace, clock: c.Clock, log: c.Log,
		candidate: candidate{me: c.Node + "_" + c.PodName + "_" + string(c.PodUID)},
		nodes:     r.nodes,
	}
	var all sync.WaitGroup
	all.Go(func() { r.speaker.run(ctx) })
	all.Go(func() { r.recorder.run(ctx) })
	all.Go(func() { vote.run(ctx, r.act) })
	all.Wait()
	return nil
}

// act is one term of office.
func (r *Reporter) act(ctx context.Context) {
	r.elected.Store(true)
	defer r.elected.Store(false)
	o := &office{
		api: r.api, namespace: r.config.Namespace, nodeSelector: r.config.NodeSelector, book: &r.book, settings: &r.settings,
		recorder: r.recorder, clock: r.config.Clock, log: r.config.Log, changed: r.forOffice, written: &r.written,
	}
	o.run(ctx)
}

func (r *Reporter) nodes() int {
	if l := r.book.newest(); l != nil {
		return l.state.Nodes
	}
	return 0
}

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
