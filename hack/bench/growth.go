package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/plugin/stream"
)

// What grows is measured at a size and at four times that.
const (
	somePods, allPods = 2500, 10000 // patterns of one pod
	growthRounds      = 6
	// flat is what an answer may cost more at the larger size where its own
	// size is the same, linear where it is four times as large.
	flat, linear = 1.3, 5
	// growthWindow are the last answers of a name that count.
	growthWindow = 25
)

// growth looks for what is quadratic: in the patterns of a pod, and in the
// addresses of a name.
func growth(ctx context.Context, t *table, s *stage) error {
	folder, err := s.room("growth")
	if err != nil {
		return err
	}
	r, err := newRotor(s.node)
	if err != nil {
		return err
	}
	defer r.close()
	zoneFile, queries, err := writeZone(folder, fewNames)
	if err != nil {
		return err
	}
	t.section("Growth: what the plugin does, at a size and at four times that",
		fmt.Sprintf("a simulated enforcer acknowledges; patterns: dnsperf, %d rounds of %s in turn, CPU time; addresses: medians of answers that a forwarder gives, the last %d for either size", growthRounds, roundTime, growthWindow))
	if err := s.growPatterns(ctx, t, folder, zoneFile, queries); err != nil {
		return err
	}
	if err := s.growAddresses(ctx, t, folder, zoneFile); err != nil {
		return err
	}
	return s.growEnforcer(ctx, t)
}

// manyPatterns match the zone's names, and more that nobody asks for.
func manyPatterns(count, version int) []string {
	patterns := make([]string, 0, count)
	for i := range fewNames {
		patterns = append(patterns, zoneName(i))
	}
	for i := len(patterns); i < count; i++ {
		patterns = append(patterns, fmt.Sprintf("service%d.v%d.example.org", i, version))
	}
	return patterns
}

// growPatterns compares pods with many patterns and more.
func (s *stage) growPatterns(ctx context.Context, t *table, folder, zoneFile, queries string) error {
	var servers []*server
	var watchers []*watcher
	defer func() {
		for _, w := range watchers {
			w.close()
		}
		stopAll(servers)
	}()
	for i, count := range []int{somePods, allPods} {
		v, err := s.serve(ctx, folder, fmt.Sprintf("%s patterns", grouped(float64(count))), uint16(5301+i), zoneFile, directive("listen unix://"+socketOf(folder, i)))
		if err != nil {
			return err
		}
		servers = append(servers, v)
		w, err := v.watch(ctx, socketOf(folder, i), []*stream.Watch{{Addresses: [][]byte{{127, 0, 0, 1}}, Patterns: manyPatterns(count, 0)}})
		if err != nil {
			return err
		}
		watchers = append(watchers, w)
	}
	c := newContest(servers...)
	err := c.run(ctx, s, queries, growthRounds, func(i int) { t.progress("growth: patterns, round %d of %d", i, growthRounds) })
	if err != nil {
		return err
	}
	few, many := c.entrants[0], c.entrants[1]
	t.figure(figure{name: "an acknowledged answer, 10,000 patterns ÷ 2,500", value: many.perAnswer() / few.perAnswer(), unit: ratio, goal: atMost(flat),
		beside: fmt.Sprintf("%.2f and %.2f µs of CPU time; throughput %.3f", many.perAnswer(), few.perAnswer(), median(many.ratios(few)))})
	return s.growSubscription(ctx, t, servers, watchers)
}

// growSubscription has each plugin replay the journal of a pod under ever
// other patterns: who is told of the canary knows that they are in force.
func (s *stage) growSubscription(ctx context.Context, t *table, servers []*server, watchers []*watcher) error {
	pod := netip.AddrFrom4([4]byte{127, 0, 0, 2})
	var took [2][]float64
	for version := range 9 {
		for i, count := range []int{somePods, allPods} {
			if version == 0 {
				if err := s.node.Do(func() error { return askFrom(pod, servers[i].at, canary) }); err != nil {
					return err
				}
			}
			patterns := append(manyPatterns(count, version), canary)
			began := time.Now()
			err := watchers[i].subscribe(&stream.Subscription{Watches: []*stream.Watch{{Addresses: [][]byte{pod.AsSlice()}, Patterns: patterns}}})
			if err != nil {
				return err
			}
			select {
			case at := <-watchers[i].canaries:
				took[i] = append(took[i], microsecondsOf(at.Sub(began)))
			case <-time.After(answerPatience):
				return fmt.Errorf("%d patterns: the canary was not told within %s", count, answerPatience)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	few, many := median(took[0]), median(took[1])
	t.figure(figure{name: "a Subscription in force, 10,000 patterns ÷ 2,500", value: many / few, unit: ratio, goal: atMost(linear),
		beside: fmt.Sprintf("%s and %s", microseconds.write(many), microseconds.write(few))})
	return nil
}

// growAddresses has one name with ever more addresses, for a watcher.
func (s *stage) growAddresses(ctx context.Context, t *table, folder, zoneFile string) error {
	t.progress("growth: addresses")
	socket := socketOf(folder, 3)
	v, err := s.serve(ctx, folder, "", 5304, zoneFile, directive("listen unix://"+socket)+"\n"+rotorForward)
	if err != nil {
		return err
	}
	defer v.stop()
	w, err := v.watch(ctx, socket, []*stream.Watch{{Addresses: [][]byte{{127, 0, 0, 1}}, Patterns: []string{"*." + rotorZone}}})
	if err != nil {
		return err
	}
	defer w.close()
	held := func() (float64, error) { return v.metric(ctx, heldMetric) }
	spread, err := s.grow(ctx, s.node, "udp", v.at, held, growing{pools: [2]int{1000, 4000}, each: 8, names: 8})
	if err != nil {
		return err
	}
	spread.report(t, "a name of 4,000 addresses ÷ 1,000, 8 in an answer", flat)
	block, err := s.grow(ctx, s.node, "tcp", v.at, held, growing{pools: [2]int{1000, 4000}, names: 25})
	if err != nil {
		return err
	}
	block.report(t, "4,000 addresses in one answer ÷ 1,000", linear)
	return nil
}

const heldMetric = "coredns_nameward_held_answers_total"

// growing are names with so many addresses, the smaller and the larger.
type growing struct {
	pools [2]int
	// each is how many are in an answer; 0 for all of them.
	each  int
	names int
}

// grown is how long answers took, by the size of the name, in microseconds.
type grown struct{ fresh, known [2][]float64 }

// grow asks from the network namespace, over UDP for answers of a few addresses
// and over TCP for whole ones.
func (s *stage) grow(ctx context.Context, from *scene.Netspace, network string, server netip.AddrPort, held func() (float64, error), g growing) (grown, error) {
	a, err := newAsker(from, network, server)
	if err != nil {
		return grown{}, err
	}
	defer a.conn.Close()
	return a.grow(ctx, held, g)
}

// grow asks until all addresses of a name have been given, so that each answer
// teaches, and as often again, when all is known.
func (a *asker) grow(ctx context.Context, held func() (float64, error), g growing) (out grown, err error) {
	before, err := held()
	if err != nil {
		return out, err
	}
	taught := 0
	for nth := range g.names {
		for size, pool := range g.pools {
			each := g.each
			if each == 0 {
				each = pool
			}
			count := pool / each
			for i := range 2 * count {
				if ctx.Err() != nil {
					return out, ctx.Err()
				}
				took, err := a.ask(rotorName(pool, each, nth))
				if err != nil {
					return out, err
				}
				switch us := microsecondsOf(took); {
				case i >= 2*count-growthWindow && i >= count:
					out.known[size] = append(out.known[size], us)
				case i >= count-growthWindow && i < count:
					out.fresh[size] = append(out.fresh[size], us)
				}
			}
			taught += count
		}
	}
	after, err := held()
	if err == nil && after-before < float64(taught) {
		err = fmt.Errorf("only %.0f of %d answers were held, so that the times say nothing about learning", after-before, taught)
	}
	return out, err
}

func (g grown) report(t *table, says string, bound float64) {
	for _, row := range []struct {
		says   string
		sample [2][]float64
	}{{"held", g.fresh}, {"known", g.known}} {
		few, many := median(row.sample[0]), median(row.sample[1])
		t.figure(figure{name: says + ", " + row.says, value: many / few, unit: ratio, goal: atMost(bound),
			beside: fmt.Sprintf("%s and %s", microseconds.write(many), microseconds.write(few))})
	}
}
