package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/cluster"
	"github.com/nameward/nameward/hack/prove/kernel"
	"github.com/nameward/nameward/hack/prove/search"
)

// probesPerChange are the packets of which some are judged before each write.
const (
	probesPerChange = 60
	probesPerWrite  = 20
	// portWrites is how many writes of ports there are to one with probes.
	portWrites = 512
)

// throughChanges proves that between any two writes of a change every packet is
// judged by the whole old or the whole new policy of its pod (D7), whichever
// writes the kernel refuses meanwhile (D10), and that the kernel holds in the
// end what it would hold had it never known another policy.
func throughChanges(n *kernel.Node) search.Property {
	return func(t *rapid.T, c *search.Case) {
		n.Before = nil
		defer func() { n.Before = nil }()
		at := cluster.Draw(t)
		j := &journey{t: t, c: c, n: n, random: drawRandom(t), cluster: at, world: at.World()}
		j.told = at.YAML()
		compiled := policy.Compile(j.world)
		if n.Compiled() != nil {
			compiled = n.Compiled().Next(j.world)
		}
		j.must(n.Apply(j.world, compiled))
		j.must(n.Teach(j.world, at.Lessons))
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			next, what := j.cluster.Change(t)
			refusals := rapid.SampledFrom([]int32{0, 0, 1, 4, 13, 13, 13}).Draw(t, "refusals in a row")
			if refusals > attempts && rapid.Bool().Draw(t, "overtaken") {
				// What was refused is given up, which is where the least may
				// be seen of it.
				later, then := j.cluster.Beside(next).Change(t)
				j.overtake(next, later, strings.Join(what, ", "), strings.Join(then, ", "), refusals)
				continue
			}
			j.step(next, strings.Join(what, ", "), refusals)
		}
		j.compare()
	}
}

// journey is the way through the changes of one case.
type journey struct {
	t      *rapid.T
	c      *search.Case
	n      *kernel.Node
	random *rand.Rand

	cluster *cluster.Cluster
	world   *policy.World
	// told is what a person needs to follow a failure.
	told string
}

func (j *journey) must(err error) {
	if err != nil {
		j.fail("the kernel refuses a change", err.Error())
	}
}

func (j *journey) fail(what, tale string) {
	j.n.Before = nil
	j.c.Fail(j.t, what, j.told+"\n"+tale)
}

// step makes one change, with so many writes refused in a row, and looks at
// packets before each write.
func (j *journey) step(next *cluster.Cluster, what string, refusals int32) {
	j.told += fmt.Sprintf("\n# then: %s; writes refused in a row: %d\n%s", what, refusals, next.YAML())
	w := next.WorldAfter(j.world)
	probes := j.probes(next, w)
	compiled := j.n.Compiled().Next(w)
	err, refused := j.attempt(w, compiled, probes, refusals)
	if refused {
		err, _ = j.attempt(w, compiled, probes, 0)
	}
	j.must(err)
	j.arrive(next, w, probes)
}

// overtake begins a change that the kernel refuses half way, and goes on to
// another from there.
func (j *journey) overtake(next, later *cluster.Cluster, what, then string, refusals int32) {
	j.told += fmt.Sprintf("\n# then: %s; writes refused in a row: %d\n%s\n# if refused then: %s\n%s",
		what, refusals, next.YAML(), then, later.YAML())
	w := next.WorldAfter(j.world)
	last := later.WorldAfter(w)
	probes := j.probes(next, w)
	compiled := j.n.Compiled().Next(w)
	err, refused := j.attempt(w, compiled, probes, refusals)
	if !refused {
		j.must(err)
		j.arrive(next, w, probes)
		return
	}
	probes = j.overtaken(later, w, last)
	err, _ = j.attempt(last, compiled.Next(last), probes, 0)
	j.must(err)
	j.arrive(later, last, probes)
}

// arrive looks at all packets where a change is complete.
func (j *journey) arrive(next *cluster.Cluster, w *policy.World, probes []*probe) {
	j.cluster, j.world = next, w
	for _, p := range probes {
		p.turned = true
		j.look(p, "after the last write")
	}
	j.must(j.n.Teach(w, next.Lessons))
	for _, p := range probes {
		p.after.Names = next.NamesOf(p.packet)
		p.new = policy.Decisions(w, p.after, false)
		j.look(p, "after names were learnt")
	}
}

// attempts is how often the datapath tries a write.
const attempts = 6

// attempt says whether the change failed because of its refusals.
func (j *journey) attempt(w *policy.World, compiled *policy.Compiled, probes []*probe, refusals int32) (err error, refused bool) {
	refusal := []error{unix.ENOMEM, unix.EBUSY}[j.random.IntN(2)]
	// Late refusals leave most behind them.
	first, from := j.random.Int32N(60), ""
	if j.random.IntN(3) > 0 {
		first, from = 0, []string{"world", "world", "prefixes", "endpoints"}[j.random.IntN(4)]
	}
	var begun atomic.Bool
	var writes, told atomic.Int32
	j.n.Before = func(table string, here bool) error {
		at := writes.Add(1) - 1
		// A port range is tens of thousands of writes.
		if here && (table != "ports" || j.random.IntN(portWrites) == 0) {
			for range min(probesPerWrite, len(probes)) {
				j.look(probes[j.random.IntN(len(probes))], fmt.Sprintf("before write %d, of table %s", at, table))
			}
		}
		if from == "" || table == from {
			begun.Store(true)
		}
		if at < first || !begun.Load() || told.Add(1) > refusals {
			return nil
		}
		return fmt.Errorf("%w: %w", errRefused, refusal)
	}
	err = j.n.Apply(w, compiled)
	j.n.Before = nil
	return err, errors.Is(err, errRefused)
}

var errRefused = errors.New("refused by the proof")

// look judges a packet. Once its pod was seen under the new policy, the old one
// must not come back.
func (j *journey) look(p *probe, when string) {
	j.c.Judged++
	got, _, err := j.n.Judge(p.after)
	if errors.Is(err, kernel.ErrNotAttached) && !p.turned {
		return // the interface runs programs whose tables have become too small
	}
	j.must(err)
	is := func(d policy.Decision) bool { return told(got, d) }
	if slices.ContainsFunc(p.new, is) {
		if !slices.ContainsFunc(p.old, is) {
			p.pod.turned = true
		}
		return
	}
	if slices.ContainsFunc(p.old, is) && !p.turned && !p.pod.turned {
		return
	}
	tale := fmt.Sprintf("packet: %v\n%s\nkernel: %v in tier %v: %v\n", p.packet, when, got.Verdict(), got.Tier(), got)
	tale += listed("old rules", p.old) + listed("new rules", p.new)
	if p.turned || p.pod.turned {
		tale += "the pod had the new policy before\n"
	}
	j.fail("a packet saw neither the old nor the new policy", tale)
}

// compare reads back what the kernel holds.
func (j *journey) compare() {
	// Rows of name classes that are held no more go with the next change.
	j.must(j.n.Apply(j.world, j.n.Compiled()))
	got, err := j.n.Contents()
	j.must(err)
	want, err := j.n.Fresh(j.world)
	j.must(err)
	for table := range want {
		for key, value := range want[table] {
			if got[table][key] != value {
				j.fail("the kernel lacks an entry after changes", fmt.Sprintf("table %s, key %s\ngot  %q\nwant %q\n", table, key, got[table][key], value))
			}
		}
		for key, value := range got[table] {
			if _, ok := want[table][key]; !ok {
				j.fail("the kernel has an entry too many after changes", fmt.Sprintf("table %s, key %s\ngot  %q\n", table, key, value))
			}
		}
	}
	j.c.Judged++
}
