package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSumOfAMetric(t *testing.T) {
	const text = "# HELP a_total Things.\na_total{b=\"x y\"} 2\na_total{b=\"z\"} 3.5\na_total_more 7\nzero 0\n"
	for _, row := range []struct {
		sentence, name string
		want           float64
		found          bool
	}{
		{"series are added up, others that begin alike are not", "a_total", 5.5, true},
		{"zero is a value", "zero", 0, true},
		{"a metric that is not there is an error", "a", 0, false},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			got, err := sumOf(text, row.name)
			if got != row.want || (err == nil) != row.found {
				t.Errorf("got %g (%v), want %g, found %v", got, err, row.want, row.found)
			}
		})
	}
}

func TestChooseScenarios(t *testing.T) {
	for _, row := range []struct {
		sentence, only, want string
	}{
		{"in the order asked for", "dual,article", "dual article"},
		{"none but installing and uninstalling", "none", ""},
		{"one that does not exist", "dual,seed", "error"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			chosen, err := choose(row.only)
			var names []string
			for _, s := range chosen {
				names = append(names, s.name)
			}
			got := strings.Join(names, " ")
			if err != nil {
				got = "error"
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestEveryScenarioProvesSomething: each names a line of SEMANTICS.md, but for
// what has none.
func TestEveryScenarioProvesSomething(t *testing.T) {
	ids := regexp.MustCompile(`\((?:[PNDS]\d+(?:, )?)+\)`)
	free := map[string]bool{"article": true, "figures": true, "churn": true}
	seen := make(map[string]bool)
	for _, s := range scenarios {
		if seen[s.name] {
			t.Errorf("two scenarios are called %s", s.name)
		}
		seen[s.name] = true
		if !free[s.name] && !ids.MatchString(s.about) {
			t.Errorf("%s: got %q, want ids of SEMANTICS.md in brackets", s.name, s.about)
		}
	}
}

// TestTheScoreIsTheLastLine: failures are repeated before it, skips are no score.
func TestTheScoreIsTheLastLine(t *testing.T) {
	var out strings.Builder
	r := &report{out: &out}
	r.pass("one", "holds", time.Second)
	r.fail("two", "holds", errors.New("got a, want b"))
	r.skip("three", "needs more")
	r.summary()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got, want := lines[len(lines)-1], "1 passed, 1 failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := strings.Count(out.String(), "got a, want b"); got != 2 {
		t.Errorf("the failure is told %d times, want where it happened and at the end", got)
	}
}

// TestSeedRangeIsWhereItIsReplaced: with another text in the manifest the
// article's scenario would test a range that no Service is in.
func TestSeedRangeIsWhereItIsReplaced(t *testing.T) {
	text, err := seed.ReadFile("testdata/seed/3-allow-intra-app.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), seedServices); got != 1 {
		t.Errorf("got %s %d times, want once", seedServices, got)
	}
}

func TestPoliciesIsolateForTheDirectionsGiven(t *testing.T) {
	for _, row := range []struct {
		sentence        string
		ingress, egress []string
		want            string
	}{
		{"nil is not isolated", nil, nobody, "policyTypes: [Egress]\n  egress: []"},
		{"rules stand side by side", []string{"{}", "{a: b}"}, nil, "policyTypes: [Ingress]\n  ingress: [{}, {a: b}]"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			if got := networkPolicy("ns", "name", everyPod, row.ingress, row.egress); !strings.Contains(got, row.want) {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}
