package scenario

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRowsShareNothing: rows are played at the same time, so no two may share
// what they are told apart by.
func TestRowsShareNothing(t *testing.T) {
	names, says, addrs := map[string]string{}, map[string]bool{}, map[netip.Addr]string{}
	for i, row := range Table() {
		if says[row.Says] {
			t.Errorf("sentence %q: got it twice, want it once", row.Says)
		}
		says[row.Says] = true
		for name := range row.scripts(i) {
			if other, ok := names[strings.ToLower(name)]; ok {
				t.Errorf("name %s: got rows %q and %q, want one", name, other, row.Says)
			}
			names[strings.ToLower(name)] = row.Says
		}
		for _, addr := range addresses(i, row.Grants+" "+row.Drops) {
			if other, ok := addrs[addr]; ok {
				t.Errorf("address %s: got rows %q and %q, want one", addr, other, row.Says)
			}
			addrs[addr] = row.Says
		}
		if !strings.HasPrefix(row.ID, "N") {
			t.Errorf("%q: got line %q, want one of SEMANTICS.md's N", row.Says, row.ID)
		}
	}
}

func TestExpand(t *testing.T) {
	for _, c := range []struct{ says, text, want string }{
		{"a word stays", "127.0.0.1", "127.0.0.1"},
		{"an address of the row", "{1}", "44.0.96.1"},
		{"a range is a word each", "{2..4}", "44.0.96.2 44.0.96.3 44.0.96.4"},
		{"beyond a byte", "{257}", "44.0.97.1"},
		{"IPv6", "{6.258}", "2606:4700:44::300:0:102"},
		{"behind NAT64", "{nat64.1}", "64:ff9b::2c00:6001"},
		{"6to4", "{6to4.1}", "2002:2c00:6001::1"},
		{"mapped", "{mapped.1}", "::ffff:44.0.96.1"},
		{"two in a word", "{1}={2}", "44.0.96.1=44.0.96.2"},
	} {
		t.Run(c.says, func(t *testing.T) {
			if got := strings.Join(words(3, c.text), " "); got != c.want {
				t.Errorf("words: got %q, want %q", got, c.want)
			}
		})
	}
}

// TestJudge: every kind of deviation is seen.
func TestJudge(t *testing.T) {
	row := Row{ID: "N4", Says: "a row", Name: "row", Grants: "{1}", Drops: "{2}", Never: "127.0.0.1", Life: time.Minute, Counts: []string{"series"}}
	one, two := addresses(0, "{1}")[0], addresses(0, "{2}")[0]
	good := func() result {
		return result{
			saw:   "NOERROR 44.0.0.1",
			shots: shots{fates: map[netip.Addr]fate{one: passed, two: dropped}},
			asked: time.Hour, answered: time.Hour + time.Second,
			grants:  map[netip.Addr]time.Duration{one: time.Hour + time.Minute},
			counted: map[string]float64{"series": 1},
		}
	}
	if j := judge(row, 0, good()); len(j.wrong) > 0 {
		t.Fatalf("a row as wanted: got %q, want nothing wrong", j.wrong)
	}
	for _, c := range []struct {
		says  string
		spoil func(*result)
		want  string
	}{
		{"another answer", func(r *result) { r.saw = "NXDOMAIN" }, "answer: got"},
		{"no grant", func(r *result) { delete(r.grants, one) }, "grant of 44.0.0.1: got none"},
		{"too short a life", func(r *result) { r.grants[one] -= 2 * time.Second }, "too little"},
		{"too long a life", func(r *result) { r.grants[one] += 2 * time.Second }, "too much"},
		{"a first SYN dropped", func(r *result) { r.fates[one] = dropped }, "first SYN to 44.0.0.1: got dropped"},
		{"a grant too many", func(r *result) { r.grants[two] = time.Hour }, "grant of 44.0.0.2: got one"},
		{"a grant of what is never granted", func(r *result) { r.grants[netip.MustParseAddr("127.0.0.1")] = time.Hour }, "grant of 127.0.0.1"},
		{"a SYN that passes", func(r *result) { r.fates[two] = passed }, "first SYN to 44.0.0.2: got passed"},
		{"a SYN that is not sent", func(r *result) { r.fates[two] = unsent }, "first SYN to 44.0.0.2: got not sent"},
		{"nothing counted", func(r *result) { r.counted["series"] = 0.5 }, "series: got 0.5 more"},
	} {
		t.Run(c.says, func(t *testing.T) {
			res := good()
			c.spoil(&res)
			j := judge(row, 0, res)
			if len(j.wrong) != 1 || !strings.Contains(j.wrong[0], c.want) {
				t.Errorf("sentences: got %q, want one with %q", j.wrong, c.want)
			}
			var out strings.Builder
			if total := report(&out, []judgement{j}, []string{"run"}); total != (Total{Failed: 2}) || !strings.Contains(out.String(), c.want) {
				t.Errorf("report: got %+v and\n%s, want 2 failed, and why", total, out.String())
			}
		})
	}
}

// TestGrown: series are summed up by how they begin.
func TestGrown(t *testing.T) {
	before := reading{series: map[string]float64{`a{x="1"}`: 1, `ab`: 5}}
	after := reading{series: map[string]float64{`a{x="1"}`: 2, `a{x="2"}`: 3, `ab`: 9}}
	if got := after.grown(before, "a{"); got != 4 {
		t.Errorf("growth: got %v, want 4", got)
	}
}

func TestEveryChainIsAsked(t *testing.T) {
	asked := map[chain]bool{}
	for _, row := range Table() {
		for _, ask := range row.asks() {
			asked[ask.Of] = true
		}
	}
	for c := range chains {
		if !asked[c] || blocks[c].says == "" {
			t.Errorf("chain %d (%s): got no row that asks it, want one", c, blocks[c].says)
		}
	}
	if got := slices.Collect(maps.Keys(asked)); len(got) != int(chains) {
		t.Errorf("chains: got %d, want %d", len(got), chains)
	}
}
