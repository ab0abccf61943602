package main

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
)

var (
	somePatterns = []string{"*.example.org", "a.example", "b.example", "c.example"}
	somePorts    = []uint16{22, 80, 443, 8443}
)

// someRules draws rules that allow some names on some ports.
func someRules(t *rapid.T, label string) []policy.Rule {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.Rule {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom(somePatterns), 1, 3, rapid.ID[string]).Draw(t, "names")
		ports := rapid.SliceOfNDistinct(rapid.SampledFrom(somePorts), 0, 3, rapid.ID[uint16]).Draw(t, "ports")
		return named(names, ports...)
	}), 0, 4).Draw(t, label)
}

// N7, D6, D7: on the way from any policy to any other, what both allow by name
// is never denied and what neither allows is never let through, for any set of
// patterns that admitted an address. (A failure prints the seed to repeat it.)
func TestNameRowsHoldOnTheWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := draftOf(someRules(t, "from")...), draftOf(someRules(t, "to")...)
		set := rapid.SliceOfNDistinct(rapid.SampledFrom(somePatterns), 1, 4, rapid.ID[string]).Draw(t, "set")
		slices.Sort(set)
		use := nameUse{podID, to.compiled.NameClass(set), set}

		m := newMemory()
		m.held[web] = datapath.Entry{Addr: web, Class: use.class}
		first := newUpdate(nil, from)
		first.cover(use)
		check(t, m.Apply(first.steps, nil))
		u := newUpdate(from.compiled, to)
		u.cover(use)
		for _, port := range somePorts {
			before, after := judgeByName(from, use, port), judgeByName(to, use, port)
			switch {
			case before && after:
				m.watched = append(m.watched, probe{peer: web, port: port})
			case !before && !after:
				m.barred = append(m.barred, probe{peer: web, port: port})
			}
		}
		check(t, m.Apply(u.steps, nil))
		if len(m.denied) > 0 {
			t.Errorf("not as both policies say: %q", m.denied)
		}
		for _, port := range somePorts {
			if got, want := m.allows(web, port), judgeByName(to, use, port); got != want {
				t.Errorf("in the end, port %d: got allowed %v, want %v", port, got, want)
			}
		}
	})
}

// judgeByName asks the policy alone, with nothing of the way in it.
func judgeByName(d *draft, use nameUse, port uint16) bool {
	tables := *d.compiled.Tables
	tables.NameRows = d.compiled.NameRows(podID, use.patterns)
	return tables.Judge(podID, policy.Egress, web, tcp, port, use.class).Verdict == policy.Allow
}

func TestTheSameCompiledNeedsOneStep(t *testing.T) {
	d := draftOf(named([]string{"example.com"}))
	if got := len(newUpdate(d.compiled, d).steps); got != 1 {
		t.Errorf("got %d steps, want 1", got)
	}
	before := len(d.compiled.Tables.NameRows)
	newUpdate(d.compiled, d).cover(nameUse{podID, 1, []string{"example.com"}})
	if got := len(d.compiled.Tables.NameRows); got != before {
		t.Errorf("compiled tables were changed: got %d rows, want %d", got, before)
	}
}
