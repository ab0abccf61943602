package main

import (
	"testing"
)

// S1: what is a flood's is summed up, and nothing is lost.
func TestTally(t *testing.T) {
	tally := newTally[string, int]()
	logged := 0
	for range 3 {
		for key := range ownKinds + maxLines + 10 {
			if tally.note("pod", key) {
				logged++
			}
		}
	}
	const lines = ownKinds + maxLines
	if logged != lines {
		t.Errorf("logged at once: got %d, want %d", logged, lines)
	}
	told, sum := 0, uint64(0)
	others := tally.flush(func(_ int, times uint64) { told++; sum += times })
	if told != lines || sum+others != uint64(3*(lines+10)-lines) {
		t.Errorf("summed up: got %d lines with %d and %d others, want %d lines and nothing lost", told, sum, others, lines)
	}
	if others := tally.flush(func(int, uint64) { t.Error("a kind is told twice") }); others != 0 {
		t.Errorf("after a flush: got %d others, want 0", others)
	}
}

// D12: a flood of kinds costs memory only up to a bound, and nothing is lost
// from the count.
func TestTallyOfTooManyKinds(t *testing.T) {
	tally := newTally[string, int]()
	for key := range 3 * maxKeys {
		tally.note("pod", key)
	}
	if got := len(tally.shares["pod"].counts); got != ownKinds+maxKeys {
		t.Errorf("kinds kept: got %d, want %d", got, ownKinds+maxKeys)
	}
	told := uint64(ownKinds + maxLines)
	told += tally.flush(func(_ int, times uint64) { told += times })
	if want := uint64(3 * maxKeys); told != want {
		t.Errorf("told of: got %d events, want %d", told, want)
	}
}

// N15, S1: one pod's flood hides nothing of another pod's, neither what is
// logged at once nor what is summed up.
func TestFloodHidesNoOtherPod(t *testing.T) {
	tally := newTally[string, int]()
	for range 2 {
		for key := range 3 * maxKeys {
			tally.note("greedy", key)
		}
	}
	const guarded = -1
	if !tally.note("modest", guarded) {
		t.Error("the first of another pod is not logged")
	}
	tally.note("modest", guarded)
	told := uint64(0)
	tally.flush(func(key int, times uint64) {
		if key == guarded {
			told += times
		}
	})
	if told != 1 {
		t.Errorf("summed up of the other pod: got %d, want 1", told)
	}
}
