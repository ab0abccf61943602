package main

import (
	"fmt"
	"slices"
	"strings"
)

// tableFolder is where the table is kept, which its links start from.
const tableFolder = "hack/semantics"

// table is the contract beside the tests that name its lines.
type table struct {
	contract []line
	tests    map[id][]claim
	// strange are claims of lines that the contract does not have.
	strange []string
}

func newTable(contract []line, claims []claim) *table {
	t := &table{contract: contract, tests: map[id][]claim{}}
	known := map[id]bool{}
	for _, l := range contract {
		known[l.id] = true
	}
	for _, c := range claims {
		for _, i := range c.ids {
			if known[i] {
				t.tests[i] = append(t.tests[i], c)
			} else {
				t.strange = append(t.strange, fmt.Sprintf("%s (%s) names %s, which the contract does not have", c.test, c.path, i))
			}
		}
	}
	return t
}

// holes gives the lines that no test names.
func (t *table) holes() []id {
	var found []id
	for _, l := range t.contract {
		if len(t.tests[l.id]) == 0 {
			found = append(found, l.id)
		}
	}
	return found
}

// wrong gives what a check of these lines has to complain of.
func (t *table) wrong(wanted map[id]bool) []string {
	found := slices.Clone(t.strange)
	for _, hole := range t.holes() {
		if wanted[hole] {
			found = append(found, hole.String()+": no test names it")
		}
	}
	return found
}

func (t *table) markdown() string {
	var out strings.Builder
	out.WriteString("# What is promised, and the tests of it\n\n")
	out.WriteString("Made by `make semantics` from [SEMANTICS.md](../../SEMANTICS.md) and from what tests say of themselves.\n\n")
	out.WriteString("| id | rule | tests |\n|---|---|---|\n")
	for _, l := range t.contract {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", l.id, l.short(), links(t.tests[l.id]))
	}
	out.WriteString("\n" + t.summary() + "\n")
	return out.String()
}

func (t *table) summary() string {
	holes := t.holes()
	if len(holes) == 0 {
		return fmt.Sprintf("No hole: each of %d lines has a test.", len(t.contract))
	}
	names := make([]string, len(holes))
	for i, hole := range holes {
		names[i] = hole.String()
	}
	return fmt.Sprintf("Holes: %s, of %d lines.", strings.Join(names, ", "), len(t.contract))
}

func links(tests []claim) string {
	if len(tests) == 0 {
		return "**none**"
	}
	up := strings.Repeat("../", strings.Count(tableFolder, "/")+1)
	all := make([]string, len(tests))
	for i, c := range tests {
		all[i] = fmt.Sprintf("[%s](%s%s)", c.test, up, c.path)
	}
	return strings.Join(all, ", ")
}
