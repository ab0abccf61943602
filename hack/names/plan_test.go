package main

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/hack/names/fleet"
)

// TestPlan: what a seed plans is always the same, and can be done.
func TestPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		lasts := time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Minute)).Draw(t, "lasts"))
		events := plan(seed, lasts)
		if !slices.Equal(events, plan(seed, lasts)) {
			t.Errorf("plan of seed %d: got two, want one", seed)
		}
		if len(events) == 0 {
			t.Fatalf("plan of seed %d for %s: got no events", seed, lasts)
		}
		for i, e := range events {
			possible(t, events[:i], e, lasts)
		}
	})
}

// possible holds the event against all before it.
func possible(t *rapid.T, earlier []event, e event, lasts time.Duration) {
	if e.at >= lasts || len(earlier) > 0 && e.at <= earlier[len(earlier)-1].at {
		t.Errorf("%s: got it out of its time", e)
	}
	gone := 0
	for _, before := range earlier {
		program := before.deed == e.deed || before.deed == killReplica && e.deed == reloadReplica
		if back := before.at + before.down; before.deed != reloadReplica && program && before.target == e.target && back+respite > e.at {
			t.Errorf("%s: got it after %s, want the program up for %s", e, before, respite)
		}
		if before.deed == killReplica && before.at+before.down > e.at {
			gone++
		}
	}
	if e.deed == killReplica && gone+1 > fleet.Replicas-survivors {
		t.Errorf("%s: got the last replicas killed, %d are gone", e, gone)
	}
}

func TestQuantile(t *testing.T) {
	of := make([]time.Duration, 100)
	for i := range of {
		of[len(of)-1-i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		says string
		of   []time.Duration
		part float64
		want time.Duration
	}{
		{"of nothing it is nothing", nil, 0.99, 0},
		{"of one it is that one", of[:1], 0.99, 100},
		{"the middle of a hundred", of, 0.5, 51},
		{"99 of a hundred are below the last", of, 0.99, 100},
		{"the whole is not past the end", of, 1, 100},
	} {
		t.Run(c.says, func(t *testing.T) {
			if got := quantile(c.of, c.part); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
