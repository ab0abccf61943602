package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// load is what one run of dnsperf saw.
type load struct {
	completed, lost int
	perSecond       float64
	// codes are the response codes with their shares, as dnsperf writes them.
	codes string
}

// parseLoad reads the statistics that dnsperf prints at its end.
func parseLoad(out string) (load, error) {
	var l load
	found := map[string]string{}
	for line := range strings.Lines(out) {
		if label, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			found[label] = strings.TrimSpace(value)
		}
	}
	number := func(label string, to *int) error {
		first, _, _ := strings.Cut(found[label], " ")
		n, err := strconv.Atoi(first)
		if err != nil {
			return fmt.Errorf("read dnsperf's statistics: %q is %q, want a number", label, found[label])
		}
		*to = n
		return nil
	}
	if err := number("Queries completed", &l.completed); err != nil {
		return l, err
	}
	if err := number("Queries lost", &l.lost); err != nil {
		return l, err
	}
	var err error
	if l.perSecond, err = strconv.ParseFloat(found["Queries per second"], 64); err != nil {
		return l, fmt.Errorf("read dnsperf's statistics: %q is %q, want a number", "Queries per second", found["Queries per second"])
	}
	l.codes = found["Response codes"]
	return l, nil
}

// good says why the run does not count, if it does not: an error is answered
// faster than a question.
func (l load) good() error {
	if !strings.HasPrefix(l.codes, "NOERROR ") || strings.Contains(l.codes, ",") {
		return fmt.Errorf("dnsperf got response codes %q, want NOERROR alone", l.codes)
	}
	return nil
}

// perf loads the server for the time, in whole seconds, from the node itself.
func (s *stage) perf(ctx context.Context, server netip.AddrPort, queries string, d time.Duration) (load, error) {
	cmd := command(ctx, "dnsperf", "-s", server.Addr().String(), "-p", strconv.Itoa(int(server.Port())),
		"-d", queries, "-c", "8", "-q", "100", "-t", "1", "-l", strconv.Itoa(int(d.Seconds())))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := s.node.Start(cmd); err != nil {
		return load{}, fmt.Errorf("start dnsperf: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return load{}, fmt.Errorf("run dnsperf: %w\n%s", err, out.String())
	}
	l, err := parseLoad(out.String())
	if err == nil {
		err = l.good()
	}
	if err != nil {
		return l, fmt.Errorf("%w\n%s", err, out.String())
	}
	return l, nil
}
