package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/nameward/nameward/plugin/stream"
)

// The plugin's journal holds 256 names of a client by default. Pods ask for
// fewer; a client that asks for more makes it forget and write at each answer.
const (
	fewNames, manyNames   = 200, 2000
	fewRounds, manyRounds = 15, 12
	// strangers are the clients that an enforcer watches beside the one that asks.
	strangers = 1000
)

// pledge is what a server with the directive should keep of the one without.
type pledge struct {
	share     goal // of its throughput
	cpu       goal // microseconds added to an answer
	allocated goal // objects added to an answer
}

// A pool that the collector has emptied is filled again: less than one object
// in twenty answers is none of the plugin's.
var (
	unwatchedPledge    = pledge{share: atLeast(0.98), allocated: atMost(0.05)}
	acknowledgedPledge = pledge{share: atLeast(0.95), cpu: atMost(2)}
)

// throughput compares CoreDNS with the plugin to the same program without the
// directive, for a client that nobody watches and for one whose answers are all
// acknowledged.
func throughput(ctx context.Context, t *table, s *stage) error {
	t.section("DNS throughput: a cached zone, one client, the directive and none",
		fmt.Sprintf("dnsperf, rounds of %s in turn; medians of rounds, ratio: median of the rounds' ratios; CPU time and allocations of the process; journal of 256 names a client", roundTime))
	if err := s.fewNames(ctx, t); err != nil {
		return err
	}
	return s.manyNames(ctx, t)
}

// neighbours are the servers of the first contest, in this order.
const (
	bare = iota
	unsubscribed
	foreign
	acknowledged
	neighbours
)

var neighbourSays = [neighbours]string{
	bare: "without the directive", unsubscribed: "nobody subscribed",
	foreign: "an enforcer that watches 1,000 others", acknowledged: "an enforcer that has acknowledged all",
}

// fewNames has all the ways to be in the way of a client.
func (s *stage) fewNames(ctx context.Context, t *table) error {
	folder, err := s.room("throughput")
	if err != nil {
		return err
	}
	zoneFile, queries, err := writeZone(folder, fewNames)
	if err != nil {
		return err
	}
	var servers []*server
	defer func() { stopAll(servers) }()
	for i, says := range neighbourSays {
		lines := ""
		if i != bare {
			lines = directive("listen unix://" + socketOf(folder, i))
		}
		v, err := s.serve(ctx, folder, says, uint16(5301+i), zoneFile, lines)
		if err != nil {
			return err
		}
		servers = append(servers, v)
	}
	others, err := servers[foreign].watch(ctx, socketOf(folder, foreign), otherClients())
	if err != nil {
		return err
	}
	defer others.close()
	own, err := servers[acknowledged].watch(ctx, socketOf(folder, acknowledged), []*stream.Watch{{
		Addresses: [][]byte{{127, 0, 0, 1}}, Patterns: append(somePatterns(9), zoneName(0), "*."+zone)}})
	if err != nil {
		return err
	}
	defer own.close()
	c := newContest(servers...)
	err = c.run(ctx, s, queries, fewRounds, func(i int) { t.progress("throughput: %d names, round %d of %d", fewNames, i, fewRounds) })
	if err != nil {
		return err
	}
	return c.reportNeighbours(t, own)
}

// reportNeighbours makes sure that the acknowledged answers were, before it
// prints anything.
func (c *contest) reportNeighbours(t *table, own *watcher) error {
	if e := c.entrants[acknowledged]; e.held > 0 {
		return fmt.Errorf("%.0f of %d answers were held, so that the figures say nothing about acknowledged ones", e.held, e.answered)
	}
	if got := own.learned.Load(); got < fewNames {
		return fmt.Errorf("the enforcer learnt %d names of %d, so that the figures say nothing about acknowledged ones", got, fewNames)
	}
	baseline := c.entrants[bare]
	baseline.reportBaseline(t, "200 names")
	c.entrants[unsubscribed].report(t, baseline, unwatchedPledge)
	c.entrants[foreign].report(t, baseline, unwatchedPledge)
	c.entrants[acknowledged].report(t, baseline, acknowledgedPledge)
	return nil
}

// manyNames is the journal's worst: every answer writes.
func (s *stage) manyNames(ctx context.Context, t *table) error {
	folder, err := s.room("throughput")
	if err != nil {
		return err
	}
	zoneFile, queries, err := writeZone(folder, manyNames)
	if err != nil {
		return err
	}
	without, err := s.serve(ctx, folder, neighbourSays[bare], 5301, zoneFile, "")
	if err != nil {
		return err
	}
	defer without.stop()
	with, err := s.serve(ctx, folder, neighbourSays[unsubscribed], 5302, zoneFile, directive("listen unix://"+socketOf(folder, 1)))
	if err != nil {
		return err
	}
	defer with.stop()
	c := newContest(without, with)
	err = c.run(ctx, s, queries, manyRounds, func(i int) { t.progress("throughput: %d names, round %d of %d", manyNames, i, manyRounds) })
	if err != nil {
		return err
	}
	c.entrants[0].reportBaseline(t, "2,000 names")
	c.entrants[1].report(t, c.entrants[0], unwatchedPledge)
	return nil
}

func (e *entrant) reportBaseline(t *table, names string) {
	t.figure(figure{name: names + ", " + e.says, value: median(e.rates), unit: queriesPerSecond,
		beside: fmt.Sprintf("%.2f µs and %.2f allocations an answer", e.perAnswer(), e.allocations())})
}

// report prints the server beside its baseline.
func (e *entrant) report(t *table, baseline *entrant, p pledge) {
	ratios := e.ratios(baseline)
	t.figure(figure{name: "  " + e.says, value: median(e.rates), unit: queriesPerSecond})
	t.figure(figure{name: "    throughput, with ÷ without", value: median(ratios), unit: ratio, goal: p.share,
		beside: fmt.Sprintf("rounds from %.3f to %.3f; %d answers lost", quantile(ratios, 0), quantile(ratios, 1), e.lost)})
	t.figure(figure{name: "    CPU time added to an answer", value: e.perAnswer() - baseline.perAnswer(), unit: addedMicroseconds, goal: p.cpu,
		beside: fmt.Sprintf("%.2f µs", e.perAnswer())})
	t.figure(figure{name: "    allocations added to an answer", value: e.allocations() - baseline.allocations(), unit: addedAllocations, goal: p.allocated})
}

func socketOf(folder string, i int) string { return filepath.Join(folder, fmt.Sprintf("%d.sock", i)) }

// somePatterns are names that nobody asks for.
func somePatterns(count int) []string {
	patterns := make([]string, count)
	for i := range patterns {
		patterns[i] = fmt.Sprintf("service%d.example.org", i)
	}
	return patterns
}

func otherClients() []*stream.Watch {
	watches := make([]*stream.Watch, strangers)
	for i := range watches {
		watches[i] = &stream.Watch{Addresses: [][]byte{{10, 1, byte(i >> 8), byte(i)}}, Patterns: append(somePatterns(10), "*."+zone)}
	}
	return watches
}
