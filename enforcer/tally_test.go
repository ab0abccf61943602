package main

import (
	"testing"
)

func TestTally(t *testing.T) {
	tally := newTally[int]()
	logged := 0
	for range 3 {
		for key := range maxLines + 10 {
			if tally.note(key) {
				logged++
			}
		}
	}
	if logged != maxLines {
		t.Errorf("logged at once: got %d, want %d", logged, maxLines)
	}
	lines, sum := 0, uint64(0)
	others := tally.flush(func(_ int, times uint64) { lines++; sum += times })
	if lines != maxLines || sum+others != uint64(3*(maxLines+10)-maxLines) {
		t.Errorf("summed up: got %d lines with %d and %d others, want %d lines and nothing lost", lines, sum, others, maxLines)
	}
	if others := tally.flush(func(int, uint64) { t.Error("a kind is told twice") }); others != 0 {
		t.Errorf("after a flush: got %d others, want 0", others)
	}
}

// D12: a flood of kinds costs memory only up to a bound, and nothing is lost
// from the count.
func TestTallyOfTooManyKinds(t *testing.T) {
	tally := newTally[int]()
	for key := range 3 * maxKeys {
		tally.note(key)
	}
	if got := len(tally.counts); got != maxKeys {
		t.Errorf("kinds kept: got %d, want %d", got, maxKeys)
	}
	told := uint64(maxLines)
	told += tally.flush(func(_ int, times uint64) { told += times })
	if want := uint64(3 * maxKeys); told != want {
		t.Errorf("told of: got %d events, want %d", told, want)
	}
}
