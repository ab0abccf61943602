package report

import (
	"strconv"
	"testing"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

var three = tempoOf(3)

// wish is what a policy should say: its generation appeared at since, and so many
// of three nodes have it.
func wish(name string, since, generation, nodes int) wanted {
	w := wanted{
		policy: &Policy{Ref: policy.PolicyRef{Name: name}, UID: types.UID(name), Generation: int64(generation), ResourceVersion: strconv.Itoa(since)},
		since:  version(strconv.Itoa(since)), accepted: verdict{meta.ConditionTrue, "Accepted", "yes"},
		enforced: verdict{meta.ConditionFalse, "Progressing", strconv.Itoa(nodes) + " of 3 nodes"},
	}
	if nodes == 3 {
		w.enforced.status, w.enforced.reason = meta.ConditionTrue, "AllNodes"
	}
	return w
}

// looked is a queue whose objects have no conditions yet.
func looked(all ...wanted) *queue {
	q := newQueue()
	q.want(all, noon)
	for _, it := range q.items {
		it.saw(it.since, nil)
	}
	return q
}

func TestNewestGenerationGoesFirst(t *testing.T) {
	q := looked(wish("old", 9, 1, 3), wish("newest", 110, 1, 3), wish("new", 20, 1, 3))
	for _, want := range []string{"newest", "new", "old"} {
		it, _ := q.next(noon, three)
		if it == nil || it.policy.Ref.Name != want {
			t.Fatalf("got %+v, want %s", it, want)
		}
		it.wrote(it.version, it.merge(it.have, noon), noon)
	}
	if it, soonest := q.next(noon, three); it != nil || !soonest.IsZero() {
		t.Errorf("got %+v at %v, want nothing left", it, soonest)
	}
}

// TestWhenStatusIsWritten (S4).
func TestWhenStatusIsWritten(t *testing.T) {
	for _, row := range []struct {
		sentence string
		wrote    time.Duration // ago; 0 = never
		before   wanted
		now      wanted
		want     time.Duration // from the change on; negative = never
	}{
		{"what all nodes have, at once", 0, wanted{}, wish("p", 7, 1, 3), 0},
		{"what some have, when others had a moment", 0, wanted{}, wish("p", 7, 1, 1), settle},
		{"another count, a second after the last", 100 * time.Millisecond, wish("p", 7, 1, 1), wish("p", 7, 1, 2), 900 * time.Millisecond},
		{"the last node, at once", 100 * time.Millisecond, wish("p", 7, 1, 2), wish("p", 7, 1, 3), 0},
		{"a new generation, when others had a moment", 100 * time.Millisecond, wish("p", 7, 1, 3), wish("p", 8, 2, 1), settle},
		{"the same of a new generation, at once", time.Hour, wish("p", 7, 1, 3), wish("p", 8, 2, 3), 0},
		{"nothing new, never", time.Hour, wish("p", 7, 1, 3), wish("p", 7, 1, 3), -1},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			q := newQueue()
			if row.wrote > 0 {
				q.want([]wanted{row.before}, noon.Add(-time.Hour))
				it := q.items["p"]
				it.wrote("7", row.before.merge(nil, noon), noon.Add(-row.wrote))
			}
			q.want([]wanted{row.now}, noon)
			q.items["p"].saw(row.now.since, q.items["p"].have)
			at, ever := q.items["p"].due(three)
			if !ever && row.want >= 0 || ever && at.Sub(noon) != row.want && (row.want > 0 || at.After(noon)) {
				t.Errorf("got due %v after the change (ever: %t), want %v", at.Sub(noon), ever, row.want)
			}
			if row.want < 0 && ever {
				t.Error("got due, want never")
			}
		})
	}
}

// TestWhoeverElseWritesIsNoticed: the object's version is not the one that our
// write left, so its status is read again (S4).
func TestWhoeverElseWritesIsNoticed(t *testing.T) {
	w := wish("p", 7, 1, 3)
	q := looked(w)
	it := q.items["p"]
	it.wrote("9", it.merge(nil, noon), noon)
	again := func(v string) lack {
		p := *w.policy
		p.ResourceVersion = v
		w.policy = &p
		q.want([]wanted{w}, noon)
		return it.lack
	}
	if got := again("8"); got != lackNothing {
		t.Errorf("got %d for an informer that lags, want nothing to do", got)
	}
	if got := again("9"); got != lackNothing {
		t.Errorf("got %d for our own write, want nothing to do", got)
	}
	if got := again("10"); got != lackUnknown {
		t.Errorf("got %d for another's write, want to look", got)
	}
}

func TestFailuresWait(t *testing.T) {
	q := looked(wish("p", 7, 1, 3))
	it := q.items["p"]
	now := noon
	for i := range 20 {
		it.failed(now, time.Second)
		at, _ := it.due(three)
		if wait := at.Sub(now); wait < time.Second || wait > time.Minute {
			t.Fatalf("got %v to wait after %d failures, want 1 s to 1 min", wait, i+1)
		}
		now = at
	}
	it.wrote("9", it.merge(nil, now), now)
	if it.failures != 0 || !it.retry.IsZero() {
		t.Errorf("got %d failures after a success, want none", it.failures)
	}
	q.want(nil, now)
	if len(q.items) != 0 {
		t.Errorf("got %d items without policies, want none", len(q.items))
	}
}

func TestTempo(t *testing.T) {
	for _, row := range []struct {
		nodes int
		rate  float64
		words time.Duration
	}{{0, 100, time.Second}, {3, 100, time.Second}, {1000, 50, 10 * time.Second}, {5000, 10, 50 * time.Second}, {50000, 5, time.Minute}} {
		if got := tempoOf(row.nodes); got.rate != row.rate || got.words != row.words {
			t.Errorf("%d nodes: got %+v, want rate %v, words %v", row.nodes, got, row.rate, row.words)
		}
	}
}

// TestBucket: in any time, no more than what was saved and what has come since.
func TestBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const rate, size = 5, 10
		var b bucket
		now, taken := noon, 0
		for range rapid.IntRange(1, 200).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
			ok, wait := b.take(now, rate, size)
			if ok {
				taken++
			} else if again := b; wait <= 0 {
				t.Fatal("got no token and no time to wait")
			} else if ok, _ := again.take(now.Add(wait+1), rate, size); !ok {
				t.Fatalf("got no token after the %v that were asked for", wait)
			}
			if most := size + rate*now.Sub(noon).Seconds(); float64(taken) > most+1e-6 {
				t.Fatalf("got %d tokens in %v, want at most %v", taken, now.Sub(noon), most)
			}
		}
	})
}

func TestQuietIsNotSavedForEver(t *testing.T) {
	const rate, size = 5, 10
	var b bucket
	b.take(noon, rate, size)
	taken := 0
	for later := noon.Add(time.Hour); ; taken++ {
		if ok, _ := b.take(later, rate, size); !ok {
			break
		}
	}
	if taken != size {
		t.Errorf("got %d tokens at once after an hour, want %d", taken, size)
	}
}
