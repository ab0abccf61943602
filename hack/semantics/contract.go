package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// id is a line of the contract, such as P10.
type id struct {
	section byte // P, N, D or S
	number  int
}

func (i id) String() string { return fmt.Sprintf("%c%d", i.section, i.number) }

// line is one behaviour that is promised.
type line struct {
	id   id
	rule string
}

var promise = regexp.MustCompile(`^\| ([A-Z])(\d+) \| (.+) \|$`)

// readContract gives the lines of SEMANTICS.md in their order.
func readContract(path string) ([]line, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	var lines []line
	known := map[id]bool{}
	for n, row := range strings.Split(string(text), "\n") {
		found := promise.FindStringSubmatch(row)
		if found == nil {
			continue
		}
		number, err := strconv.Atoi(found[2])
		l := line{id{found[1][0], number}, found[3]}
		if err != nil || known[l.id] {
			return nil, fmt.Errorf("%s:%d: a second line %s; each needs an id of its own", path, n+1, l.id)
		}
		known[l.id] = true
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s: no line of the form \"| P1 | rule |\"", path)
	}
	return lines, nil
}

// shortRule is how much of a rule a table has room for, in letters.
const shortRule = 76

// short gives the beginning of the rule, in which no mark of Markdown is left
// open.
func (l line) short() string {
	rule := strings.NewReplacer("*", `\*`, "`", "", `\|`, "/").Replace(l.rule)
	if at := strings.Index(rule, ". "); at >= 0 {
		rule = rule[:at]
	}
	rule = strings.TrimSuffix(rule, ".")
	letters := []rune(rule)
	if len(letters) <= shortRule {
		return rule
	}
	cut := string(letters[:shortRule])
	return cut[:strings.LastIndex(cut, " ")] + " …"
}

var reference = regexp.MustCompile(`\b([PNDS])(\d{1,3})\b(?:(?: to |\s?[-–]\s?|\.\.)([PNDS])(\d{1,3})\b)?`)

// mentions gives the ids in a text. "P2 to P20" and "D1-D7" stand for every
// line between them.
func mentions(text string) []id {
	var found []id
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		first, _ := strconv.Atoi(m[2])
		last := first
		if m[3] == m[1] {
			last, _ = strconv.Atoi(m[4])
		} else if m[3] != "" {
			other, _ := strconv.Atoi(m[4])
			found = append(found, id{m[3][0], other})
		}
		for n := first; n <= last; n++ {
			found = append(found, id{m[1][0], n})
		}
	}
	return found
}

// selection is the ids that -check names: "P" is every line of a section.
func selection(text string, contract []line) (map[id]bool, error) {
	wanted := map[id]bool{}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		before := len(wanted)
		for _, l := range contract {
			if part == string(l.id.section) {
				wanted[l.id] = true
			}
		}
		if len(wanted) > before {
			continue
		}
		ids := mentions(part)
		for _, i := range ids {
			wanted[i] = true
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("%q is no part of the contract; write P for all its lines, P6 or D1-D7", part)
		}
	}
	return wanted, nil
}
