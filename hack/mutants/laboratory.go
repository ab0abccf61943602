package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
)

// fate is what becomes of a mutant.
type fate uint8

const (
	unknown fate = iota
	caught
	survived
	// broken mutants prove nothing: they do not apply, compile or load.
	broken
)

// result is the fate of a mutant, and by what.
type result struct {
	fate fate
	by   string
}

func (r result) String() string {
	switch r.fate {
	case caught:
		return r.by
	case survived:
		return "**survived** " + r.by
	default:
		return "**broken**: " + r.by
	}
}

// laboratory tries mutants in one copy of the repository.
type laboratory struct {
	copy    *repositoryCopy
	timeout time.Duration
	// sound are the tests that were run on the product as it is: one that
	// fails anyway catches nothing.
	sound map[string]error
}

func (l *laboratory) try(ctx context.Context, m mutant) (r result) {
	if err := l.prove(ctx, m.tests); err != nil {
		return result{broken, err.Error()}
	}
	defer func() {
		if err := errors.Join(l.copy.restore(), l.copy.forget()); err != nil {
			r = result{broken, err.Error()}
		}
	}()
	if err := l.infect(ctx, m); err != nil {
		return result{broken, err.Error()}
	}
	o, err := l.test(ctx, m.tests)
	switch {
	case err != nil:
		return result{broken, err.Error()}
	case o.unbuilt != "":
		return result{broken, o.unbuilt}
	case o.failed:
		return result{caught, o.first()}
	}
	return result{survived, "go test " + m.tests.String()}
}

// prove runs the tests on the product as it is, once.
func (l *laboratory) prove(ctx context.Context, t tests) error {
	key := t.String()
	err, known := l.sound[key]
	if known {
		return err
	}
	o, err := l.test(ctx, t)
	switch {
	case err != nil:
	case o.unbuilt != "":
		err = errors.New(o.unbuilt)
	case o.failed:
		err = fmt.Errorf("go test %s fails on the product as it is: %s", t, o.first())
	case o.passed == 0:
		err = fmt.Errorf("go test %s runs no test", t)
	}
	l.sound[key] = err
	return err
}

func (l *laboratory) infect(ctx context.Context, m mutant) error {
	if err := l.copy.change(m.file, m.change); err != nil {
		return err
	}
	if m.inKernel() {
		return l.copy.compile(ctx)
	}
	return nil
}

// outcome is what a run of tests came to.
type outcome struct {
	failed bool
	passed int
	// failures are the tests that failed, in order, those of a table included.
	failures []string
	// unbuilt says why there was nothing to run.
	unbuilt string
}

// first is the first test that failed, by the most exact name.
func (o *outcome) first() string {
	if len(o.failures) == 0 {
		return "the run as a whole"
	}
	return strings.ReplaceAll(o.failures[0], "|", `\|`)
}

func (l *laboratory) test(ctx context.Context, t tests) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout+time.Minute)
	defer cancel()
	args := append([]string{"test", "-json", "-failfast", "-vet=off", "-trimpath", "-timeout", l.timeout.String()}, t.arguments()...)
	cmd := l.copy.command(ctx, "go", args...)
	// Tests have children of their own, which must go as well.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("go test %s took more than %v, which proves nothing; see -timeout", t, l.timeout)
	}
	o, readErr := readOutcome(bytes.NewReader(out))
	if readErr != nil {
		return nil, fmt.Errorf("go test: %w: %s", errors.Join(err, readErr), stderr.String())
	}
	o.failed = o.failed || err != nil
	return o, nil
}

// event is a line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

// refused are messages of a kernel that does not take the program at all.
const refused = "load program: "

func readOutcome(lines io.Reader) (*outcome, error) {
	o := &outcome{}
	var building strings.Builder
	for d := json.NewDecoder(lines); ; {
		var e event
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return o, nil
		} else if err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		switch e.Action {
		case "pass":
			if e.Test != "" {
				o.passed++
			}
		case "fail":
			o.failed = true
			if e.Test != "" {
				o.failures = append(o.failures, strings.TrimPrefix(e.Package, module)+"."+e.Test)
			}
		case "build-output":
			building.WriteString(e.Output)
		case "build-fail":
			o.unbuilt = "it does not compile: " + oneLine(building.String())
		case "output":
			if strings.Contains(e.Output, refused) {
				o.unbuilt = "the kernel refuses the program: " + oneLine(e.Output)
			}
		}
	}
}

const module = "github.com/nameward/nameward/"

func oneLine(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
