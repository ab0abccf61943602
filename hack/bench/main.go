// Package main is nameward's bench: it measures the figures that the project
// promises, each beside its baseline in the same run, and prints what came out
// next to what was promised. It knows the goals and how to measure them; it
// judges no run by them, since a busy machine is not a broken program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/nameward/nameward/hack/bench/apiserver"
	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == swarmCommand {
		os.Exit(runSwarm(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// binaries are the programs that are measured, and what they run beside.
type binaries struct {
	product.Binaries
	control apiserver.Binaries
}

// labFolder is where hack/lab puts what it builds.
func labFolder() string {
	state := os.Getenv("LAB_STATE")
	if cache, err := os.UserCacheDir(); state == "" && err == nil {
		state = filepath.Join(cache, "nameward-lab")
	}
	return filepath.Join(state, "bin")
}

// order is what a run is asked for.
type order struct {
	binaries binaries
	sections []section
	// limit is how long the run may take at the very most, Ctrl-C aside.
	limit time.Duration
}

// run returns the exit status: 0 if everything was measured, whatever came out.
func run(args []string, stdout *os.File, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = o.ready()
	}
	if err == nil {
		err = scene.HideMounts()
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	t := &table{out: stdout, terminal: term.IsTerminal(int(stdout.Fd()))}
	if err := perform(ctx, t, o); err != nil {
		t.clear()
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	if t.unmeasured > 0 {
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (o order, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o.binaries.Register(flags)
	control := flags.String("kubernetes", labFolder(), "`folder` with etcd and kube-apiserver, as hack/lab builds them; for the section apiserver")
	only := flags.String("only", "", "`sections` to measure, separated by commas: "+sectionNames()+" (default all)")
	flags.DurationVar(&o.limit, "limit", 5*time.Minute, "how long the run may take")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see -help", flags.Arg(0))
	}
	if o.limit <= 0 {
		return o, fmt.Errorf("-limit is %s; want a time above 0, such as 4m", o.limit)
	}
	o.binaries.control = apiserver.In(*control)
	o.sections, err = chooseSections(*only)
	return o, err
}

// ready says in one sentence what the machine lacks.
func (o order) ready() error {
	for _, tool := range []struct {
		name, install string
		wanted        func(section) bool
	}{
		{"dnsperf", "install the package dnsperf", func(s section) bool { return s.onStage != nil && !s.silent }},
		{"go", "put the go command into the PATH", func(s section) bool { return s.measure != nil || s.silent }},
	} {
		if _, err := exec.LookPath(tool.name); err != nil && slices.ContainsFunc(o.sections, tool.wanted) {
			return fmt.Errorf("%s is not installed; %s", tool.name, tool.install)
		}
	}
	return o.binaries.Ready("bench")
}

// perform measures section by section. What was measured before an error is
// on the screen by then.
func perform(ctx context.Context, t *table, o order) error {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	began := time.Now()
	t.heading(machine())
	if err := measure(ctx, t, o); err != nil {
		return err
	}
	t.note("took %s", time.Since(began).Round(time.Second))
	t.summary()
	return nil
}

// because says why measuring ended early: programs that were told to end
// complain of all sorts of things.
func because(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("not done in the time that the run may take: %w", err)
	case ctx.Err() != nil:
		return errInterrupted
	default:
		return err
	}
}

var errInterrupted = errors.New("interrupted")
