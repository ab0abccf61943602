package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/hack/names/fleet"
)

// crowd is all askers at once, each with one attempt after another.
type crowd struct {
	fleet *fleet.Fleet
	seed  uint64
	tally *tally
	// server is where an attempt asks.
	server func(*rand.Rand, scene.Family) netip.AddrPort

	trespassers sync.WaitGroup
}

// trespassShare is how many attempts of a hundred another pod tries as well.
const trespassShare = 10

// afterSilence is how long an asker waits after a question without answer: a
// refusal comes at once, and would be asked for without end.
const afterSilence = 20 * time.Millisecond

// run makes so many attempts, or as many as there is time for until the second
// context ends. What is under way then comes to its end. ctx stops everything.
func (c *crowd) run(ctx, until context.Context, attempts int64) {
	var left atomic.Int64
	left.Store(attempts)
	var askers sync.WaitGroup
	for _, pod := range c.fleet.Askers {
		random := rand.New(rand.NewPCG(c.seed, uint64(pod.Index)))
		askers.Go(func() {
			for until.Err() == nil && left.Add(-1) >= 0 {
				c.attempt(ctx, pod, random)
			}
		})
	}
	askers.Wait()
	c.trespassers.Wait()
}

// attempt resolves a fresh name and connects. Now and then another pod tries
// the name's address meanwhile, or right after.
func (c *crowd) attempt(ctx context.Context, pod *fleet.Pod, random *rand.Rand) {
	family := scene.Families[random.IntN(len(scene.Families))]
	a := fleet.Attempt{Server: c.server(random, family), Number: pod.Fresh(), Family: family}
	tempted, early := random.IntN(100) < trespassShare, random.IntN(2) == 0
	kind, other := c.stranger(pod, random)
	if tempted && early {
		c.trespass(ctx, kind, other, a)
	}
	outcome, err := pod.Resolve(ctx, a)
	c.tally.add(ctx, pod, a, outcome, err)
	if tempted && !early && outcome == fleet.Opened {
		c.trespass(ctx, kind, other, a)
	}
	if outcome == fleet.Unanswered {
		time.Sleep(afterSilence)
	}
}

// Kinds of strangers to a name.
const (
	twinHere  = "same policy, same node"
	twinThere = "same policy, other node"
	otherRole = "other policy"
	bystander = "no policy, asked itself"
)

// stranger picks a pod that must not reach pod's names.
func (c *crowd) stranger(pod *fleet.Pod, random *rand.Rand) (kind string, _ *fleet.Pod) {
	kind = []string{twinHere, twinThere, otherRole, bystander}[random.IntN(4)]
	among := c.fleet.Bystanders
	if kind != bystander {
		among = c.fleet.Askers
	}
	for {
		other := among[random.IntN(len(among))]
		if kind == bystander || other != pod && relation(pod, other) == kind {
			return kind, other
		}
	}
}

func relation(pod, other *fleet.Pod) string {
	switch {
	case pod.Role != other.Role:
		return otherRole
	case pod.Node == other.Node:
		return twinHere
	}
	return twinThere
}

// trespass lets the other pod try, while the asker goes on.
func (c *crowd) trespass(ctx context.Context, kind string, other *fleet.Pod, a fleet.Attempt) {
	c.trespassers.Go(func() {
		if kind == bystander {
			outcome, err := other.Resolve(ctx, a)
			c.tally.addTrespass(ctx, kind, other, outcome, err)
			return
		}
		outcome, err := other.Trespass(ctx, a.Number, a.Family)
		c.tally.addTrespass(ctx, kind, other, outcome, err)
	})
}

// counts lists how often each thing was, in a fixed order.
func counts(of map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d %s", of[what], what))
	}
	return strings.Join(parts, ", ")
}
