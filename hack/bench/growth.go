package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
		for _, v := range servers {
			v.stop()
		}
	}()
	for i, count := range []int{somePods, allPods} {
		v, err := s.serve(ctx, folder, fmt.Sprintf("%s patterns", grouped(float64(count))), uint16(5301+i), zoneFile, directive("listen unix://"+socketOf(folder, i)))
		if err != nil {
			return err
		}
		servers = append(servers, v)
		w, err := watch(ctx, socketOf(folder, i), []*stream.Watch{{Addresses: [][]byte{{127, 0, 0, 1}}, Patterns: manyPatterns(count, 0)}})
		if err != nil {
			return err
		}
		watchers = append(watchers, w)
		if err := v.awaitMetric(ctx, watchedMetric, 1); err != nil {
			return err
		}
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
	w, err := watch(ctx, socket, []*stream.Watch{{Addresses: [][]byte{{127, 0, 0, 1}}, Patterns: []string{"*." + rotorZone}}})
	if err != nil {
		return err
	}
	defer w.close()
	if err := v.awaitMetric(ctx, watchedMetric, 1); err != nil {
		return err
	}
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

// growEnforcer does the same to the whole way, through the real enforcer.
func (s *stage) growEnforcer(ctx context.Context, t *table) error {
	t.progress("growth: starting CoreDNS and the enforcer")
	rotating := []string{"*." + rotorZone}
	p, err := s.product("growth", rotorForward, map[string]string{
		"growth-crawl.yaml": domainRule("crawl", "growth", "", rotating),
		"growth-team.yaml":  domainRule("team", "growth", "", rotating),
		"growth-many.yaml":  domainRule("app", "many", "frontend", numberedNames(allPods)),
		"growth-few.yaml":   domainRule("app", "few", "backend", numberedNames(somePods)),
	})
	if err != nil {
		return err
	}
	err = func() error {
		if err := p.Start(ctx); err != nil {
			return err
		}
		return s.growProduct(ctx, t)
	}()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, p.Tails())
	}
	return errors.Join(err, p.Close())
}

func numberedNames(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = scene.Fresh(i).Name
	}
	return names
}

func (s *stage) growProduct(ctx context.Context, t *table) error {
	web := metricsClient(s.node)
	if err := awaitWatched(ctx, web, 2*6); err != nil { // six pods of two addresses
		return err
	}
	t.section("Growth: the whole way, up to the kernel", "the real enforcer, which holds 1,000 addresses of a name for a pod and gives up the oldest for more; medians")
	t.progress("growth: the whole way")
	pods, server := s.scene.Pods, netip.AddrPortFrom(scene.ClusterDNS.V4, 53)
	if err := growNames(ctx, t, pods, server); err != nil {
		return err
	}
	held := func() (float64, error) { return readMetric(ctx, web, metricsPage, heldMetric) }
	grow := func(pod *scene.Pod, network string, g growing) (grown, error) {
		return s.grow(ctx, pod.Netspace(), network, server, held, g)
	}
	// Pods of their own: what one learns must not push out what another did.
	spread, err := grow(pods.Crawler, "udp", growing{pools: [2]int{240, 960}, each: 8, names: 6})
	if err != nil {
		return err
	}
	spread.report(t, "a name of 960 addresses ÷ 240, 8 in an answer", flat)
	over, err := grow(pods.Crawler2, "udp", growing{pools: [2]int{960, 4000}, each: 8, names: 2})
	if err != nil {
		return err
	}
	t.figure(figure{name: "a name of 4,000 addresses ÷ 960, held", value: median(over.fresh[1]) / median(over.fresh[0]), unit: ratio,
		beside: fmt.Sprintf("%s and %s; each of the former gives up 8 addresses for 8", microseconds.write(median(over.fresh[1])), microseconds.write(median(over.fresh[0])))})
	block, err := grow(pods.Client, "tcp", growing{pools: [2]int{1000, 4000}, names: 4})
	if err != nil {
		return err
	}
	t.figure(figure{name: "4,000 addresses in one answer ÷ 1,000, held", value: median(block.fresh[1]) / median(block.fresh[0]), unit: ratio, goal: atMost(linear),
		beside: fmt.Sprintf("%s and %s", microseconds.write(median(block.fresh[1])), microseconds.write(median(block.fresh[0])))})
	return nil
}

// growNames compares first answers of pods with many patterns and more.
func growNames(ctx context.Context, t *table, pods scene.Pods, server netip.AddrPort) error {
	const asked = 600
	var took [2][]float64
	var rivals [2]*asker
	for i, pod := range []*scene.Pod{pods.CurlBackend, pods.CurlFrontend} {
		a, err := newAsker(pod.Netspace(), "udp", server)
		if err != nil {
			return err
		}
		defer a.conn.Close()
		rivals[i] = a
	}
	for nth := range asked {
		for i, a := range rivals {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d, err := a.ask(scene.Fresh(2*nth + i).Name)
			if err != nil {
				return err
			}
			took[i] = append(took[i], microsecondsOf(d))
		}
	}
	few, many := median(took[0]), median(took[1])
	t.figure(figure{name: "a first answer, 10,000 patterns ÷ 2,500", value: many / few, unit: ratio, goal: atMost(flat),
		beside: fmt.Sprintf("%s and %s", microseconds.write(many), microseconds.write(few))})
	return nil
}

// awaitWatched returns once CoreDNS watches so many clients.
func awaitWatched(ctx context.Context, web *http.Client, clients float64) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return poll(ctx, func() error {
		got, err := readMetric(ctx, web, metricsPage, watchedMetric)
		if err == nil && got < clients {
			err = fmt.Errorf("CoreDNS watches %.0f clients, want %.0f", got, clients)
		}
		return err
	})
}
