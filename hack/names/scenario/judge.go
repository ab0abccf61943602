package scenario

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// judgement is a row as it is printed.
type judgement struct {
	row  Row
	saw  string
	open string
	lost string
	// wrong are the sentences that say what was otherwise than wanted.
	wrong []string
}

func (r *run) judged() []judgement {
	var all []judgement
	for i, row := range r.rows {
		all = append(all, judge(row, i, r.results[i]))
	}
	return all
}

// judge compares what became of a row with what it wants.
func judge(row Row, i int, res result) judgement {
	j := judgement{row: row, saw: res.saw}
	wrong := func(format string, values ...any) { j.wrong = append(j.wrong, fmt.Sprintf(format, values...)) }
	if res.err != nil {
		wrong("could not be played: %v", res.err)
		return j
	}
	if want := row.sees(i); res.saw != want {
		wrong("answer: got %q, want %q", res.saw, want)
	}
	grants, drops := addresses(i, row.Grants), addresses(i, row.Drops)
	for _, addr := range grants {
		expires, ok := res.grants[addr]
		if !ok {
			wrong("grant of %s: got none, want one", addr)
		} else if problem := row.lives(res, expires); problem != "" {
			wrong("life of %s: %s", addr, problem)
		}
		if f := res.fates[addr]; f != passed {
			wrong("first SYN to %s: got %s, want passed", addr, f)
		}
	}
	for _, addr := range append(drops, addresses(i, row.Never)...) {
		if _, ok := res.grants[addr]; ok {
			wrong("grant of %s: got one, want none", addr)
		}
	}
	for _, addr := range drops {
		if f := res.fates[addr]; f != dropped {
			wrong("first SYN to %s: got %s, want dropped", addr, f)
		}
	}
	for _, series := range row.Counts {
		if share := res.counted[series]; share < 1 {
			wrong("%s: got %.2g more for each row that wants one more", series, share)
		}
	}
	j.open, j.lost = tally(res.fates, grants), tally(res.fates, drops)
	return j
}

// coarse is how far the clocks that grants are written and enforced by may
// differ, and what rounding a TTL to whole seconds takes away.
const coarse = 50 * time.Millisecond

// lives says what is wrong with the end of a grant.
func (r Row) lives(res result, expires time.Duration) string {
	if r.Life == 0 {
		return ""
	}
	// A cache counts its TTL down while the answer is on its way.
	if least := res.asked + r.Life - time.Second; expires < least {
		return fmt.Sprintf("got %s too little, want %s", rounded(least-expires), r.Life)
	}
	if most := res.answered + r.Life + coarse; expires > most {
		return fmt.Sprintf("got %s too much, want %s", rounded(expires-most), r.Life)
	}
	return ""
}

// tally counts what became of the SYNs to some addresses.
func tally(fates map[netip.Addr]fate, of []netip.Addr) string {
	var counts [unsent + 1]int
	for _, addr := range of {
		counts[fates[addr]]++
	}
	var parts []string
	for f := passed; f <= unsent; f++ {
		if counts[f] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[f], f))
		}
	}
	return strings.Join(parts, ", ")
}

// report prints the table, then what is wrong, and counts.
func report(out io.Writer, rows []judgement, failures []string) Total {
	var total Total
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tline\twhat the server does\tanswer\tgrants\tSYN to granted\tSYN to others")
	for _, j := range rows {
		mark := "ok"
		if len(j.wrong) > 0 {
			mark = "WRONG"
			total.Failed++
		} else {
			total.Passed++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", mark, j.row.ID, j.row.Says, j.saw, brief(j.row.Grants), dash(j.open), dash(j.lost))
	}
	table.Flush()
	for _, j := range rows {
		for n, sentence := range j.wrong {
			if n == 3 {
				fmt.Fprintf(out, "WRONG %s: and %d more\n", j.row.Name, len(j.wrong)-n)
				break
			}
			fmt.Fprintf(out, "WRONG %s (%s): %s\n", j.row.Name, j.row.Says, sentence)
		}
	}
	slices.Sort(failures)
	for _, failure := range failures {
		fmt.Fprintln(out, "WRONG", failure)
	}
	total.Failed += len(failures)
	return total
}

func brief(grants string) string { return dash(strings.TrimSpace(grants)) }

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
