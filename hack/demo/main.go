// Package main is nameward's demo: it builds a node with pods from network
// namespaces, runs the real CoreDNS and the real enforcer on it, tells a story
// of ten steps with real traffic, and removes everything. It knows what should
// happen; what does happen it learns from the pods and from the product's own
// counters.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// limit is how long a run may take at the very most, Ctrl-C aside.
const limit = 5 * time.Minute

type options struct {
	binaries      product.Binaries
	keep, noColor bool
}

// run returns the exit status: 0 only if every line was as expected.
func run(args []string, stdout *os.File, stderr io.Writer) int {
	options, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = options.binaries.Ready("demo")
	}
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	terminal := term.IsTerminal(int(stdout.Fd()))
	r := &report{out: stdout, terminal: terminal, color: terminal && !options.noColor && os.Getenv("NO_COLOR") == ""}
	if err := perform(ctx, r, options); err != nil {
		r.clear()
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	if len(r.wrong) > 0 {
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o.binaries.Register(flags)
	flags.BoolVar(&o.keep, "keep", false, "leave the scene up at the end, until Ctrl-C")
	flags.BoolVar(&o.noColor, "no-color", false, "plain text, also on a terminal")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see -help", flags.Arg(0))
	}
	return o, nil
}

// perform builds the scene, tells the story and removes all of it.
func perform(ctx context.Context, r *report, o options) (err error) {
	began := time.Now()
	r.progress("building the scene")
	if err := sweep(); err != nil {
		return fmt.Errorf("remove what a killed demo left behind: %w", err)
	}
	folder, release, err := claim()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	s, err := scene.New(netspacePrefix(folder))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	p, err := product.New(s, folder, o.binaries)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()

	told := tell(ctx, &demo{scene: s, product: p, report: r})
	if ctx.Err() != nil {
		told = errInterrupted
	}
	if (told != nil || len(r.wrong) > 0) && ctx.Err() == nil {
		fmt.Fprintln(r.out, p.Tails())
	}
	r.note("took %s", time.Since(began).Round(100*time.Millisecond))
	r.summary(told == nil)
	if o.keep && ctx.Err() == nil {
		lookInside(r.out, s, p)
		<-ctx.Done()
	}
	return told
}

var errInterrupted = errors.New("interrupted; everything is removed")

// tell starts the programs and runs the story against the clock.
func tell(ctx context.Context, d *demo) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	d.report.progress("starting CoreDNS and the enforcer")
	if err := d.product.Start(ctx); err != nil {
		return err
	}
	return d.tell(ctx)
}
