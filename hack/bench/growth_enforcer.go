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
