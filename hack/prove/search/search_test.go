package search

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A property that numbers over 1000 break, so that the smallest is known.
func small(t *rapid.T, c *Case) {
	n := rapid.IntRange(0, 1<<20).Draw(t, "n")
	c.Judged++
	if n > 1000 {
		c.Fail(t, "a large number", strings.Repeat("I", n))
	}
}

func TestSearch(t *testing.T) {
	found := Search("small", 200*time.Millisecond, 7, small)
	if len(found.Failures) == 0 {
		t.Fatal("got no failure, want one")
	}
	f := found.Failures[0]
	if got := len(f.Tale); got != 1001 {
		t.Errorf("the case was made small: got %d, want 1001", got)
	}
	if !strings.Contains(f.What, "a large number") {
		t.Errorf("got %q, want what the property said", f.What)
	}
	again := Search("small", 0, f.Seed, small)
	if again.Drawn != 1 || len(again.Failures) != 1 || again.Failures[0].Tale != f.Tale {
		t.Errorf("the failure's seed: got %+v, want the same failure from one case", again)
	}
}

func TestSearchWithoutFailure(t *testing.T) {
	r := Search("none", 0, 7, func(t *rapid.T, c *Case) { c.Judged += 3 })
	if r.Drawn != 1 || r.Judged != 3 || len(r.Failures) != 0 {
		t.Errorf("got %+v, want one case with three judgements", r)
	}
}

// What panics is a failure as well.
func TestSearchPanic(t *testing.T) {
	r := Search("panic", 0, 7, func(t *rapid.T, c *Case) { panic("oops") })
	if len(r.Failures) != 1 || !strings.Contains(r.Failures[0].What, "oops") {
		t.Errorf("got %+v, want the panic", r.Failures)
	}
}
