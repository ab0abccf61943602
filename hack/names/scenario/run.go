package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/names/authority"
)

// Lifetimes of the run, SEMANTICS.md's defaults (N5).
const (
	minTTL = 30 * time.Second
	grace  = 60 * time.Second
)

// limit is how long a run may take at the very most.
const limit = 3 * time.Minute

// clients is how many rows are played at a time.
const clients = 8

// Run plays the whole table against the programs and writes it to out, with what
// was otherwise than wanted. It needs root, and a folder that is empty, where
// Corefiles and logs stay. An error means that the table was not played; no
// process, mount or network namespace is left behind either way.
func Run(ctx context.Context, folder string, binaries product.Binaries, out io.Writer) (Total, error) {
	return play(ctx, folder, binaries, Table(), out)
}

// Total is how many rows, and checks of the run as a whole, were as wanted.
type Total struct{ Passed, Failed int }

func play(ctx context.Context, folder string, binaries product.Binaries, rows []Row, out io.Writer) (total Total, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	scripts := make(map[string]authority.Script)
	for i, row := range rows {
		for name, script := range row.scripts(i) {
			scripts[name] = script
		}
	}
	var w world
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.build(ctx, folder, binaries, scripts); err != nil {
		return total, w.with(err)
	}
	ready := time.Now()
	r := run{world: &w, rows: rows, results: make([]result, len(rows))}
	if err := r.all(ctx); err != nil {
		return total, w.with(err)
	}
	total = report(out, r.judged(), r.failures)
	fmt.Fprintf(out, "%d rows, ready after %s, took %s\n", len(rows), rounded(ready.Sub(began)), rounded(time.Since(began)))
	if total.Failed > 0 {
		fmt.Fprintln(out, w.product.Tails())
	}
	return total, nil
}

func rounded(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

// with adds the ends of the programs' logs.
func (w *world) with(err error) error {
	if w.product == nil {
		return err
	}
	return fmt.Errorf("%w\n%s", err, w.product.Tails())
}

// run is the table in play.
type run struct {
	world   *world
	rows    []Row
	results []result
	// strange is how many SYNs of a pod that has not asked were dropped.
	strange uint64
	// failures are what is wrong with the run and with no one row.
	failures []string
}

// result is what became of a row.
type result struct {
	saw string
	shots
	// asked and answered are when the last question was, on CLOCK_MONOTONIC.
	asked, answered time.Duration
	// grants is what the kernel holds in the end for the addresses of the row.
	grants map[netip.Addr]time.Duration
	// counted says how much each of the row's Counts has grown, shared evenly
	// by the rows that name it.
	counted map[string]float64
	err     error
}

// all plays the rows, many at a time: each has names and addresses of its own.
func (r *run) all(ctx context.Context) error {
	if err := r.control(); err != nil {
		return err
	}
	before, err := r.world.gauge(ctx)
	if err != nil {
		return err
	}
	var next atomic.Int64
	var players sync.WaitGroup
	for range clients {
		players.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(r.rows) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				r.results[i] = r.playRow(ctx, i)
			}
		})
	}
	players.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.strangers(); err != nil {
		return err
	}
	after, err := r.world.gauge(ctx)
	if err != nil {
		return err
	}
	r.count(before, after)
	if err := r.grants(); err != nil {
		return err
	}
	return r.comeLate(ctx)
}

// control proves that a SYN which is dropped is dropped by policy: a pod that
// may reach everything reaches every address that some row wants closed.
func (r *run) control() error {
	var to []netip.Addr
	for i, row := range r.rows {
		to = append(to, addresses(i, row.Drops)...)
	}
	var s shots
	err := r.world.scene.Pods.Guest.Netspace().Do(func() (err error) {
		s, err = syn(to)
		return err
	})
	for _, addr := range to {
		if f := s.fates[addr]; f != passed && err == nil {
			r.failures = append(r.failures, fmt.Sprintf("a pod without restrictions, SYN to %s: got %s, want passed", addr, f))
		}
	}
	return err
}

// playRow asks the row's questions, and sends the SYNs on the thread that reads
// the last answer, so that as little time as possible lies between the two.
func (r *run) playRow(ctx context.Context, i int) result {
	row, res := r.rows[i], result{}
	warm := func() error {
		for _, ask := range row.complete(row.Warm, nil) {
			if _, err := ask.put(ctx); err != nil {
				return fmt.Errorf("ask %s before: %w", ask.Name, err)
			}
		}
		return nil
	}
	if err := r.world.scene.Pods.Crawler2.Netspace().Do(warm); err != nil {
		res.err = err
		return res
	}
	to := append(addresses(i, row.Grants), addresses(i, row.Drops)...)
	res.err = r.world.scene.Pods.Crawler.Netspace().Do(func() (err error) {
		for _, ask := range row.asks() {
			time.Sleep(ask.Pause) // it is the passing of time that acts here
			res.asked = datapath.Now()
			res.saw = saw(ask.put(ctx))
			res.answered = datapath.Now()
		}
		res.shots, err = syn(to)
		return err
	})
	return res
}

// strangers sends SYNs of a pod that has the same policy and has not asked (N2).
func (r *run) strangers() error {
	var to []netip.Addr
	for i, row := range r.rows {
		if grants := addresses(i, row.Grants); len(grants) > 0 && len(row.Warm) == 0 {
			to = append(to, grants[0])
		}
	}
	var s shots
	err := r.world.scene.Pods.Crawler2.Netspace().Do(func() (err error) {
		s, err = syn(to)
		return err
	})
	for _, addr := range to {
		if f := s.fates[addr]; f != dropped && err == nil {
			r.failures = append(r.failures, fmt.Sprintf("N2: a pod that has not asked, SYN to %s: got %s, want dropped", addr, f))
		}
	}
	r.strange = s.lost
	return err
}

// grants reads the kernel's tables, gives each row its own, and finds what
// belongs to no row.
func (r *run) grants() error {
	pods := r.world.scene.Pods
	own, err := granted(r.world.product.Pins(), pods.Crawler)
	if err != nil {
		return err
	}
	others, err := granted(r.world.product.Pins(), pods.Crawler2)
	if err != nil {
		return err
	}
	for i, row := range r.rows {
		res := &r.results[i]
		res.grants = make(map[netip.Addr]time.Duration)
		for _, addr := range addresses(i, row.Grants+" "+row.Drops+" "+row.Never) {
			if expires, ok := own[addr]; ok {
				res.grants[addr] = expires
				delete(own, addr)
			}
			if len(row.Warm) > 0 {
				delete(others, addr)
			}
		}
	}
	for addr := range own {
		r.failures = append(r.failures, fmt.Sprintf("granted and in no row: %s", addr))
	}
	for addr := range others {
		r.failures = append(r.failures, fmt.Sprintf("N2: granted to a pod that has not asked: %s", addr))
	}
	return nil
}
