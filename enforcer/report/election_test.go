package report

import (
	"strconv"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"
)

// register is a model of the API server's one Lease.
type register struct {
	lease   *coordination.Lease
	version int
}

// write takes l if it replaces what is there, as the API server does.
func (r *register) write(l *coordination.Lease) (*coordination.Lease, bool) {
	if r.lease == nil && l.ResourceVersion != "" || r.lease != nil && l.ResourceVersion != r.lease.ResourceVersion {
		return nil, false
	}
	r.version++
	r.lease = l.DeepCopy()
	r.lease.ResourceVersion = strconv.Itoa(r.version)
	return r.lease.DeepCopy(), true
}

// runner is an enforcer in the election, with a clock of its own.
type runner struct {
	candidate candidate
	skew      time.Duration
	acting    bool
	renewed   time.Time // by its own clock
}

func (r *runner) holds(now time.Time) bool {
	return r.acting && now.Add(r.skew).Sub(r.renewed) < resign
}

// try is one look or renewal, whose answer may be lost.
func (r *runner) try(server *register, now time.Time, lost bool) {
	local := now.Add(r.skew)
	if r.acting && !r.holds(now) {
		r.acting = false
	}
	var mine *coordination.Lease
	if r.acting {
		mine = claim("ns", r.candidate.me, r.candidate.last, local)
	} else {
		have := server.lease.DeepCopy()
		if r.candidate.look(have, local) == stepWait {
			return
		}
		mine = claim("ns", r.candidate.me, have, local)
	}
	got, ok := server.write(mine)
	switch {
	case lost: // whatever became of it
	case !ok:
		r.acting = false
	default:
		r.acting, r.renewed = true, local
		r.candidate.last, r.candidate.since = got, local
	}
}

// TestOneIsElected: clocks that differ by hours, requests that are lost and
// enforcers that stop never make two act at a time, and one acts again soon (S4).
func TestOneIsElected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		server := &register{}
		var all []*runner
		for i := range rapid.IntRange(1, 4).Draw(t, "enforcers") {
			skew := time.Duration(rapid.IntRange(-7200, 7200).Draw(t, "skew")) * time.Second
			all = append(all, &runner{candidate: candidate{me: strconv.Itoa(i)}, skew: skew})
		}
		now := noon
		for range rapid.IntRange(1, 100).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{1, 500, 4000, 16_000}).Draw(t, "ms")) * time.Millisecond)
			rapid.SampledFrom(all).Draw(t, "who").try(server, now, rapid.IntRange(0, 3).Draw(t, "luck") == 0)
			if n := acting(all, now); n > 1 {
				t.Fatalf("got %d that act at once, want at most 1", n)
			}
		}
		survivor := all[0]
		for began := now; acting(all, now) == 0 || !survivor.holds(now); now = now.Add(time.Second) {
			if now.Sub(began) > 2*term {
				t.Fatalf("nobody acts %v after all but one have stopped", now.Sub(began))
			}
			survivor.try(server, now, false)
		}
	})
}

func acting(all []*runner, now time.Time) (n int) {
	for _, r := range all {
		if r.holds(now) {
			n++
		}
	}
	return n
}

func TestThousandsOfCandidatesLookSeldom(t *testing.T) {
	for nodes, want := range map[int]time.Duration{0: 2 * time.Second, 3: 2 * time.Second, 1000: 10 * time.Second, 5000: 50 * time.Second, 50000: time.Minute} {
		if got := pollEvery(nodes); got != want {
			t.Errorf("%d nodes: got %v, want %v", nodes, got, want)
		}
	}
}

// What an uninstallation deletes is every Lease that is made here.
func TestLeasesAreSelected(t *testing.T) {
	selector, err := labels.Parse(Leases)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*coordination.Lease{claim("ns", "me", nil, noon), nodeLease("ns", "n1", "uid", nodeReport{}, noon)} {
		if !selector.Matches(labels.Set(l.Labels)) {
			t.Errorf("Lease %s with %v: want %q to select it", l.Name, l.Labels, Leases)
		}
	}
	if selector.Matches(labels.Set{}) || selector.Matches(labels.Set{partLabel: "other"}) {
		t.Errorf("%q selects Leases of others", Leases)
	}
}
