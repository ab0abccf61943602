package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/hack/names/fleet"
	"github.com/nameward/nameward/hack/names/report"
)

func TestTallyOfOwners(t *testing.T) {
	pod := &fleet.Pod{Pod: &scene.Pod{Name: "asker-1"}}
	var got tally
	for _, c := range []struct {
		outcome fleet.Outcome
		err     error
	}{
		{fleet.Opened, nil},
		{fleet.Blocked, nil},
		{fleet.Repeated, nil},
		{fleet.Unanswered, errors.New("read udp: connection refused")},
		{fleet.Unanswered, errors.New("read udp: i/o timeout")},
		{fleet.OutcomeUnknown, errors.New("no route to host")},
	} {
		got.add(t.Context(), pod, fleet.Attempt{}, c.outcome, c.err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	got.add(gone, pod, fleet.Attempt{}, fleet.Blocked, nil)
	for what, c := range map[string][2]int64{
		"tried, but not what was interrupted":   {got.tried.Load(), 6},
		"opened":                                {got.opened.Load(), 1},
		"first SYNs lost, once for each name":   {got.firstLost(), 2},
		"what pods noticed":                     {got.noticed(), 2},
		"questions without an answer":           {got.unanswered.Load(), 2},
		"what nobody can explain":               {got.odd.Load(), 1},
		"names to try again, the late included": {int64(len(got.lost)), 2},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: got %d, want %d", what, c[0], c[1])
		}
	}
	if got, want := got.unansweredBy(), "1 no reply, 1 refused"; got != want {
		t.Errorf("reasons: got %q, want %q", got, want)
	}
	if got, want := got.oddities(), "asker-1: no route to host"; got != want {
		t.Errorf("oddities: got %q, want %q", got, want)
	}
}

func TestTallyOfStrangers(t *testing.T) {
	pod := &fleet.Pod{Pod: &scene.Pod{Name: "asker-1"}}
	var got tally
	for _, c := range []struct {
		kind    string
		outcome fleet.Outcome
	}{
		{twinHere, fleet.Blocked},
		{twinHere, fleet.Opened},
		{bystander, fleet.Repeated},
		{bystander, fleet.Unanswered},
	} {
		got.addTrespass(t.Context(), c.kind, pod, c.outcome, nil)
	}
	if got.trespasses.Load() != 3 || got.leaked.Load() != 2 || got.noticed() != 1 {
		t.Errorf("got %d attempts, %d leaks, %d noticed; want 3, 2, 1", got.trespasses.Load(), got.leaked.Load(), got.noticed())
	}
	if got, want := got.trespassesBy(), "1 no policy, asked itself, 2 same policy, same node"; got != want {
		t.Errorf("kinds: got %q, want %q", got, want)
	}
}

// TestJudge: each of the books can give a leak or a loss away.
func TestJudge(t *testing.T) {
	denied := func(packets uint64) product.Counters {
		return product.Counters{{Direction: "egress", Verdict: "deny", Tier: "default", Reason: "default-deny"}: packets}
	}
	for _, c := range []struct {
		says   string
		leaked int64
		after  books
		wrong  string
	}{
		{"three denied packets for three SYNs are right", 0, books{kernels: denied(13), syns: 103}, ""},
		{"a denied packet that nobody sent is not", 0, books{kernels: denied(14), syns: 103}, "packets that the kernels denied"},
		{"nor one that nobody counted", 0, books{kernels: denied(12), syns: 103}, "packets that the kernels denied"},
		{"a leak is wrong though no server saw it", 1, books{kernels: denied(13), syns: 103}, "attempts at names"},
		{"a SYN that opened a connection is none of them", 0, books{kernels: denied(13), syns: 105, owners: 2}, ""},
		{"a stranger is wrong though no client was one", 0, books{kernels: denied(13), syns: 104, strangers: 1}, "from strangers"},
	} {
		t.Run(c.says, func(t *testing.T) {
			var out strings.Builder
			var counted tally
			counted.leaked.Store(c.leaked)
			r := report.To(&out)
			p := &proof{fleet: &fleet.Fleet{Doors: new(fleet.Doors)}}
			p.judge(r, &counted, books{kernels: denied(10), syns: 100}, c.after)
			var wrong []string
			for line := range strings.Lines(out.String()) {
				if strings.HasPrefix(line, "  NO") {
					wrong = append(wrong, line)
				}
			}
			switch {
			case c.wrong == "" && len(wrong) > 0, c.wrong != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], c.wrong)):
				t.Errorf("wrong lines: got %q, want one that has %q", wrong, c.wrong)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ says, args, err string }{
		{"nothing is needed", "", ""},
		{"all that is known", "-trials 7 -seed 3 -chaos 2s -only chaos -keep", ""},
		{"no trials are no proof", "-trials 0", "want 1 to 1000000"},
		{"chaos has an end", "-chaos 1h", "want up to 10m"},
		{"a part that there is not", "-only rase", "no part; write one of scenarios, race"},
		{"what is no flag", "race", `unexpected argument "race"`},
	} {
		t.Run(c.says, func(t *testing.T) {
			o, err := parse(strings.Fields(c.args), io.Discard)
			if got := fmt.Sprint(err); c.err == "" && err != nil || c.err != "" && !strings.Contains(got, c.err) {
				t.Fatalf("error: got %s, want %q", got, c.err)
			}
			if err == nil && (o.seed == 0 || o.lasts < time.Second || o.trials < 1) {
				t.Errorf("options: got %+v, want a seed, trials and a time", o)
			}
		})
	}
}
