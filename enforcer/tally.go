package main

import "time"

// reportInterval is how often what repeats is summed up in the log.
const reportInterval = time.Second

// Bounds of what is logged in one interval, so that a flood costs lines and
// memory only up to here.
const (
	maxLines = 50
	maxKeys  = 1024
)

// tally decides what of a stream of like events is logged: the first of each
// kind at once, the rest as one count when the interval ends.
type tally[K comparable] struct {
	counts map[K]uint64
	lines  int
	// others are events of kinds beyond maxKeys.
	others uint64
}

func newTally[K comparable]() *tally[K] {
	return &tally[K]{counts: make(map[K]uint64)}
}

// note counts an event and says whether to log it now.
func (t *tally[K]) note(key K) bool {
	count, known := t.counts[key]
	switch {
	case !known && len(t.counts) >= maxKeys:
		t.others++
		return false
	case known || t.lines >= maxLines:
		t.counts[key] = count + 1
		return false
	}
	t.counts[key] = 0
	t.lines++
	return true
}

// flush gives every kind that was not logged as often as it happened, up to
// maxLines of them, and the number of events of all the rest, and begins a new
// interval.
func (t *tally[K]) flush(repeated func(key K, times uint64)) (others uint64) {
	others = t.others
	lines := 0
	for key, count := range t.counts {
		switch {
		case count == 0:
		case lines < maxLines:
			lines++
			repeated(key, count)
		default:
			others += count
		}
	}
	clear(t.counts)
	t.lines, t.others = 0, 0
	return others
}
