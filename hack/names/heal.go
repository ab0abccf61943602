package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/hack/names/fleet"
)

// pair is a node and a replica that its pods ask.
type pair struct {
	node    *fleet.Node
	replica *fleet.Replica
}

// lives tell whether anything happened to either since.
func (p pair) lives() [2]int { return [2]int{p.node.Life(), p.replica.Life()} }

func (p pair) running() bool {
	lives := p.lives()
	return fleet.Running(lives[0]) && fleet.Running(lives[1])
}

// healer finds out when a pair works together again.
type healer struct {
	fleet *fleet.Fleet
	tally *tally

	mu sync.Mutex
	// fromStart and fromReady are how long pairs took since the program's
	// start, and since it said that it serves.
	fromStart, fromReady []time.Duration // guarded by mu
	// unhealed are pairs that did not, overtaken those of which one was killed
	// again meanwhile.
	unhealed, overtaken int // guarded by mu
}

func newHealer(f *fleet.Fleet, t *tally) *healer { return &healer{fleet: f, tally: t} }

const (
	// knock is how often a fresh name is tried.
	knock = 40 * time.Millisecond
	// hopeless is when a pair is given up.
	hopeless = 15 * time.Second
)

// watch tries fresh names until one is open to its first SYN, and says when. It
// gives up where something else happens to the pair. All its attempts have
// ended by then.
func (h *healer) watch(ctx context.Context, p pair) (at time.Time, healed bool) {
	lives := p.lives()
	until, stop := context.WithTimeout(ctx, hopeless)
	defer stop()
	var attempts sync.WaitGroup
	var once sync.Once
	tick := time.NewTicker(knock)
	defer tick.Stop()
	for i := 0; until.Err() == nil && p.lives() == lives; i++ {
		attempts.Go(func() {
			if h.knock(ctx, p, i) {
				once.Do(func() { at, healed = time.Now(), true })
				stop()
			}
		})
		select {
		case <-until.Done():
		case <-tick.C:
		}
	}
	attempts.Wait()
	return at, healed
}

func (h *healer) knock(ctx context.Context, p pair, i int) bool {
	pod, family := p.node.Askers[i%len(p.node.Askers)], scene.Families[i%len(scene.Families)]
	a := fleet.Attempt{Server: p.replica.Server(family), Number: pod.Fresh(), Family: family}
	outcome, err := pod.Resolve(ctx, a)
	h.tally.add(ctx, pod, a, outcome, err)
	return outcome == fleet.Opened
}

// measure watches all pairs of a program that was started just now.
func (h *healer) measure(ctx context.Context, started *fleet.Program, pairs []pair) {
	born := time.Now()
	var all sync.WaitGroup
	ready := make(chan time.Time, 1)
	all.Go(func() {
		_ = started.AwaitReady(ctx) // killed before it was: then nothing heals
		ready <- time.Now()
	})
	type result struct {
		at     time.Time
		healed bool
		lives  [2]int
		pair   pair
	}
	results := make(chan result, len(pairs))
	for _, p := range pairs {
		lives := p.lives()
		all.Go(func() {
			at, healed := h.watch(ctx, p)
			results <- result{at, healed, lives, p}
		})
	}
	all.Wait()
	close(results)
	served := <-ready
	for r := range results {
		h.note(born, served, r.at, r.healed, r.pair.lives() != r.lives)
	}
}

func (h *healer) note(born, served, healed time.Time, did, overtaken bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case did:
		h.fromStart = append(h.fromStart, healed.Sub(born))
		h.fromReady = append(h.fromReady, max(0, healed.Sub(served)))
	case overtaken:
		h.overtaken++
	default:
		h.unhealed++
	}
}

// quantile is the smallest of the values that so large a part is not above.
func quantile(of []time.Duration, part float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}
