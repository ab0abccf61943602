// Package report prints what a proof has found, a line for each check, and
// keeps the score. It knows nothing of what is checked.
package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// Check is one thing that was tried: what should and what did come out.
type Check struct {
	// Name says what was tried, with the number of trials.
	Name string
	// Want and Got are equal where all is well.
	Want, Got string
	// Why is what a reader may want to know besides.
	Why string
}

// Report prints checks as they are made. Safe for any number of users.
type Report struct {
	mu     sync.Mutex
	out    io.Writer
	passed int
	wrong  []Check
	others int // failures that were told elsewhere
}

// To returns a report that prints to out.
func To(out io.Writer) *Report { return &Report{out: out} }

// Widths of the columns; a longer cell pushes the rest of its line to the right.
const (
	nameWidth = 62
	gotWidth  = 22
)

// Part begins a part of the proof.
func (r *Report) Part(format string, args ...any) { r.print("\n%s", fmt.Sprintf(format, args...)) }

// Note says in a sentence what happens between two checks.
func (r *Report) Note(format string, args ...any) { r.print("  · %s", fmt.Sprintf(format, args...)) }

// Check prints the line and counts it.
func (r *Report) Check(c Check) {
	mark, got := "ok", c.Got
	if c.Want != c.Got {
		mark, got = "NO", fmt.Sprintf("%s, want %s", c.Got, c.Want)
	}
	r.print("  %s %s%s%s", mark, pad(c.Name, nameWidth), pad(got, gotWidth), c.Why)
	r.mu.Lock()
	defer r.mu.Unlock()
	if mark == "ok" {
		r.passed++
	} else {
		r.wrong = append(r.wrong, c)
	}
}

// Fail counts what kept a part from being told to its end.
func (r *Report) Fail(part string, err error) {
	r.Check(Check{Name: part, Want: "told to its end", Got: err.Error()})
}

// Tally adds what a part has checked and told by itself.
func (r *Report) Tally(passed, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed, r.others = r.passed+passed, r.others+failed
}

// Writer is where a part may print what it tells by itself.
func (r *Report) Writer() io.Writer { return r.out }

// Failed says whether any check was not as it should be.
func (r *Report) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.wrong)+r.others > 0
}

// Summary repeats what failed and prints the score as the last line.
func (r *Report) Summary() {
	r.mu.Lock()
	passed, wrong, others := r.passed, r.wrong, r.others
	r.mu.Unlock()
	r.print("")
	for _, c := range wrong {
		r.print("failed: %s: got %s, want %s %s", strings.TrimSpace(c.Name), c.Got, c.Want, c.Why)
	}
	if others > 0 {
		r.print("failed: %d more, told above", others)
	}
	r.print("%d passed, %d failed", passed, len(wrong)+others)
}

// print writes one line and leaves no blanks at the end of a line: an empty last cell has some.
func (r *Report) print(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprint(r.out, strings.TrimRight(fmt.Sprintf(format, args...), " \n"), "\n")
}

// pad fills the cell to its width, counted in characters, and leaves at least
// one space to the next.
func pad(cell string, width int) string {
	return cell + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(cell)))
}
