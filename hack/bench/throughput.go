package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// workload is what one client asks for, over and over.
type workload struct {
	says  string
	names int
}

// The plugin's journal holds 256 names of a client by default. Pods ask for
// fewer; a client that asks for more makes it forget and write at each answer.
var workloads = []workload{
	{"one client, 200 names", 200},
	{"one client, 2,000 names", 2000},
}

const (
	pairs = 20
	// roundTime is how long dnsperf loads one server before it is the other's
	// turn: as short as dnsperf can, so that both meet the same disturbances.
	roundTime = time.Second
	// share is what should be left of the throughput.
	share = 0.97
)

// throughput compares CoreDNS with the plugin, nobody subscribed, to the same
// program without the directive.
func throughput(ctx context.Context, t *table, s *stage) error {
	t.section("DNS throughput: a cached zone, the plugin in the Corefile and nobody subscribed",
		fmt.Sprintf("dnsperf, %d pairs of rounds of %s; medians of rounds, ratio: median of the pairs' ratios; journal of 256 names a client", pairs, roundTime))
	for _, w := range workloads {
		d, err := s.duel(ctx, t, w)
		if err != nil {
			return err
		}
		d.report(t, w)
	}
	return nil
}

func (d duel) report(t *table, w workload) {
	t.figure(figure{name: w.says + ", without the directive", value: median(d.without), unit: queriesPerSecond})
	t.figure(figure{name: "  with it", value: median(d.with), unit: queriesPerSecond})
	ratios := d.ratios()
	t.figure(figure{name: "  with ÷ without", value: median(ratios), unit: ratio, goal: atLeast(share),
		beside: fmt.Sprintf("pairs from %.3f to %.3f; %d answers lost", quantile(ratios, 0), quantile(ratios, 1), d.lost)})
	t.figure(figure{name: "  CPU time for an answer, without ÷ with", value: d.cpuWithout / d.cpuWith, unit: ratio,
		beside: fmt.Sprintf("%.1f and %.1f µs", d.cpuWithout, d.cpuWith)})
}

// duel is what came of one workload: queries per second, round by round.
type duel struct {
	without, with []float64
	// CPU time for each answer, in microseconds, over all rounds.
	cpuWithout, cpuWith float64
	lost                int
}

func (d duel) ratios() []float64 {
	ratios := make([]float64, len(d.with))
	for i := range ratios {
		ratios[i] = d.with[i] / d.without[i]
	}
	return ratios
}

// duel starts both servers and loads them in turn.
func (s *stage) duel(ctx context.Context, t *table, w workload) (d duel, err error) {
	zoneFile, queries, err := s.writeZone(w.names)
	if err != nil {
		return d, err
	}
	without, err := s.serve(ctx, "without", 5301, zoneFile, "")
	if err != nil {
		return d, err
	}
	defer func() { d.cpuWithout = perAnswer(without.stop(), without.answered); d.lost += without.lost }()
	socket := filepath.Join(s.folder, "idle.sock")
	with, err := s.serve(ctx, "with", 5302, zoneFile, fmt.Sprintf("nameward {\n        listen unix://%s\n    }", socket))
	if err != nil {
		return d, err
	}
	defer func() { d.cpuWith = perAnswer(with.stop(), with.answered); d.lost += with.lost }()
	// Once uncounted, to fill the caches.
	for i := range 1 + pairs {
		t.progress("throughput: %s, pair %d of %d", w.says, i, pairs)
		a, b, err := s.round(ctx, i, without, with, queries)
		if err != nil {
			return d, err
		}
		if i > 0 {
			d.without, d.with = append(d.without, a), append(d.with, b)
		}
	}
	return d, nil
}

func perAnswer(cpu time.Duration, answers int) float64 {
	return float64(cpu.Nanoseconds()) / 1e3 / float64(answers)
}

// round loads both servers, in an order that changes from round to round, so
// that neither profits from what the machine does meanwhile.
func (s *stage) round(ctx context.Context, nth int, without, with *server, queries string) (a, b float64, err error) {
	order := []*server{without, with}
	if nth%2 == 1 {
		order = []*server{with, without}
	}
	rates := map[*server]float64{}
	for _, v := range order {
		l, err := s.perf(ctx, v.at, queries, roundTime)
		if err != nil {
			return 0, 0, err
		}
		v.answered += l.completed
		v.lost += l.lost
		rates[v] = l.perSecond
	}
	return rates[without], rates[with], nil
}
