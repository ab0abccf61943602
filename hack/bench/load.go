package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
)

const (
	// loadRate is in questions per second, loadBlock how many are asked in a
	// row, loadBlocks how often either pair of pods has its turn.
	loadRate   = 5000
	loadBlock  = 2 * loadRate
	loadBlocks = 3
	// loadAddresses are shared by the fresh names, fewer than a pod may hold.
	loadAddresses = 8192
)

// loadZone answers any name of its form with the address that the name says.
// CoreDNS itself answers, so that no upstream is measured with it.
const loadZone = `    template IN A load.example.net {
        match "^f[0-9]+-([0-9]+)-([0-9]+)[.]load[.]example[.]net[.]$"
        answer "{{ .Name }} 1 IN A 151.101.{{ index .Match 1 }}.{{ index .Match 2 }}"
        fallthrough
    }
`

func loadName(i int) string {
	address := i % loadAddresses
	return fmt.Sprintf("f%d-%d-%d.load.example.net", i, address>>8, address&0xff)
}

// underLoad asks for fresh names at a fixed rate, from two pods that are held
// and from two that are not.
func underLoad(ctx context.Context, t *table, s *scene.Scene) error {
	pods, server := s.Pods, netip.AddrPortFrom(scene.ClusterDNS.V4, 53)
	plain, err := newMetronome(server, loadRate, pods.Guest.Netspace(), pods.Client.Netspace())
	if err != nil {
		return err
	}
	defer plain.close()
	named, err := newMetronome(server, loadRate, pods.Crawler.Netspace(), pods.Crawler2.Netspace())
	if err != nil {
		return err
	}
	defer named.close()
	l := &fixedLoad{metrics: metricsClient(s.Node)}
	for block := range 1 + loadBlocks {
		t.progress("first answers at %d a second: block %d of %d", loadRate, block, loadBlocks)
		count := loadBlock
		if block == 0 {
			count = loadRate / 2 // fills the pools, and does not count
		}
		if err := l.block(ctx, block > 0, plain, named, count); err != nil {
			return err
		}
	}
	l.report(t)
	return nil
}

// fixedLoad is what came of it.
type fixedLoad struct {
	metrics     *http.Client
	asked       int // names so far
	plain, held []float64
	late        []float64
	lost        int
	timeouts    float64
}

func (l *fixedLoad) block(ctx context.Context, counts bool, plain, named *metronome, count int) error {
	without, err := l.turn(ctx, plain, count)
	if err != nil {
		return err
	}
	before, err := l.read(ctx)
	if err != nil {
		return err
	}
	with, err := l.turn(ctx, named, count)
	if err != nil {
		return err
	}
	after, err := l.read(ctx)
	if err != nil || !counts {
		return err
	}
	if held := after.held - before.held; held < float64(count-with.lost()) {
		return fmt.Errorf("only %.0f of %d answers were held, so that the times say nothing about holding", held, count)
	}
	l.timeouts += after.timeouts - before.timeouts
	l.plain, l.held = append(l.plain, without.took...), append(l.held, with.took...)
	l.late = append(append(l.late, without.late...), with.late...)
	l.lost += without.lost() + with.lost()
	return nil
}

func (l *fixedLoad) turn(ctx context.Context, m *metronome, count int) (beats, error) {
	first := l.asked
	l.asked += count
	b, err := m.run(ctx, count, func(i int) string { return loadName(first + i) })
	if err == nil && b.bad > 0 {
		err = fmt.Errorf("%d of %d answers had no address", b.bad, count)
	}
	return b, err
}

type holdCounters struct{ held, timeouts float64 }

func (l *fixedLoad) read(ctx context.Context) (c holdCounters, err error) {
	var failed error
	c.held, err = readMetric(ctx, l.metrics, metricsPage, "coredns_nameward_held_answers_total")
	c.timeouts, failed = readMetric(ctx, l.metrics, metricsPage, "coredns_nameward_hold_timeouts_total")
	return c, errors.Join(err, failed)
}

func (l *fixedLoad) report(t *table) {
	t.section(fmt.Sprintf("First answers at %s a second on the same node", grouped(loadRate)),
		fmt.Sprintf("fresh names at a fixed rate, two pods of either kind in turn, %d blocks of %s; answered by CoreDNS itself (template); from when a question was due; a lost answer counts as endless",
			loadBlocks, loadBlock/loadRate*time.Second))
	for _, row := range []struct {
		says   string
		sample []float64
	}{{"pods without name rules", l.plain}, {"pods with a wildcard name rule, answers held", l.held}} {
		t.figure(figure{name: row.says + ", p50", value: median(row.sample), unit: microseconds,
			beside: "p99 " + microseconds.write(quantile(row.sample, 0.99)) + ", p99.9 " + microseconds.write(quantile(row.sample, 0.999))})
	}
	t.figure(figure{name: "added by the hold, p50", value: median(l.held) - median(l.plain), unit: addedMicroseconds})
	t.figure(figure{name: "added by the hold, p99", value: quantile(l.held, 0.99) - quantile(l.plain, 0.99), unit: addedMicroseconds, goal: atMost(1000),
		beside: fmt.Sprintf("%d answers lost, %.0f held to the bound; questions were %s late at p99", l.lost, l.timeouts, microseconds.write(quantile(l.late, 0.99)))})
}
