package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// report prints a line for each check as it is done, and keeps the score. It is
// safe for scenarios that run at the same time.
type report struct {
	mu  sync.Mutex
	out io.Writer
	// variant and a slash stand before scenarios, but for those of the default.
	variant         string
	passed, failed  int
	skipped         []string
	figures, wrongs []string
}

// begin says which variant the next lines are of.
func (r *report) begin(v variant) {
	r.note("variant %s: %s", v.name, v.about)
	r.variant = ""
	if v.name != variants[0].name {
		r.variant = v.name + "/"
	}
}

func (r *report) pass(scenario, check string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed++
	fmt.Fprintf(r.out, "ok    %-10s %s  (%s)\n", r.variant+scenario, check, took.Round(10*time.Millisecond))
}

func (r *report) fail(scenario, check string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	line := fmt.Sprintf("FAIL  %-10s %s: %s", r.variant+scenario, check, strings.ReplaceAll(why.Error(), "\n", "\n      "))
	r.wrongs = append(r.wrongs, line)
	fmt.Fprintln(r.out, line)
}

// skip says what was not tried and why. It is neither passed nor failed.
func (r *report) skip(scenario, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skipped = append(r.skipped, r.variant+scenario)
	fmt.Fprintf(r.out, "skip  %-10s %s\n", r.variant+scenario, why)
}

// figure is a measurement beside its goal. Nothing fails by it: a machine under
// test has other things to do.
func (r *report) figure(what, measured, goal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := fmt.Sprintf("%-48s %-34s goal %s", r.variant+what, measured, goal)
	r.figures = append(r.figures, line)
	fmt.Fprintf(r.out, "      %s\n", line)
}

// note is a line that counts for nothing.
func (r *report) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, "      "+format+"\n", args...)
}

func (r *report) summary() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, part := range []struct {
		title string
		lines []string
	}{{"figures", r.figures}, {"failed", r.wrongs}} {
		if len(part.lines) > 0 {
			fmt.Fprintf(r.out, "\n%s:\n  %s\n", part.title, strings.Join(part.lines, "\n  "))
		}
	}
	if len(r.skipped) > 0 {
		fmt.Fprintf(r.out, "\nskipped: %s\n", strings.Join(r.skipped, ", "))
	}
	fmt.Fprintf(r.out, "\n%d passed, %d failed\n", r.passed, r.failed)
}
