package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// unit is what a figure counts, and how it is written.
type unit uint8

const (
	unitUnknown unit = iota
	nanoseconds
	addedNanoseconds // on top of the baseline
	microseconds
	addedMicroseconds
	allocations
	kilobytesUnit
	megabytes
	addedAllocations // of one answer, on top of the baseline
	ratio
	share // of a core
	queriesPerSecond
	addressesPerSecond
	elapsed // nanoseconds, written in the unit that suits them
)

// write renders a value of the unit.
func (u unit) write(v float64) string {
	switch u {
	case nanoseconds:
		return grouped(v) + " ns"
	case addedNanoseconds:
		return signed(v) + " ns"
	case microseconds:
		return grouped(v) + " µs"
	case addedMicroseconds:
		return fewDigits(v) + " µs"
	case allocations:
		return grouped(v) + " allocs"
	case kilobytesUnit:
		return grouped(v) + " kB"
	case megabytes:
		return grouped(v) + " MB"
	case addedAllocations:
		return fmt.Sprintf("%+.2f allocs", v)
	case share:
		return fmt.Sprintf("%.1f %%", 100*v)
	case addressesPerSecond:
		return grouped(v) + " /s"
	case ratio:
		return fmt.Sprintf("%.3f", v)
	case queriesPerSecond:
		return grouped(v) + " q/s"
	case elapsed:
		if math.IsInf(v, 1) {
			return grouped(v)
		}
		return threeDigits(time.Duration(v))
	default:
		return fmt.Sprint(v)
	}
}

// threeDigits writes a duration with three significant digits.
func threeDigits(d time.Duration) string {
	precision := time.Duration(1)
	for d.Abs() >= 1000*precision {
		precision *= 10
	}
	return d.Round(precision).String()
}

// goal is a bound that a figure should keep; the zero goal asks nothing.
type goal struct {
	asks    asks
	promise float64
}

type asks uint8

const (
	asksNothing asks = iota
	asksAtMost
	asksAtLeast
)

func atMost(v float64) goal  { return goal{asksAtMost, v} }
func atLeast(v float64) goal { return goal{asksAtLeast, v} }

func (g goal) write(u unit) string {
	switch g.asks {
	case asksAtMost:
		return "≤ " + u.write(g.promise)
	case asksAtLeast:
		return "≥ " + u.write(g.promise)
	default:
		return ""
	}
}

// keeps says whether the value is within the bound. What is no number is not.
func (g goal) keeps(v float64) bool {
	switch g.asks {
	case asksAtMost:
		return v <= g.promise
	case asksAtLeast:
		return v >= g.promise
	default:
		return true
	}
}

// figure is one row of the table.
type figure struct {
	name  string
	value float64
	unit  unit
	goal  goal
	// beside is what else is worth knowing about it.
	beside string
}

func (f figure) reached() string {
	switch {
	case f.goal.asks == asksNothing:
		return ""
	case f.goal.keeps(f.value):
		return "reached"
	default:
		return "missed"
	}
}

// grouped writes a number without decimals, thousands apart.
func grouped(v float64) string {
	if math.IsInf(v, 1) {
		return "∞"
	}
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	for at := len(digits) - 3; at > 0 && digits[0] <= '9'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// fewDigits writes a signed number, with decimals where it is small.
func fewDigits(v float64) string {
	if math.Abs(v) < 10 && v != math.Trunc(v) {
		return fmt.Sprintf("%+.2f", v)
	}
	return signed(v)
}

func signed(v float64) string {
	if text := grouped(v); strings.HasPrefix(text, "-") {
		return text
	}
	return "+" + grouped(v)
}
