package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nameward/nameward/hack/prove/kernel"
	"github.com/nameward/nameward/hack/prove/search"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// short is the share of each proof in the ordinary tests; make prove looks for
// as long as one likes.
const short = 3 * time.Second

func proven(t *testing.T, r search.Result) {
	t.Helper()
	var out bytes.Buffer
	report(&out, r)
	t.Log(out.String())
	if len(r.Failures) > 0 {
		t.Errorf("got %d failures, want none", len(r.Failures))
	}
	if r.Judged == 0 {
		t.Error("nothing was judged")
	}
}

// needsKernel skips where err says so, unless the environment says that this
// machine must have it.
func needsKernel(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, kernel.ErrRoot) && os.Getenv("NAMEWARD_REQUIRE_BPF") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func budget() options { return options{budget: short, seed: 1 + rand.Uint64()>>1} }

// P2 to P23: tables say what the rules say, and so does what follows on them.
func TestTables(t *testing.T) {
	o := budget()
	proven(t, search.Search(tablesName, o.budget, o.seed, tables))
}

// P2 to P23, D3, D5: the programs in the kernel say what the rules say.
func TestKernel(t *testing.T) { inKernelFor(t, kernelName) }

// D7, D10: no packet sees a mixture, and refused writes are made good.
func TestChanges(t *testing.T) { inKernelFor(t, changesName) }

func inKernelFor(t *testing.T, name string) {
	t.Helper()
	r, err := hunt(name, budget())
	needsKernel(t, err)
	proven(t, r)
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		sentence string
		args     string
		code     int
		out, err string
	}{
		{"a proof tells its tally last", "-only tables -budget 1ms -seed 7", 0, "; seed 7; 0 failures\n", ""},
		{"an unknown proof is named", "-only magic", 2, "", `-only "magic" is not a proof; write one of oracles, tables, kernel, changes`},
		{"what is no flag is named", "tables", 2, "", `unexpected "tables"`},
		{"a budget has a unit", "-budget 5", 2, "", "-budget"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var out, problems bytes.Buffer
			if got := run(strings.Fields(c.args), &out, &problems); got != c.code {
				t.Errorf("got exit status %d, want %d", got, c.code)
			}
			if !strings.Contains(out.String(), c.out) || !strings.Contains(problems.String(), c.err) {
				t.Errorf("got %q and %q, want %q and %q", &out, &problems, c.out, c.err)
			}
			if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); c.code == 0 && !tally.MatchString(lines[len(lines)-1]) {
				t.Errorf("got last line %q, want %q", lines[len(lines)-1], "N passed, N failed")
			}
		})
	}
}

func TestRelay(t *testing.T) {
	for _, c := range []struct {
		sentence, told, out string
		passed, failed      int
	}{
		{"the tally is added, not told", "one\n12 passed, 3 failed\n", "one\n", 12, 3},
		{"a proof that breaks off has none", "one\n", "one\n", 0, -1},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var out bytes.Buffer
			var r search.Result
			if got := relay(strings.NewReader(c.told), &out, &r); got != c.failed || r.Judged != c.passed {
				t.Errorf("got %d passed, %d failed, want %d and %d", r.Judged, got, c.passed, c.failed)
			}
			if out.String() != c.out {
				t.Errorf("got %q, want %q", &out, c.out)
			}
		})
	}
}
