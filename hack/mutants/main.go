// Package main breaks the product on purpose, one line at a time in a copy, and
// holds the tests to notice. It knows the faults (in the files named after what
// they break) and which tests should object to each; it must not touch the
// working tree.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status: 0 if every mutant was caught.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "`folder` of the repository")
	only := flags.String("only", "", "run those whose name, line or file holds this `text`")
	timeout := flags.Duration("timeout", 3*time.Minute, "how long the tests of one mutant may take")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var chosen []mutant
	for _, m := range mutants() {
		if strings.Contains(m.name+"\n"+m.line+"\n"+m.file, *only) {
			chosen = append(chosen, m)
		}
	}
	failed, err := hunt(ctx, *root, chosen, *timeout, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "mutants:", err)
		return 2
	}
	if failed > 0 {
		return 1
	}
	return 0
}

// hunt tries the mutants one after the other in a copy of the repository, and
// prints what became of each. It gives how many were not caught.
func hunt(ctx context.Context, root string, all []mutant, timeout time.Duration, out io.Writer) (failed int, err error) {
	c, err := newCopy(ctx, root)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.remove()) }()
	lab := &laboratory{copy: c, timeout: timeout, sound: map[string]error{}}
	fmt.Fprintf(out, "| mutant | line | caught by | seconds |\n|---|---|---|---|\n")
	var missed []string
	for _, m := range all {
		began := time.Now()
		r := lab.try(ctx, m)
		if ctx.Err() != nil {
			return 0, errors.New("interrupted; the copy is removed")
		}
		fmt.Fprintf(out, "| %s | %s | %s | %.1f |\n", m.name, m.line, r, time.Since(began).Seconds())
		if r.fate != caught {
			missed = append(missed, fmt.Sprintf("%s (%s): %s", m.name, m.file, r))
		}
	}
	fmt.Fprintln(out)
	for _, m := range missed {
		fmt.Fprintln(out, m)
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", len(all)-len(missed), len(missed))
	return len(missed), nil
}
