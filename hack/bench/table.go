package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table prints the figures as they come and counts the goals.
type table struct {
	out io.Writer
	// terminal says whether what is printed can be taken back.
	terminal bool

	goals, reached int
	// unmeasured counts the sections that ended in an error.
	unmeasured int
}

// Column widths; a longer cell pushes the rest of its row to the right.
const (
	nameWidth    = 58
	gotWidth     = 14
	goalWidth    = 12
	reachedWidth = 9
)

// heading prints the titles of the columns under what was measured on.
func (t *table) heading(machine string) {
	fmt.Fprintf(t.out, "%s\n\n  %s\n", machine, row("figure", "got", "goal", "reached", ""))
}

// section begins a group of figures; how says how they were measured.
func (t *table) section(title, how string) {
	t.clear()
	fmt.Fprintf(t.out, "\n%s\n  (%s)\n", title, how)
}

// figure prints a row and counts its goal.
func (t *table) figure(f figure) {
	t.clear()
	if f.goal.asks != asksNothing {
		t.goals++
		if f.goal.keeps(f.value) {
			t.reached++
		}
	}
	fmt.Fprintf(t.out, "  %s\n", row(f.name, f.unit.write(f.value), f.goal.write(f.unit), f.reached(), f.beside))
}

// missing says that a section, or what was left of it, could not be measured.
func (t *table) missing(name string, err error) {
	t.clear()
	t.unmeasured++
	fmt.Fprintf(t.out, "\n%s: not measured: %v\n", name, err)
}

// note says something about the whole run.
func (t *table) note(format string, args ...any) {
	t.clear()
	fmt.Fprintf(t.out, "\n%s\n", fmt.Sprintf(format, args...))
}

// progress says what takes long, where there is a terminal to take it back.
func (t *table) progress(format string, args ...any) {
	if t.terminal {
		fmt.Fprintf(t.out, "\r\x1b[K  … %s", fmt.Sprintf(format, args...))
	}
}

func (t *table) clear() {
	if t.terminal {
		fmt.Fprint(t.out, "\r\x1b[K")
	}
}

// summary prints the score, always the last line of a complete run.
func (t *table) summary() {
	t.clear()
	left := ""
	if t.unmeasured > 0 {
		left = fmt.Sprintf(", %d sections not measured to their end", t.unmeasured)
	}
	fmt.Fprintf(t.out, "%d of %d figures reached%s\n", t.reached, t.goals, left)
}

func row(name, got, goal, reached, beside string) string {
	return strings.TrimRight(pad(name, nameWidth)+pad(got, gotWidth)+pad(goal, goalWidth)+pad(reached, reachedWidth)+beside, " ")
}

// pad fills the cell to its width, counted in characters, and leaves at least
// one space to the next.
func pad(cell string, width int) string {
	return cell + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(cell)))
}
