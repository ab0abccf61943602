package report

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

func setReport(set uint64, unpoliced int, at time.Time) nodeReport {
	return nodeReport{Kinds: map[string]inForce{ClusterNetworkPolicy.String(): {"7", mark(set)}}, Unpoliced: unpoliced, At: at}
}

// TestLeaseWrites: at most every 2 s, a change soon, a heartbeat in time, for any
// number of nodes (S4).
func TestLeaseWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.SampledFrom([]int{0, 3, 1000, 5000}).Draw(t, "nodes")
		slow := time.Duration(nodes) * time.Second / crowd
		var a agenda
		now, set := noon, uint64(0)
		var changed, written time.Time
		for range rapid.IntRange(1, 60).Draw(t, "moments") {
			if rapid.IntRange(0, 2).Draw(t, "changes") == 0 {
				set++
				if changed.IsZero() {
					changed = now
				}
			}
			r := setReport(set, 0, now)
			if due := a.due(r, nodes, now); !due.After(now) {
				if !written.IsZero() && now.Sub(written) < spacing {
					t.Fatalf("written %v after the last time, want at least %v", now.Sub(written), spacing)
				}
				a.wrote(r, now)
				written, changed = now, time.Time{}
			} else if !changed.IsZero() && due.Sub(changed) > max(spacing, slow)+slow {
				t.Fatalf("a change of %d nodes waits %v", nodes, due.Sub(changed))
			} else if due.Sub(now) > heartbeat*5/4 {
				t.Fatalf("nothing written for %v", due.Sub(now))
			}
			now = now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms")) * time.Millisecond)
		}
	})
}

func TestFirstLeaseOfThreeNodesIsWrittenAtOnce(t *testing.T) {
	var a agenda
	if due := a.due(setReport(1, 0, noon), 3, noon); due.Sub(noon) > 10*time.Millisecond {
		t.Errorf("got %v to wait, want none to speak of", due.Sub(noon))
	}
}

// TestFailedLeaseIsTriedAgain: often enough that a node is not taken for silent
// where the API server was away, and not in a hurry (S4).
func TestFailedLeaseIsTriedAgain(t *testing.T) {
	var a agenda
	now := noon
	for range 20 {
		a.failed(now)
		due := a.due(setReport(1, 0, now), 3, now)
		if wait := due.Sub(now); wait < 500*time.Millisecond || wait > 10*time.Second {
			t.Fatalf("got %v until the next try, want 0.5 to 10 s", wait)
		}
		now = due
	}
}

// TestReportsOfNothingNew: a status that somebody writes raises versions and must
// not make every node write (S4).
func TestReportsOfNothingNew(t *testing.T) {
	last := setReport(1, 0, noon)
	for _, row := range []struct {
		sentence string
		next     nodeReport
		want     bool
	}{
		{"another version of the same policies is no news", nodeReport{Kinds: map[string]inForce{ClusterNetworkPolicy.String(): {"9", 1}}, At: noon.Add(1)}, false},
		{"other policies are", setReport(2, 0, noon), true},
		{"a pod without filter is", setReport(1, 1, noon), true},
		{"a kind that has no status is no news", nodeReport{Kinds: map[string]inForce{ClusterNetworkPolicy.String(): {"7", 1}, NetworkPolicy.String(): {"9", 9}}}, false},
		{"a kind that came is", nodeReport{Kinds: map[string]inForce{ClusterNetworkPolicy.String(): {"7", 1}, ApplicationNetworkPolicy.String(): {"9", 9}}}, true},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			if got := row.next.says(last); got != row.want {
				t.Errorf("got %t, want %t", got, row.want)
			}
		})
	}
}

// TestHeard: clocks of nodes do not matter once a node was heard twice (S4).
func TestHeard(t *testing.T) {
	at := func(d time.Duration) nodeReport { return setReport(1, 0, noon.Add(d)) }
	for _, row := range []struct {
		sentence string
		last     heard
		known    bool
		next     nodeReport
		want     time.Duration // relative to noon, which is now
	}{
		{"the first report counts from its own time", heard{}, false, at(-time.Hour), -time.Hour},
		{"a first report from the future counts from now", heard{}, false, at(time.Hour), 0},
		{"a change counts from now, although its clock lags", heard{at(-2 * time.Hour), noon.Add(-time.Minute)}, true, at(-time.Hour), 0},
		{"a change counts from now, although its clock went back", heard{at(time.Hour), noon.Add(-time.Minute)}, true, at(-time.Hour), 0},
		{"the same again was heard when it was", heard{at(0), noon.Add(-time.Minute)}, true, at(0), -time.Minute},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			if got := hear(row.last, row.known, row.next, noon).when.Sub(noon); got != row.want {
				t.Errorf("got heard at %v, want %v", got, row.want)
			}
		})
	}
}

func TestLeaseNames(t *testing.T) {
	long := strings.Repeat("n", longestName)
	names := map[string]bool{}
	for _, node := range []string{"n1", "n1.example.com", long, long[1:], long[:longestName-len(leasePrefix)]} {
		name := leaseName(node)
		if len(name) > longestName || !strings.HasPrefix(name, leasePrefix) || names[name] {
			t.Errorf("got %q for %q, want a name of its own within %d bytes", name, node, longestName)
		}
		names[name] = true
	}
	if got := leaseName("n1"); got != "nameward-node-n1" {
		t.Errorf("got %q, want nameward-node-n1", got)
	}
}

// TestLingering: a pod that is without filter for a moment is nobody's concern.
func TestLingering(t *testing.T) {
	l := lingering{}
	pods := []Unpoliced{{policy.PodRef{UID: "1"}, "no interface"}}
	long, next := l.follow(pods, unpolicedAfter, noon)
	if len(long) != 0 || !next.Equal(noon.Add(unpolicedAfter)) {
		t.Fatalf("got %v and next at %v, want none before %v", long, next, unpolicedAfter)
	}
	if long, _ = l.follow(pods, unpolicedAfter, next); len(long) != 1 {
		t.Fatalf("got %v after %v, want the pod", long, unpolicedAfter)
	}
	l.follow(nil, unpolicedAfter, next)
	if long, _ = l.follow(pods, unpolicedAfter, next); len(long) != 0 || len(l) != 1 {
		t.Errorf("got %v for a pod that had its filter meanwhile, want none", long)
	}
}

func FuzzReport(f *testing.F) {
	f.Add(setReport(7, 1, noon).encode())
	f.Add(`{"kinds":{"x":{"version":"07","set":"f"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := decodeReport(text)
		if err != nil {
			return
		}
		for k, got := range r.Kinds {
			if got.Version != parseVersion(string(got.Version)) || got.Version == "" {
				t.Errorf("%s: got version %q, which cannot be compared", k, got.Version)
			}
		}
		reports := map[string]heard{"n1": {r, noon}}
		callRoll([]string{"n1"}, reports, noon)
		proofs(newLedger(nil, State{}), reports)
	})
}
