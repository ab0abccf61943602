// Package main proves on a small cluster of this machine, with real programs and
// real traffic, that pods reach the names of their policies and nothing else:
// from the first packet on, all at once, and whatever is killed meanwhile. It
// knows what should happen; what does, it learns from clients, servers and the
// kernels' counters, and compares the three.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/hack/names/report"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

type options struct {
	binaries product.Binaries
	trials   int
	seed     uint64
	lasts    time.Duration
	only     string
	keep     bool
}

// run returns the exit status: 0 only if nothing failed.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = o.binaries.Ready("prove-names")
	}
	if err == nil {
		err = scene.HideMounts()
	}
	if err != nil {
		fmt.Fprintln(stderr, "names:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	r := report.To(stdout)
	perform(ctx, r, &proof{options: o})
	r.Summary()
	if r.Failed() {
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("names", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o.binaries.Register(flags)
	flags.IntVar(&o.trials, "trials", 2000, "fresh names of the race, 1 to 1000000")
	flags.Uint64Var(&o.seed, "seed", 0, "of all that is left to chance; 0 takes a new one")
	flags.DurationVar(&o.lasts, "chaos", 0, "how long programs are killed, up to 10m; 0 is 10s, and longer with more trials")
	flags.StringVar(&o.only, "only", "", "the one part to run: "+strings.Join(names(), ", "))
	flags.BoolVar(&o.keep, "keep", false, "leave the fleet up at the end, until Ctrl-C")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; see -help", flags.Arg(0))
	case o.trials < 1 || o.trials > 1_000_000:
		return o, fmt.Errorf("-trials %d: want 1 to 1000000", o.trials)
	case o.lasts < 0 || o.lasts > 10*time.Minute:
		return o, fmt.Errorf("-chaos %s: want up to 10m", o.lasts)
	case o.only != "" && !slices.Contains(names(), o.only):
		return o, fmt.Errorf("-only %q is no part; write one of %s", o.only, strings.Join(names(), ", "))
	}
	if o.seed == 0 {
		o.seed = 1 + rand.Uint64()>>1
	}
	if o.lasts == 0 {
		o.lasts = min(max(10*time.Second, time.Duration(o.trials)*time.Millisecond), time.Minute)
	}
	return o, nil
}

// names are what -only takes, in the order in which the parts run.
func names() (all []string) {
	for _, part := range new(proof).parts() {
		all = append(all, part.name)
	}
	return all
}

// limit is how long a run may take at the very most, for its size.
func (o options) limit() time.Duration {
	return 5*time.Minute + 2*o.lasts + time.Duration(o.trials)*20*time.Millisecond
}

// perform runs the parts and removes what they built.
func perform(ctx context.Context, r *report.Report, p *proof) {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, p.limit())
	defer cancel()
	for _, part := range p.parts() {
		if p.only != "" && p.only != part.name || bounded.Err() != nil {
			continue
		}
		r.Part("%s, seed %d", part.name, p.seed)
		if err := part.run(bounded, r); err != nil {
			r.Fail(part.name, err)
		}
	}
	if r.Failed() && p.fleet != nil {
		r.Note("the ends of all logs\n%s", p.fleet.Tails())
		r.Note("to see it again: make prove-names TRIALS=%d SEED=%d", p.trials, p.seed)
	}
	r.Note("took %s", time.Since(began).Round(100*time.Millisecond))
	if p.keep && p.fleet != nil && ctx.Err() == nil {
		r.Note("the fleet is up; look at it with nsenter -t %d -m ip netns, end it with Ctrl-C; files are in %s", os.Getpid(), p.folder)
		<-ctx.Done()
	}
	if err := p.close(); err != nil {
		r.Fail("removing the fleet", err)
	}
}
