package main

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestProve: the command spends its budget on each oracle and ends with a line
// that programs can read.
func TestProve(t *testing.T) {
	var out strings.Builder
	start := time.Now()
	if code := prove(&out, 600*time.Millisecond, 5, ""); code != 0 {
		t.Errorf("got exit code %d, want 0\n%s", code, &out)
	}
	if took := time.Since(start); took < 600*time.Millisecond {
		t.Errorf("got it done in %s, want the budget spent", took)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if lines[0] != "seed 5" {
		t.Errorf("got first line %q, want the seed", lines[0])
	}
	if last := lines[len(lines)-1]; !regexp.MustCompile(`^[1-9]\d* passed, 0 failed$`).MatchString(last) {
		t.Errorf("got last line %q, want what passed and failed", last)
	}
	for _, want := range []string{"cyclonus: ", "kube-network-policies: ", "kube-network-policies-v1alpha2: ", "cases/s", "masked"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got no %q in\n%s", want, &out)
		}
	}
}

// TestProveNobody: an oracle that does not exist is no success.
func TestProveNobody(t *testing.T) {
	var out strings.Builder
	if code := prove(&out, time.Second, 5, "delphi"); code == 0 {
		t.Errorf("got exit code 0 for %q, want another", out.String())
	}
}
