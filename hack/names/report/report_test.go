package report

import (
	"errors"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	var out strings.Builder
	r := To(&out)
	r.Part("race, seed %d", 7)
	r.Note("%d pods", 50)
	r.Check(Check{Name: "SYNs lost", Want: "0", Got: "0"})
	if r.Failed() {
		t.Error("after a check that is right: got failed, want not")
	}
	r.Check(Check{Name: "leaks", Want: "0", Got: "3", Why: "a → b"})
	r.Fail("chaos", errors.New("no kernel"))
	r.Tally(5, 2)
	r.Summary()
	if !r.Failed() {
		t.Error("after a check that is wrong: got not failed, want failed")
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got, want := lines[len(lines)-1], "6 passed, 4 failed"; got != want {
		t.Errorf("last line: got %q, want %q", got, want)
	}
	for _, want := range []string{"ok SYNs lost", "NO leaks", "3, want 0", "failed: leaks: got 3, want 0 a → b", "failed: chaos: got no kernel", "failed: 2 more, told above"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report: got\n%s\nwant %q in it", out.String(), want)
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasSuffix(line, " \n") {
			t.Errorf("line: got %q, want no blanks at its end", line)
		}
	}
}
