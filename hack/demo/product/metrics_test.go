package product

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const page = `# HELP nameward_endpoints Policed pods.
# TYPE nameward_endpoints gauge
nameward_endpoints 6
# HELP nameward_verdicts_total Packets by verdict.
# TYPE nameward_verdicts_total counter
nameward_verdicts_total{direction="egress",verdict="allow",tier="none",reason="established"} 1200
nameward_verdicts_total{direction="egress",verdict="allow",tier="networkpolicy",reason="allowed-name"} 4
nameward_verdicts_total{direction="egress",verdict="deny",tier="default",reason="default-deny"} 7
nameward_verdicts_total{direction="ingress",verdict="allow",tier="admin",reason="admin-accept"} 2
nameward_verdicts_total{direction="ingress",verdict="deny",tier="admin",reason="admin-accept"} 0
`

var (
	established = Verdict{"egress", "allow", "none", "established"}
	byName      = Verdict{"egress", "allow", "networkpolicy", "allowed-name"}
	byDefault   = Verdict{"egress", "deny", "default", "default-deny"}
	byAdmin     = Verdict{"ingress", "allow", "admin", "admin-accept"}
)

func TestParseCounters(t *testing.T) {
	got, err := ParseCounters(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	want := Counters{established: 1200, byName: 4, byDefault: 7, byAdmin: 2}
	if !maps.Equal(got, want) {
		t.Errorf("counters: got %v, want %v", got, want)
	}
}

func TestParseCountersRejects(t *testing.T) {
	for name, text := range map[string]string{
		"a page without verdicts":       "# TYPE up gauge\nup 1\n",
		"an empty page":                 "",
		"what is no page of metrics":    "<html>",
		"a label set that never closes": `nameward_verdicts_total{direction="egress" 1`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseCounters(strings.NewReader(text)); err == nil {
				t.Errorf("error: got none and %v, want one", got)
			}
		})
	}
}

func TestSince(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want Counters }{
		"what did not move is left out":             {Counters{byName: 4}, Counters{byName: 4}, Counters{}},
		"what moved is its difference":              {Counters{byName: 4}, Counters{byName: 6}, Counters{byName: 2}},
		"what is new counts from zero":              {Counters{}, Counters{byAdmin: 1}, Counters{byAdmin: 1}},
		"what went down was reset and counts whole": {Counters{byName: 4}, Counters{byName: 3}, Counters{byName: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.after.Since(c.before); !maps.Equal(got, c.want) {
				t.Errorf("difference: got %v, want %v", got, c.want)
			}
		})
	}
}

func TestDeciding(t *testing.T) {
	elsewhere := Verdict{"ingress", "deny", "default", "default-deny"}
	all := Counters{established: 9, byName: 1, byDefault: 1, byAdmin: 1, elsewhere: 5}
	for name, c := range map[string]struct {
		blocked bool
		want    []Verdict
	}{
		"a block by what was denied first, on the way out":      {true, []Verdict{byDefault}},
		"an opening by the tiers, egress first, never by state": {false, []Verdict{byName, byAdmin}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := all.Deciding(c.blocked); !slices.Equal(got, c.want) {
				t.Errorf("verdicts: got %v, want %v", got, c.want)
			}
		})
	}
	if got := all.Denied(); got != 6 {
		t.Errorf("denied: got %d, want 6", got)
	}
}

func TestVerdictReadsLikeASentence(t *testing.T) {
	for verdict, want := range map[Verdict]string{
		established: "established (egress)",
		byName:      "networkpolicy: allowed by name (egress)",
		byDefault:   "default deny (egress)",
		byAdmin:     "admin accept (ingress)",
	} {
		if got := verdict.String(); got != want {
			t.Errorf("text: got %q, want %q", got, want)
		}
	}
}
