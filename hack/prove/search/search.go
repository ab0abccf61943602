// Package search looks for a case that breaks a property, for as long as its
// budget lasts, and makes the case that it finds small. It knows seeds, time and
// how to shrink; it must not know what is proven.
package search

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"
)

// Property fails a case by Case.Fail.
type Property func(*rapid.T, *Case)

// Case is one drawn case, and the smaller ones that are tried where it fails.
type Case struct {
	// Focus is for the property: it may note what failed and look there first
	// when it is asked again.
	Focus any
	// Judged is what the property has compared.
	Judged int
	tale   string
}

// Fail ends the case. What must be the same text wherever the same defect is
// seen, or the case cannot be made smaller; tale is for people.
func (c *Case) Fail(t *rapid.T, what, tale string) {
	c.tale = tale
	t.Fatalf("%s", what)
}

// Failure is a case that broke the property, made small.
type Failure struct {
	Seed       uint64
	What, Tale string
}

// Result is what a search has found.
type Result struct {
	Name string
	// Seed is the first case's; each later one has a seed derived from it.
	Seed uint64
	// Drawn cases, and what was compared in them.
	Drawn, Judged int
	Took          time.Duration
	Failures      []Failure
}

// enough failures are told, since most have one cause.
const enough = 3

// shrinkTime is how long a case is made smaller.
const shrinkTime = "20s"

// Search looks with one property; see Hunt.
func Search(name string, budget time.Duration, seed uint64, property Property) Result {
	h := New(name, budget, seed)
	h.Join(property)
	return h.End()
}

// Hunt is a search that several goroutines join, each with a property of its
// own, such as one that waits for its own kernel tables.
type Hunt struct {
	budget  time.Duration
	began   time.Time
	restore func()

	mu     sync.Mutex
	result Result     // guarded by mu
	seeds  *rand.Rand // guarded by mu
}

// New begins a search. At least one case is drawn; the first from the seed as it
// is, so that a failing case's own seed shows it again.
func New(name string, budget time.Duration, seed uint64) *Hunt {
	return &Hunt{
		budget: budget, began: time.Now(),
		restore: settings(map[string]string{
			"rapid.checks": "1", "rapid.nofailfile": "true", "rapid.shrinktime": shrinkTime,
			"rapid.seed": flag.Lookup("rapid.seed").Value.String(),
		}),
		result: Result{Name: name, Seed: seed},
		seeds:  rand.New(rand.NewPCG(seed, 0)),
	}
}

// Join tries case after case in the caller's goroutine.
func (h *Hunt) Join(property Property) {
	for {
		seed, ok := h.next()
		if !ok {
			return
		}
		c := &Case{}
		what := try(seed, property, c)
		h.mu.Lock()
		h.result.Judged += c.Judged
		if what != "" {
			h.result.Failures = append(h.result.Failures, Failure{seed, what, c.tale})
		}
		h.mu.Unlock()
	}
}

func (h *Hunt) next() (seed uint64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.result.Drawn == 0
	if len(h.result.Failures) >= enough || !first && time.Since(h.began) >= h.budget {
		return 0, false
	}
	h.result.Drawn++
	if first {
		return h.result.Seed, true
	}
	return 1 + h.seeds.Uint64()>>1, true
}

// End gives what was found, after all who joined have returned.
func (h *Hunt) End() Result {
	h.restore()
	h.result.Took = time.Since(h.began)
	return h.result
}

// settings sets flags of package rapid, which has no other way, and gives what
// sets them back.
func settings(all map[string]string) (restore func()) {
	before := map[string]string{}
	for name, value := range all {
		before[name] = flag.Lookup(name).Value.String()
		set(name, value)
	}
	return func() {
		for name, value := range before {
			set(name, value)
		}
	}
}

func set(name, value string) {
	if err := flag.Set(name, value); err != nil {
		panic(err) // flags of a module whose version is pinned
	}
}

// seeding is held from when the seed is set until package rapid has read it.
var seeding sync.Mutex

// try gives what is wrong, or "".
func try(seed uint64, property Property, c *Case) string {
	seeding.Lock()
	set("rapid.seed", fmt.Sprint(seed))
	judged := &judge{}
	func() {
		defer func() {
			if r := recover(); r != nil && r != errEnd {
				panic(r)
			}
		}()
		first := true
		rapid.Check(judged, func(t *rapid.T) {
			if first {
				seeding.Unlock()
			} else {
				before := c.Judged
				defer func() { c.Judged = before }() // shrinking proves nothing more
			}
			first = false
			property(t, c) // from one line only: a failure is known by its stack
		})
	}()
	if !judged.failed {
		return ""
	}
	// A panic has no tale of its own.
	if c.tale == "" {
		c.tale = judged.text.String()
	}
	return firstLine(judged.text.String())
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimPrefix(line, "[rapid] ")
}
