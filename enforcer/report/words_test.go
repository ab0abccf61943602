package report

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func reportAt(v string, leaks int, when time.Time) heard {
	return heard{nodeReport{Kinds: map[string]inForce{ClusterNetworkPolicy.String(): {Version: version(v)}}, Unpoliced: leaks, At: when}, when}
}

// TestEnforcedWords: a condition names the nodes that are missing (S4).
func TestEnforcedWords(t *testing.T) {
	for _, row := range []struct {
		sentence string
		reports  map[string]heard
		nodes    string
		want     verdict
	}{
		{"all nodes have it", map[string]heard{"n1": reportAt("7", 0, noon), "n2": reportAt("8", 0, noon)}, "n1 n2",
			verdict{meta.ConditionTrue, "AllNodes", "2 of 2 nodes"}},
		{"one is behind", map[string]heard{"n1": reportAt("7", 0, noon), "n2": reportAt("6", 0, noon)}, "n1 n2",
			verdict{meta.ConditionFalse, "Progressing", "1 of 2 nodes; not there yet: n2"}},
		{"one is silent for longer than three minutes", map[string]heard{"n1": reportAt("7", 0, noon), "n2": reportAt("8", 0, noon.Add(-4*time.Minute))}, "n1 n2",
			verdict{meta.ConditionFalse, "SomeNodes", "1 of 2 nodes; silent: n2 since 2026-01-01T11:56:00Z"}},
		{"one is silent for exactly three minutes", map[string]heard{"n1": reportAt("7", 0, noon.Add(-overdue))}, "n1",
			verdict{meta.ConditionTrue, "AllNodes", "1 of 1 nodes"}},
		{"one has no enforcer, one a pod without filter", map[string]heard{"n1": reportAt("7", 0, noon), "n2": reportAt("8", 2, noon)}, "n1 n2 n3",
			verdict{meta.ConditionFalse, "SomeNodes", "1 of 3 nodes; no enforcer: n3; pods not policed: 2 on n2"}},
		{"many have no enforcer", nil, "n1 n2 n3 n4 n5", verdict{meta.ConditionFalse, "SomeNodes", "0 of 5 nodes; no enforcer: n1, n2, n3 and 2 more"}},
		{"a node that is gone does not count", map[string]heard{"n1": reportAt("7", 0, noon), "n9": reportAt("6", 0, noon)}, "n1",
			verdict{meta.ConditionTrue, "AllNodes", "1 of 1 nodes"}},
		{"there are no nodes", nil, "", verdict{meta.ConditionUnknown, "NoNodes", "0 of 0 nodes"}},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			r := callRoll(strings.Fields(row.nodes), row.reports, noon)
			got := r.enforced(ClusterNetworkPolicy, "7", r.tail())
			if got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}

// TestClosedPartsFit: field and reason of each closed part, within what the API
// allows, in whole characters, and none goes untold (P15).
func TestClosedPartsFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var problems []policy.Problem
		for i := range rapid.IntRange(1, 50).Draw(t, "problems") {
			problems = append(problems, policy.Problem{Field: fmt.Sprintf("f%d", i),
				Reason: strings.Repeat("ä", rapid.SampledFrom([]int{1, 20, 2000}).Draw(t, "length"))})
		}
		for _, most := range []int{longestNote, longestMessage} {
			got := closedParts(problems, most)
			if len(got) > most || !utf8.ValidString(got) {
				t.Fatalf("got %d bytes (valid: %t), want at most %d", len(got), utf8.ValidString(got), most)
			}
			told, more := strings.Count(got, ": ä"), 0
			if _, rest, ok := strings.Cut(got, "; and "); ok {
				fmt.Sscanf(rest, "%d more", &more)
			}
			if told == 0 || told+more != len(problems) {
				t.Fatalf("got %d told and %d counted, want %d together", told, more, len(problems))
			}
		}
	})
}

// TestMergeDisturbsNobody: conditions of others stay as they are, and the time of
// transition is that of the status (S4).
func TestMergeDisturbsNobody(t *testing.T) {
	statuses := rapid.SampledFrom([]meta.ConditionStatus{meta.ConditionTrue, meta.ConditionFalse})
	draw := func(t *rapid.T, name string) meta.Condition {
		return meta.Condition{Type: name, Status: statuses.Draw(t, "status"), Reason: "R", Message: rapid.SampledFrom([]string{"m", "n"}).Draw(t, "message"),
			ObservedGeneration: int64(rapid.IntRange(1, 2).Draw(t, "generation")), LastTransitionTime: meta.NewTime(noon.Add(-time.Hour))}
	}
	rapid.Check(t, func(t *rapid.T) {
		var have []meta.Condition
		for _, name := range rapid.Permutation([]string{"Accepted", "Other", "Enforced", "example.com/Enforced"}).Draw(t, "types") {
			if rapid.Bool().Draw(t, "present") {
				have = append(have, draw(t, name))
			}
		}
		w := &wanted{policy: &Policy{Generation: 2}, accepted: verdict{statuses.Draw(t, "status"), "R", "m"}, enforced: verdict{statuses.Draw(t, "status"), "R", "m"}}
		got := w.merge(have, noon)
		if w.compare(got) != lackNothing {
			t.Fatalf("merged conditions %+v still lack something", got)
		}
		byType := map[string]meta.Condition{}
		for _, c := range got {
			byType[c.Type] = c
		}
		for i, before := range have {
			after := byType[before.Type]
			ours := before.Type == typeAccepted || before.Type == typeEnforced
			if !ours && (got[i].Type != before.Type || !cmp.Equal(after, before)) {
				t.Fatalf("got another's condition %+v, want %+v at %d", after, before, i)
			}
			if same := before.LastTransitionTime.Equal(&after.LastTransitionTime); ours && same != (before.Status == after.Status) {
				t.Fatalf("got transition at %v from %+v to %+v", after.LastTransitionTime, before, after)
			}
		}
		if w.compare(have) == lackNothing && !cmp.Equal(got, have) {
			t.Fatalf("got %+v from %+v, which lacked nothing", got, have)
		}
	})
}
