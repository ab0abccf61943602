package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func eventOf(object, note string) event {
	return event{core.ObjectReference{Kind: "Pod", Namespace: "ns", Name: object, UID: types.UID(object)}, "Odd", "Enforce", note}
}

// sent is what writing an Event leaves.
func (r *records) sent(s *series, now time.Time) int32 {
	n := s.pending
	s.sent, s.count, s.pending, s.event = now, s.count+n, 0, nil
	return n
}

// TestEventsAreFew: whatever is told, one object's Events and all of them stay
// within their rates, memory is bounded, and nothing is lost uncounted (S4).
func TestEventsAreFew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRecords()
		now, told, said, writes := noon, uint64(0), uint64(0), map[types.UID]int{}
		all := 0
		for range rapid.IntRange(1, 40).Draw(t, "moments") {
			object, notes := fmt.Sprint(rapid.IntRange(0, 20).Draw(t, "object")), rapid.IntRange(1, 30).Draw(t, "notes")
			for i := range notes {
				r.note(eventOf(object, fmt.Sprint(i)), 0, now)
				told++
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
			for {
				s, _ := r.next(now)
				if s == nil {
					break
				}
				said += uint64(r.sent(s, now))
				writes[s.object]++
				all++
			}
			passed := now.Sub(noon).Seconds()
			if float64(all) > eventBurst+eventRate*passed+1e-6 {
				t.Fatalf("got %d writes in %v s", all, passed)
			}
			for object, n := range writes {
				if float64(n) > objectBurst+objectRate*passed+1e-6 {
					t.Fatalf("got %d writes about %s in %v s", n, object, passed)
				}
			}
		}
		pending := uint64(0)
		for _, s := range r.series {
			pending += uint64(s.pending)
		}
		if said+pending+r.dropped != told {
			t.Fatalf("got %d said, %d pending, %d dropped, want %d", said, pending, r.dropped, told)
		}
	})
}

// TestEventMemoryIsBounded (S4).
func TestEventMemoryIsBounded(t *testing.T) {
	r := newRecords()
	for i := range 2 * mostSeries {
		r.note(eventOf(fmt.Sprint(i), "n"), 0, noon)
	}
	for i := range 2 * mostOfObject {
		r.note(eventOf("0", fmt.Sprint(i)), 0, noon)
	}
	if len(r.series) != mostSeries || len(r.subjects) != mostSeries || r.dropped != mostSeries+2*mostOfObject {
		t.Errorf("got %d series, %d subjects, %d dropped; want %d, as many, and all others", len(r.series), len(r.subjects), r.dropped, mostSeries)
	}
	later := noon.Add(forgetAfter)
	r.sweep(later)
	if len(r.series) != 0 || len(r.subjects) != 0 {
		t.Errorf("got %d series and %d subjects long after the last, want none", len(r.series), len(r.subjects))
	}
	one := newRecords()
	for i := range 2 * mostOfObject {
		one.note(eventOf("0", fmt.Sprint(i)), 0, noon)
	}
	if len(one.series) != mostOfObject {
		t.Errorf("got %d series of one object, want %d", len(one.series), mostOfObject)
	}
}

// TestWhatLastsIsToldAgain: not at every look, and before Events are gone (S4).
func TestWhatLastsIsToldAgain(t *testing.T) {
	r := newRecords()
	news := 0
	for at := time.Duration(0); at < 2*time.Hour; at += time.Minute {
		if r.note(eventOf("p", "n"), again, noon.Add(at)) {
			news++
		}
	}
	if news != 4 {
		t.Errorf("got told %d times in two hours, want 4", news)
	}
}

func TestSeriesIsCountedSeldom(t *testing.T) {
	r := newRecords()
	r.note(eventOf("p", "n"), 0, noon)
	s, _ := r.next(noon)
	r.sent(s, noon)
	r.note(eventOf("p", "n"), 0, noon.Add(time.Second))
	if s, wait := r.next(noon.Add(time.Second)); s != nil || wait != countEvery-time.Second {
		t.Errorf("got %v after %v, want to wait %v", s, wait, countEvery-time.Second)
	}
	if s, _ := r.next(noon.Add(countEvery)); s == nil || s.pending != 1 {
		t.Errorf("got %+v, want the series with one more", s)
	}
}

// TestEventFitsTheAPI: names and notes of any length.
func TestEventFitsTheAPI(t *testing.T) {
	e := eventOf(strings.Repeat("p", longestName), strings.Repeat("ä", 2000))
	o := e.object(strings.Repeat("i", 300), noon)
	if len(o.Name) > longestName || len(o.Note) > longestNote || len(o.ReportingInstance) > 128 {
		t.Errorf("got name of %d, note of %d, instance of %d bytes", len(o.Name), len(o.Note), len(o.ReportingInstance))
	}
	if other := eventOf(strings.Repeat("p", longestName), "x"); other.name() == e.name() {
		t.Errorf("got one name for two Events: %s", e.name())
	}
}

// TestEventsOfManyObjectsWait: a fault of everything is no flood (S4).
func TestEventsOfManyObjectsWait(t *testing.T) {
	r := newRecords()
	for i := range 4 * int(eventBurst) {
		r.note(eventOf(fmt.Sprint(i), "n"), 0, noon)
	}
	n := 0
	for s, _ := r.next(noon); s != nil; s, _ = r.next(noon) {
		r.sent(s, noon)
		n++
	}
	if n != eventBurst {
		t.Errorf("got %d Events at once, want %v", n, eventBurst)
	}
}
