package main

import (
	"strings"
	"testing"
)

const perfOutput = `DNS Performance Testing Tool
Version 2.10.0

[Status] Command line: dnsperf -s 127.0.0.1 -p 5301 -d queries -l 2
[Status] Sending queries (to 127.0.0.1:5301)
[Status] Started at: Sun Nov 22 19:52:13 2026
[Status] Stopping after 2.000000 seconds
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         112630
  Queries completed:    112628 (100.00%)
  Queries lost:         2 (0.00%)

  Response codes:       NOERROR 112628 (100.00%)
  Average packet size:  request 32, response 62
  Run time (s):         2.000012
  Queries per second:   56314.288314

  Average Latency (s):  0.001700 (min 0.000031, max 0.021190)
`

func TestParseLoad(t *testing.T) {
	got, err := parseLoad(perfOutput)
	if err != nil {
		t.Fatal(err)
	}
	want := load{completed: 112628, lost: 2, perSecond: 56314.288314, codes: "NOERROR 112628 (100.00%)"}
	if got != want {
		t.Errorf("load: got %+v, want %+v", got, want)
	}
	if err := got.good(); err != nil {
		t.Errorf("error: got %v, want none", err)
	}
}

func TestParseLoadRejects(t *testing.T) {
	for name, out := range map[string]string{
		"no output":                          "",
		"a run without statistics":           "Error: unable to connect\n",
		"a rate that is no number":           strings.Replace(perfOutput, "56314.288314", "unknown", 1),
		"a count of answers that is missing": strings.Replace(perfOutput, "Queries completed:", "", 1),
		"a count of losses that is missing":  strings.Replace(perfOutput, "Queries lost:", "", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseLoad(out); err == nil {
				t.Errorf("error: got none and %+v, want one", got)
			}
		})
	}
}

func TestErrorsDoNotCountAsAnswers(t *testing.T) {
	for _, codes := range []string{
		"", "SERVFAIL 10 (100.00%)", "NOERROR 9 (90.00%), SERVFAIL 1 (10.00%)", "SERVFAIL 9 (90.00%), NOERROR 1 (10.00%)",
	} {
		t.Run(codes, func(t *testing.T) {
			if err := (load{codes: codes}).good(); err == nil {
				t.Error("error: got none, want one")
			}
		})
	}
}
