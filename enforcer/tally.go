package main

import "time"

// reportInterval is how often what repeats is summed up in the log.
const reportInterval = time.Second

// Bounds of what is logged in one interval, so that a flood costs lines and
// memory only up to here. What is own is beside what all share.
const (
	ownKinds = 4
	maxLines = 50
	maxKeys  = 1024
)

// tally decides what of a stream of like events is logged: the first of each
// kind at once, the rest as one count when the interval ends. Events are of
// shares S, such as a pod, and each has room of its own for its first kinds:
// otherwise one pod's flood would hide what another one does.
type tally[S, K comparable] struct {
	shares map[S]*share[K]
	// lines and kinds are those beyond the shares' own.
	lines, kinds int
	// others are events of kinds for which there was no room.
	others uint64
}

type share[K comparable] struct {
	counts map[K]uint64 // of events not logged
	lines  int
}

func newTally[S, K comparable]() *tally[S, K] {
	return &tally[S, K]{shares: make(map[S]*share[K])}
}

// note counts an event and says whether to log it now.
func (t *tally[S, K]) note(of S, key K) bool {
	s := t.shares[of]
	if s == nil {
		s = &share[K]{counts: make(map[K]uint64)}
		t.shares[of] = s
	}
	if count, known := s.counts[key]; known {
		s.counts[key] = count + 1
		return false
	}
	if len(s.counts) >= ownKinds {
		if t.kinds >= maxKeys {
			t.others++
			return false
		}
		t.kinds++
	}
	if !takeLine(&s.lines, &t.lines) {
		s.counts[key] = 1
		return false
	}
	s.counts[key] = 0
	return true
}

// takeLine takes a line of the share's own, else one of those that all share.
func takeLine(own, all *int) bool {
	switch {
	case *own < ownKinds:
		*own++
	case *all < maxLines:
		*all++
	default:
		return false
	}
	return true
}

// flush gives every kind that was not logged as often as it happened, as far as
// there are lines, and the number of events of all the rest, and begins a new
// interval.
func (t *tally[S, K]) flush(repeated func(key K, times uint64)) (others uint64) {
	others = t.others
	all := 0
	for _, s := range t.shares {
		own := 0
		for key, count := range s.counts {
			switch {
			case count == 0:
			case takeLine(&own, &all):
				repeated(key, count)
			default:
				others += count
			}
		}
	}
	clear(t.shares)
	t.lines, t.kinds, t.others = 0, 0, 0
	return others
}
