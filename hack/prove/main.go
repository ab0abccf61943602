// Package main proves on random clusters that the kernel judges packets as the
// policies of users mean it: the reference evaluator against independent
// oracles, against compiled tables, against the programs in the kernel, and
// between any two writes of a change. It knows how to compare; what is right it
// must take from package policy's evaluator alone.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/hack/prove/search"
)

func main() {
	// Package rapid asks package testing for flags that only go test parses.
	testing.Init()
	_ = flag.CommandLine.Parse(nil)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	budget time.Duration
	seed   uint64
	only   string
}

// proofs are the names that -only takes, in the order in which they run.
var proofs = []string{oraclesName, tablesName, kernelName, changesName}

// run returns the exit status: 0 only if nothing failed.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "prove:", err)
		return 2
	}
	var passed, failed int
	for _, name := range proofs {
		if o.only != "" && o.only != name {
			continue
		}
		r, err := prove(name, o, stdout)
		if err != nil {
			fmt.Fprintf(stderr, "prove: %s: %v\n", name, err)
			failed++
			continue
		}
		passed += r.Judged - len(r.Failures)
		failed += len(r.Failures)
	}
	fmt.Fprintf(stdout, "%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("prove", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.budget, "budget", time.Minute, "how long each proof looks for a failure")
	flags.Uint64Var(&o.seed, "seed", 0, "the first case; that of a failure shows it again; 0 takes a new one")
	flags.StringVar(&o.only, "only", "", "the one proof to run: "+strings.Join(proofs, ", "))
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected %q; all that can be said are flags", flags.Arg(0))
	}
	if o.only != "" && !slices.Contains(proofs, o.only) {
		return o, fmt.Errorf("-only %q is not a proof; write one of %s", o.only, strings.Join(proofs, ", "))
	}
	if o.seed == 0 {
		o.seed = 1 + rand.Uint64()>>1
	}
	return o, nil
}

func prove(name string, o options, out io.Writer) (search.Result, error) {
	switch name {
	case oraclesName:
		return askOracles(o, out)
	case kernelName, changesName:
		return inKernel(name, o, out)
	}
	r := search.Search(name, o.budget, o.seed, tables)
	report(out, r)
	return r, nil
}

// report tells what a proof has done, and each failure with what it takes to
// see it again.
func report(out io.Writer, r search.Result) {
	for _, f := range r.Failures {
		fmt.Fprintf(out, "\n%s: %s\n%s\nto see it again: make prove ONLY=%s SEED=%d BUDGET=0s\n\n",
			r.Name, f.What, strings.TrimRight(f.Tale, "\n"), r.Name, f.Seed)
	}
	fmt.Fprintf(out, "%-8s %d cases in %s, %.0f per second, of %d clusters; seed %d; %d failures\n",
		r.Name, r.Judged, r.Took.Round(time.Millisecond), float64(r.Judged)/r.Took.Seconds(), r.Drawn, r.Seed, len(r.Failures))
}
