package main

import (
	"slices"
	"strings"
	"testing"
)

const benchOutput = `goos: linux
pkg: github.com/nameward/nameward/bpf
cpu: AMD EPYC
BenchmarkHook/established-2         	     100	        47.00 ns/added	        25.00 ns/nothing	       1 B/op	       0 allocs/op
BenchmarkHook/deny_udp-2            	      51	       162.0 ns/added	        25.00 ns/nothing
BenchmarkHook/established-2         	     100	        51.50 ns/added	        26.00 ns/nothing	       1 B/op	       0 allocs/op
BenchmarkHook/established-2         	     100	        45.00 ns/added	        25.00 ns/nothing	       1 B/op	       0 allocs/op
BenchmarkPlain   	 1e+06	       1.5e+03 ns/op
PASS
ok  	github.com/nameward/nameward/bpf	10.398s
`

func TestParseBenchmarks(t *testing.T) {
	all, err := parseBenchmarks(strings.NewReader(benchOutput))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"Hook/established", "Hook/deny_udp", "Plain"}; !slices.Equal(all.names, want) {
		t.Errorf("names: got %q, want %q", all.names, want)
	}
	for _, c := range []struct {
		sentence, name, unit string
		want                 float64
	}{
		{"the median of three runs", "Hook/established", "ns/added", 47},
		{"one run is its own median", "Hook/deny_udp", "ns/added", 162},
		{"a name without the number of CPUs", "Plain", "ns/op", 1500},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got, err := all.median(c.name, c.unit)
			if err != nil || got != c.want {
				t.Errorf("median: got %v, %v, want %v", got, err, c.want)
			}
		})
	}
	for _, c := range []struct{ sentence, name, unit string }{
		{"a benchmark that did not run is an error", "Hook/reply", "ns/added"},
		{"a metric that was not reported is an error", "Plain", "allocs/op"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got, err := all.median(c.name, c.unit); err == nil {
				t.Errorf("error: got none and %v, want one", got)
			}
		})
	}
}

func TestParseBenchmarksRejectsWhatIsNoNumber(t *testing.T) {
	if _, err := parseBenchmarks(strings.NewReader("BenchmarkHook-2 100 fast ns/op\n")); err == nil {
		t.Error("error: got none, want one")
	}
}

func TestExtrasLeavesOutWhatEveryBenchmarkReports(t *testing.T) {
	got := extras(map[string][]float64{"ns/op": {1}, "B/op": {2}, "rows": {944733, 944733}, "MiB-kept": {92.9}})
	if want := "93 MiB kept, 944,733 rows"; got != want {
		t.Errorf("text: got %q, want %q", got, want)
	}
}
