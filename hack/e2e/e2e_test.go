package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	free := map[string]bool{"article": true, "figures": true, "churn": true, "confined": true}
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

func TestPickVariants(t *testing.T) {
	names := func(variants []variant) string {
		var all []string
		for _, v := range variants {
			all = append(all, v.name)
		}
		return strings.Join(all, " ")
	}
	for _, row := range []struct {
		sentence string
		o        options
		want     string
	}{
		{"all of them", options{}, names(variants)},
		{"the first alone in the short form", options{short: true}, "default"},
		{"the first alone where scenarios are chosen", options{only: "race"}, "default"},
		{"the first alone where it stays installed", options{stay: true}, "default"},
		{"those asked for, also in the short form", options{short: true, variant: "bridge,replace"}, "bridge replace"},
		{"one that does not exist", options{variant: "bridge,tunnel"}, "error"},
		{"two cannot stay", options{stay: true, variant: "bridge,replace"}, "error"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			picked, err := pick(row.o)
			got := names(picked)
			if err != nil {
				got = "error"
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestVariantsPlayWhatThereIs: names of scenarios are names of some, and the
// first variant is the chart as it is, with what every cluster can play.
func TestVariantsPlayWhatThereIs(t *testing.T) {
	played := make(map[string]bool)
	for i, v := range variants {
		chosen, err := choose(strings.Join(v.plays, ","))
		if err != nil || (i == 0) != (len(v.plays)+len(v.set)+len(v.lab) == 0) {
			t.Errorf("%s: got %+v (%v), want scenarios that exist, and something of its own but for the first", v.name, v, err)
		}
		for _, s := range chosen {
			played[s.name] = true
		}
	}
	for _, s := range scenarios {
		if !played[s.name] {
			t.Errorf("no variant plays %s", s.name)
		}
	}
}

func TestWhereVariantsCannotBePlayed(t *testing.T) {
	state := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(state, "run"), 0o755), os.WriteFile(filepath.Join(state, "run", "options"), []byte("CNI=bridge\nNOPROXY=\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	kept, ours := &laboratory{state: state}, &laboratory{state: state, ours: true}
	bridge, plain := variant{lab: []string{"CNI=bridge"}}, variant{lab: []string{"CNI=bridge", "BRIDGE_NF=0"}}
	for _, row := range []struct {
		sentence string
		v        variant
		lab      *laboratory
		want     string
	}{
		{"values alone, anywhere", variant{set: []string{"cni.mode=off"}}, nil, ""},
		{"another lab, not in another cluster", bridge, nil, "needs the lab"},
		{"a DNS of the cluster's own, not in another cluster", variant{ownDNS: true}, nil, "needs the lab"},
		{"a lab that is kept and is like that", bridge, kept, ""},
		{"a lab that is kept and is not", plain, kept, "needs a lab started with CNI=bridge BRIDGE_NF=0"},
		{"a lab that can be started anew", plain, ours, ""},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			if got := row.v.unfit(row.lab); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestWhatTakesDNSAwayNeedsAVariant: a user's cluster keeps the DNS it has.
func TestWhatTakesDNSAwayNeedsAVariant(t *testing.T) {
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == "takeover" })
	for _, n := range scenarios[i].needs {
		if !n.met(&world{lab: &laboratory{}, nodes: []string{"a", "b", "c"}, dual: true}) {
			return
		}
	}
	t.Error("takeover would be played in the default variant, want a need that is not met")
}

// TestTheScoreIsTheLastLine: failures are repeated before it, skips are no score.
func TestTheScoreIsTheLastLine(t *testing.T) {
	var out strings.Builder
	r := &report{out: &out}
	r.pass("one", "holds", time.Second)
	r.fail("two", "holds", errors.New("got a, want b"))
	r.begin(variants[1])
	r.skip("three", "needs more")
	r.summary()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got, want := lines[len(lines)-1], "1 passed, 1 failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if want := "skipped: " + variants[1].name + "/three"; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %q", out.String(), want)
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

func TestConfinementOf(t *testing.T) {
	const enforcer = "Name:\tenforcer\nUid:\t0\t0\t0\t0\nCapPrm:\t000000c000001000\nCapEff:\t000000c000001000\nCapBnd:\t000000c000001000\n" +
		"NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n" +
		"449 138 0:73 / / ro,relatime - overlay overlay rw,lowerdir=/a\n450 449 0:74 / /proc rw,nosuid - proc proc rw\n"
	all := capBPF | capNetAdmin | capPerfmon
	for _, row := range []struct {
		sentence, old, new string
		want               confinement
	}{
		{"an enforcer", "", "", confinement{"0", all, all, true, true, true}},
		{"another user", "Uid:\t0", "Uid:\t65532", confinement{"65532", all, all, true, true, true}},
		{"fewer in effect than it could get", "CapEff:\t000000c000001000", "CapEff:\t0000000000000000", confinement{"0", 0, all, true, true, true}},
		{"one more that it could get", "CapBnd:\t000000c000001000", "CapBnd:\t000000c000001400", confinement{"0", all, all | capNetBindService, true, true, true}},
		{"privileges by setuid", "NoNewPrivs:\t1", "NoNewPrivs:\t0", confinement{"0", all, all, false, true, true}},
		{"no filter", "Seccomp:\t2", "Seccomp:\t0", confinement{"0", all, all, true, false, true}},
		{"a mount that can be written to on a file system that cannot", "/ ro,relatime - overlay overlay rw", "/ rw,relatime - overlay overlay ro", confinement{"0", all, all, true, true, false}},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			got, err := confinementOf(strings.Replace(enforcer, row.old, row.new, 1))
			if err != nil || got != row.want {
				t.Errorf("got %+v (%v), want %+v", got, err, row.want)
			}
		})
	}
	for _, text := range []string{"", "CapEff:\tall\nUid:\t0\n"} {
		if got, err := confinementOf(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}
