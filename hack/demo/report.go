package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// line is one row of a table: what was tried, what should and what did happen,
// and what decided it.
type line struct{ route, want, got, why string }

// right says whether it happened as it should.
func (l line) right() bool { return l.want == l.got }

// report prints the tables as they grow and keeps the score.
type report struct {
	out io.Writer
	// color and terminal say what the reader's screen can do; a log is neither.
	color, terminal bool

	lines, rights int
	wrong         []line
}

// listed is how many wrong lines are repeated at the end.
const listed = 10

// Column widths; a longer cell pushes the rest of its row to the right.
const (
	routeWidth = 50
	wantWidth  = 13
)

// step begins a new table.
func (r *report) step(number int, title string) {
	fmt.Fprintf(r.out, "\n%s\n", r.paint(bold, fmt.Sprintf("Step %d: %s", number, title)))
	fmt.Fprintf(r.out, "  %s\n", r.paint(faint, row("", "route", "expected", "got", "decided by")))
}

// note says in a sentence what happens between two rows.
func (r *report) note(format string, args ...any) {
	r.clear()
	fmt.Fprintf(r.out, "  · %s\n", fmt.Sprintf(format, args...))
}

// line prints a row and counts it.
func (r *report) line(l line) {
	r.clear()
	r.lines++
	mark, style := "ok", green
	if l.right() {
		r.rights++
	} else {
		mark, style = "NO", red
		r.wrong = append(r.wrong, l)
	}
	// Painted after the cells are set: escapes have no width.
	text := row(mark, l.route, l.want, l.got, l.why)
	fmt.Fprintf(r.out, "  %s%s\n", r.paint(style, mark), strings.TrimPrefix(text, mark))
}

// progress says what takes long, where there is a terminal to take it back.
func (r *report) progress(format string, args ...any) {
	if r.terminal {
		fmt.Fprintf(r.out, "\r\x1b[K  … %s", fmt.Sprintf(format, args...))
	}
}

func (r *report) clear() {
	if r.terminal {
		fmt.Fprint(r.out, "\r\x1b[K")
	}
}

// summary prints what was not as expected, and the score last. A story that was
// not told to its end has no score to be proud of.
func (r *report) summary(complete bool) {
	r.clear()
	if r.lines == 0 {
		return
	}
	fmt.Fprintln(r.out)
	for i, l := range r.wrong {
		if i == listed {
			fmt.Fprintf(r.out, "and %d more\n", len(r.wrong)-listed)
			break
		}
		fmt.Fprintf(r.out, "not as expected: %s: expected %s, got %s (%s)\n", l.route, l.want, l.got, l.why)
	}
	score, style := fmt.Sprintf("%d of %d lines as expected", r.rights, r.lines), green
	if !complete {
		score += ", then the demo had to stop"
	}
	if !complete || len(r.wrong) > 0 {
		style = red
	}
	fmt.Fprintln(r.out, r.paint(style, score))
}

func row(mark, route, want, got, why string) string {
	return strings.TrimRight(pad(mark, 3)+pad(route, routeWidth)+pad(want, wantWidth)+pad(got, wantWidth)+why, " ")
}

// pad fills the cell to its width, counted in characters, and leaves at least
// one space to the next.
func pad(cell string, width int) string {
	return cell + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(cell)))
}

// Styles are SGR codes (ECMA-48, 8.3.117).
type style string

const (
	bold  style = "1"
	faint style = "2"
	red   style = "1;31"
	green style = "32"
)

func (r *report) paint(s style, text string) string {
	if !r.color {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
