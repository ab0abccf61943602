package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nameward/nameward/hack/names/fleet"
)

// deed is what the chaos does to a program.
type deed uint8

const (
	deedUnknown deed = iota
	killEnforcer
	killReplica
	reloadReplica
)

// event is a deed at a time.
type event struct {
	at     time.Duration
	deed   deed
	target int // index of the node or the replica
	// down is how long a killed program is gone.
	down time.Duration
}

func (e event) String() string {
	return fmt.Sprintf("%s deed %d target %d down %s", e.at, e.deed, e.target, e.down)
}

const (
	// respite is what a program has at least between a start and the next kill;
	// often it is not enough to be ready.
	respite = 200 * time.Millisecond
	// settled is when a started program may be asked to reload: a signal that
	// comes before the program listens for it would end it.
	settled = 2 * time.Second
	// survivors is how many replicas are left at the least.
	survivors = 1
)

// plan is what happens in a run. It is a function of the seed.
func plan(seed uint64, lasts time.Duration) (events []event) {
	random := rand.New(rand.NewPCG(seed, uint64(lasts)))
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(random.Int64N(int64(most-least)))
	}
	// up is when the program was last started.
	up := map[deed][]time.Duration{killEnforcer: make([]time.Duration, fleet.Nodes), killReplica: make([]time.Duration, fleet.Replicas)}
	for at := between(0, respite); at < lasts; at += between(100*time.Millisecond, 700*time.Millisecond) {
		e := event{at: at, deed: killEnforcer}
		switch n := random.IntN(10); {
		case n < 2:
			e.deed = reloadReplica
		case n < 6:
			e.deed = killReplica
		}
		down := between(0, 500*time.Millisecond)
		if random.IntN(4) == 0 {
			down = between(0, 3*time.Second)
		}
		if !e.choose(random, up) {
			continue
		}
		if e.deed != reloadReplica {
			e.down = down
			up[e.deed][e.target] = at + down
		}
		events = append(events, e)
	}
	return events
}

// choose finds a target to which the deed can be done then.
func (e *event) choose(random *rand.Rand, up map[deed][]time.Duration) bool {
	programs, since := up[e.deed], respite
	if e.deed == reloadReplica {
		programs, since = up[killReplica], settled
	}
	var fit []int
	running := 0
	for i, started := range programs {
		if started <= e.at {
			running++
		}
		if started == 0 || started+since <= e.at {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 || e.deed == killReplica && running <= survivors {
		return false
	}
	e.target = fit[random.IntN(len(fit))]
	return true
}

// summary counts the deeds.
func summary(events []event) string {
	of := make(map[string]int)
	for _, e := range events {
		of[map[deed]string{killEnforcer: "enforcers killed", killReplica: "replicas killed", reloadReplica: "Corefile reloads"}[e.deed]]++
	}
	return counts(of)
}
