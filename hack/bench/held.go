package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// nameRule lets the crawlers, and no other pod, reach what two wildcards name.
const nameRule = `apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata:
  name: bench
  namespace: crawl
spec:
  podSelector:
    matchLabels:
      role: crawler
  policyTypes:
    - Egress
  egress:
    - to:
        - domainNames:
            - "*.race.example.net"
            - "*.load.example.net"
      ports:
        - protocol: TCP
          port: 80
`

// lookups are for either pod.
const lookups, warmUp = 2000, 200

// firstAnswers measures what it costs a pod with name rules that its answers
// wait for the enforcer, against a pod of the same node without any.
func firstAnswers(ctx context.Context, t *table, s *stage) error {
	t.progress("first answers: starting CoreDNS and the enforcer")
	p, err := s.product("first", loadZone, map[string]string{"bench.yaml": nameRule})
	if err != nil {
		return err
	}
	err = func() error {
		if err := p.Start(ctx); err != nil {
			return err
		}
		if err := compete(ctx, t, s.scene); err != nil {
			return err
		}
		return underLoad(ctx, t, s.scene)
	}()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, p.Tails())
	}
	return errors.Join(err, p.Close())
}

// product prepares CoreDNS and the enforcer, with name rules for some pods and
// nothing in any other's way.
func (s *stage) product(name, zones string, manifests map[string]string) (*product.Product, error) {
	folder, err := s.room(name)
	if err != nil {
		return nil, err
	}
	p, err := product.New(s.scene, folder, s.binaries.Binaries)
	if err != nil {
		return nil, err
	}
	p.Zones = zones
	err = p.SetDefault("Allow")
	for file, text := range manifests {
		err = errors.Join(err, p.Apply(file, []byte(text)))
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// compete lets both pods ask and reports how long they waited.
func compete(ctx context.Context, t *table, s *scene.Scene) error {
	r, err := newRivals(ctx, s)
	if err != nil {
		return err
	}
	defer r.close()
	t.progress("first answers: %d fresh names for either pod", lookups)
	if _, _, err := r.race(ctx, 0, warmUp); err != nil {
		return err
	}
	before, err := r.held(ctx)
	if err != nil {
		return err
	}
	plain, held, err := r.race(ctx, warmUp, lookups)
	if err != nil {
		return err
	}
	after, err := r.held(ctx)
	if err != nil {
		return err
	}
	if waited := after - before; waited < lookups {
		return fmt.Errorf("only %.0f of %d answers were held, so that the times say nothing about holding", waited, lookups)
	}
	reportFirst(t, plain, held)
	return nil
}

// reportFirst prints both samples, in microseconds.
func reportFirst(t *table, plain, held []float64) {
	const bound = 150
	t.section("First answers on the same node",
		fmt.Sprintf("from question to answer, forwarded; medians of %s names for either pod, in turn, each asked for once; all of the second pod's were held", grouped(float64(len(held)))))
	for _, row := range []struct {
		says   string
		sample []float64
	}{{"pod without name rules", plain}, {"pod with a wildcard name rule, answer held", held}} {
		t.figure(figure{name: row.says, value: median(row.sample), unit: microseconds,
			beside: "p99 " + microseconds.write(quantile(row.sample, 0.99))})
	}
	t.figure(figure{name: "added by the hold", value: median(held) - median(plain), unit: addedMicroseconds, goal: atMost(bound),
		beside: "at p99 " + addedMicroseconds.write(quantile(held, 0.99)-quantile(plain, 0.99))})
}

// rivals are the two pods, each with its way to CoreDNS.
type rivals struct {
	plain, named *asker
	metrics      *http.Client
}

func newRivals(ctx context.Context, s *scene.Scene) (*rivals, error) {
	const dnsPort = 53
	server := netip.AddrPortFrom(scene.ClusterDNS.V4, dnsPort)
	r := &rivals{metrics: metricsClient(s.Node)}
	var err error
	if r.plain, err = newAsker(s.Pods.Guest.Netspace(), "udp", server); err != nil {
		return nil, err
	}
	if r.named, err = newAsker(s.Pods.Crawler.Netspace(), "udp", server); err != nil {
		r.plain.conn.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := poll(ctx, func() error { return r.watched(ctx) }); err != nil {
		r.close()
		return nil, fmt.Errorf("await the enforcer's subscription: %w", err)
	}
	return r, nil
}

func (r *rivals) close() {
	r.plain.conn.Close()
	r.named.conn.Close()
}

// race asks for count names that nobody has asked for before from either pod,
// first of all the pair numbered first. Times are in microseconds.
func (r *rivals) race(ctx context.Context, first, count int) (plain, named []float64, err error) {
	for i := first; i < first+count; i++ {
		for turn := range 2 {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			asks, to := r.plain, &plain
			if turn == i%2 {
				asks, to = r.named, &named
			}
			took, err := asks.ask(scene.Fresh(2*i + turn).Name)
			if err != nil {
				return nil, nil, err
			}
			*to = append(*to, float64(took.Nanoseconds())/1e3)
		}
	}
	return plain, named, nil
}
