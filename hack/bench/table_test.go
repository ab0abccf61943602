package main

import (
	"math"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	var out strings.Builder
	table := &table{out: &out}
	table.heading("a machine")
	table.section("Speed", "median")
	for _, f := range []figure{
		{name: "kept", value: 47.4, unit: addedNanoseconds, goal: atMost(65)},
		{name: "on the bound", value: 0.97, unit: ratio, goal: atLeast(0.97)},
		{name: "not kept", value: 1301, unit: microseconds, goal: atMost(300), beside: "p99 2 µs"},
		{name: "no number", value: math.NaN(), unit: nanoseconds, goal: atMost(300)},
		{name: "not promised", value: 58412.3, unit: queriesPerSecond},
		{name: "a name that is longer than the column for names is wide enough", value: 1, unit: allocations},
	} {
		table.figure(f)
	}
	table.summary()
	const want = `a machine

  figure                                                    got           goal        reached

Speed
  (median)
  kept                                                      +47 ns        ≤ +65 ns    reached
  on the bound                                              0.970         ≥ 0.970     reached
  not kept                                                  1,301 µs      ≤ 300 µs    missed   p99 2 µs
  no number                                                 NaN ns        ≤ 300 ns    missed
  not promised                                              58,412 q/s
  a name that is longer than the column for names is wide enough 1 allocs
2 of 4 figures reached
`
	if got := out.String(); got != want {
		t.Errorf("table: got\n%s\nwant\n%s", got, want)
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	for name, c := range map[string]struct {
		terminal bool
		want     string
	}{
		"a log gets none":                {false, ""},
		"a terminal can take a row back": {true, "\r\x1b[K  … 1 of 2\r\x1b[K"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			table := &table{out: &out, terminal: c.terminal}
			table.progress("%d of %d", 1, 2)
			table.clear()
			if got := out.String(); got != c.want {
				t.Errorf("output: got %q, want %q", got, c.want)
			}
		})
	}
}

func TestUnitsAreWrittenForPeople(t *testing.T) {
	for _, c := range []struct {
		unit  unit
		value float64
		want  string
	}{
		{nanoseconds, 225.3, "225 ns"},
		{addedNanoseconds, -3, "-3 ns"},
		{addedNanoseconds, 0, "+0 ns"},
		{microseconds, 1234567, "1,234,567 µs"},
		{addedMicroseconds, -1234, "-1,234 µs"},
		{addedMicroseconds, 123, "+123 µs"},
		{addedMicroseconds, 1.514, "+1.51 µs"},
		{addedMicroseconds, -0.4, "-0.40 µs"},
		{microseconds, math.Inf(1), "∞ µs"},
		{addedAllocations, 2.031, "+2.03 allocs"},
		{addedAllocations, -0.001, "-0.00 allocs"},
		{share, 0.0584, "5.8 %"},
		{kilobytesUnit, 356.2, "356 kB"},
		{addressesPerSecond, 108651.4, "108,651 /s"},
		{ratio, 0.9696, "0.970"},
		{elapsed, 576998960, "577ms"},
		{elapsed, 114038, "114µs"},
		{elapsed, 99, "99ns"},
		{elapsed, math.Inf(1), "∞"},
		{elapsed, 1234567890, "1.23s"},
	} {
		t.Run(c.want, func(t *testing.T) {
			if got := c.unit.write(c.value); got != c.want {
				t.Errorf("text: got %q, want %q", got, c.want)
			}
		})
	}
}

// A value that is written like its goal may still miss it: the figure counts.
func TestGoalsAreKeptToTheDigit(t *testing.T) {
	f := figure{value: 0.9699, unit: ratio, goal: atLeast(0.97)}
	if got := f.reached(); got != "missed" {
		t.Errorf("0.9699 of at least 0.97: got %q, want missed", got)
	}
}
