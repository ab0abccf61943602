package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

const (
	statLine   = "4242 (core) dns) S 1 4242 4242 0 -1 4194560 9000 0 0 0 1234 66 0 0 20 0 12 0 100 1300000000 5000 18446744073709551615\n"
	statusText = "Name:\tcoredns\nVmHWM:\t   90000 kB\nVmRSS:\t   80000 kB\nThreads:\t12\n"
)

func TestParseUsage(t *testing.T) {
	got, err := parseUsage(statLine, statusText)
	if err != nil {
		t.Fatal(err)
	}
	want := usage{cpu: 13 * time.Second, resident: 80000 << 10, peak: 90000 << 10}
	if got != want {
		t.Errorf("usage: got %+v, want %+v", got, want)
	}
}

func TestParseUsageRejects(t *testing.T) {
	for name, c := range map[string]struct{ stat, status string }{
		"a process that has gone":        {"", ""},
		"times that are no numbers":      {strings.Replace(statLine, "1234", "many", 1), statusText},
		"a kernel thread without memory": {statLine, "Name:\tkthreadd\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseUsage(c.stat, c.status); err == nil {
				t.Errorf("error: got none and %+v, want one", got)
			}
		})
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	got, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if got.resident < 1<<20 || got.peak < got.resident {
		t.Errorf("memory: got %.0f bytes of at most %.0f, want more than a megabyte and no more than the peak", got.resident, got.peak)
	}
}
