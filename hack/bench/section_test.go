package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestChooseSections(t *testing.T) {
	for name, c := range map[string]struct {
		only string
		want []string
	}{
		"no word means all":                   {"", []string{"kernel", "names", "compiler", "cluster", "apiserver", "throughput", "first", "learning", "growth", "sessions"}},
		"one word means that one":             {"sessions", []string{"sessions"}},
		"several come in the table's order":   {"growth,kernel", []string{"kernel", "growth"}},
		"one that is named twice is run once": {"first,first", []string{"first"}},
	} {
		t.Run(name, func(t *testing.T) {
			chosen, err := chooseSections(c.only)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range chosen {
				got = append(got, s.name)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("sections: got %v, want %v", got, c.want)
			}
		})
	}
}

func TestUnusableArgumentsSayWhatWouldBeRight(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a section that there is not": {[]string{"-only", "kernel,dns"}, `section "dns"; there are kernel, names`},
		"a word without a flag":       {[]string{"kernel"}, `unexpected argument "kernel"`},
		"no time at all":              {[]string{"-limit", "0"}, "-limit is 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(c.args, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error: got %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestSectionThatFailsLeavesTheOthersTheirTurn(t *testing.T) {
	ran := 0
	good := section{name: "good", measure: func(_ context.Context, t *table) error {
		ran++
		t.figure(figure{name: "kept", value: 1, unit: ratio, goal: atMost(1)})
		return nil
	}}
	bad := section{name: "bad", measure: func(context.Context, *table) error { return errors.New("no such luck") }}
	var out strings.Builder
	table := &table{out: &out}
	if err := measure(t.Context(), table, order{sections: []section{good, bad, good}}); err != nil {
		t.Fatal(err)
	}
	table.summary()
	if ran != 2 || table.unmeasured != 1 {
		t.Errorf("sections: got %d that ran and %d not measured, want 2 and 1", ran, table.unmeasured)
	}
	for _, want := range []string{"bad: not measured: no such luck\n", "2 of 2 figures reached, 1 sections not measured to their end\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("table: got\n%s\nwant a line %q", out.String(), want)
		}
	}
}

func TestInterruptedRunEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := section{name: "interrupted", measure: func(ctx context.Context, _ *table) error {
		cancel()
		return ctx.Err()
	}}
	never := section{name: "never", measure: func(context.Context, *table) error {
		t.Error("a section after the interrupt: got run, want left out")
		return nil
	}}
	err := measure(ctx, &table{out: io.Discard}, order{sections: []section{interrupted, never}})
	if !errors.Is(err, errInterrupted) {
		t.Errorf("error: got %v, want %v", err, errInterrupted)
	}
}
