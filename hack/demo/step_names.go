package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
)

// tally counts what became of many connections. Safe for concurrent use.
type tally struct {
	allowed, blocked, unresolved, failed atomic.Int64
}

func (t *tally) add(conn *scene.Conn, err error) {
	switch {
	case err == nil:
		conn.Close()
		t.allowed.Add(1)
	case errors.Is(err, scene.ErrLookup):
		t.unresolved.Add(1)
	case scene.Blocked(err):
		t.blocked.Add(1)
	default:
		t.failed.Add(1)
	}
}

func (t *tally) String() string {
	text := fmt.Sprintf("%d opened, %d blocked", t.allowed.Load(), t.blocked.Load())
	if n := t.unresolved.Load(); n > 0 {
		text += fmt.Sprintf(", %d without a DNS answer", n)
	}
	if n := t.failed.Load(); n > 0 {
		text += fmt.Sprintf(", %d failed otherwise", n)
	}
	return text
}

// crowd runs act for 0 to n-1, with so many clients at a time.
func crowd(ctx context.Context, n, clients int, act func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				act(i)
			}
		})
	}
	all.Wait()
}

// familyOf makes every other one IPv6.
func familyOf(i int) scene.Family { return scene.Families[i%len(scene.Families)] }

// leak is step 5 (N2): curl-backend may reach example.com and does, while
// curl-frontend, which may not, asks the same DNS for the same name.
func (d *demo) leak(ctx context.Context) error {
	const rounds, clients = 200, 25
	pods := d.scene.Pods
	before, err := d.counters(ctx)
	if err != nil {
		return err
	}
	var backend, frontend tally
	d.report.progress("%d rounds, both pods at the same time", rounds)
	crowd(ctx, rounds, clients, func(i int) {
		to, family := scene.ExampleCom, familyOf(i)
		var both sync.WaitGroup
		both.Go(func() {
			backend.add(pods.CurlBackend.LookupAndConnect(ctx, scene.ClusterDNS, to.Name, to.Port, family))
		})
		both.Go(func() {
			frontend.add(pods.CurlFrontend.LookupAndConnect(ctx, scene.ClusterDNS, to.Name, to.Port, family))
		})
		both.Wait()
	})
	after, err := d.counters(ctx)
	if err != nil {
		return err
	}
	since := after.Since(before)
	d.report.line(line{
		route: fmt.Sprintf("curl-backend → example.com:80, %d times", rounds),
		want:  fmt.Sprintf("%d opened", rounds),
		got:   fmt.Sprintf("%d opened", backend.allowed.Load()),
		why:   backend.String(),
	})
	d.report.line(line{
		route: "curl-frontend → example.com:80, at the same time",
		want:  fmt.Sprintf("%d blocked", rounds),
		got:   fmt.Sprintf("%d blocked", frontend.blocked.Load()),
		why:   fmt.Sprintf("%s; %s", &frontend, sentence(since.Deciding(true))),
	})
	return d.twins(ctx)
}

// twins are two pods with the same labels and the same policy: what the one has
// resolved is closed to the other until it asks itself.
func (d *demo) twins(ctx context.Context) error {
	one, other := d.scene.Pods.Crawler, d.scene.Pods.Crawler2
	opens := route{pod: one, to: scene.Fresh(0), family: scene.V4, want: allowed}
	if err := d.apply(ctx, "5-allow-crawling.yaml", opens); err != nil {
		return err
	}
	d.report.note("+ 5-allow-crawling.yaml: pods crawler and crawler-2 may reach *.race.example.net on port 80")
	const name = 20_000 // after those of the other steps
	for i, family := range scene.Families {
		to := scene.Fresh(name + i)
		for _, r := range []route{
			{pod: one, to: to, family: family, want: allowed, by: tierPolicy},
			{pod: other, to: to, family: family, want: blocked, by: tierPolicy, straight: true},
			{pod: other, to: to, family: family, want: allowed, by: tierPolicy},
		} {
			if err := d.check(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// race is step 6 (N3).
func (d *demo) race(ctx context.Context) error {
	const held, hasty = 2000, 200
	lost, dropped, all, err := d.freshNames(ctx, scene.ClusterDNS, 1, held)
	if err != nil {
		return err
	}
	d.report.line(line{
		route: fmt.Sprintf("%d fresh names, answers held", held),
		want:  "0 SYNs lost", got: fmt.Sprintf("%d SYNs lost", lost), why: all,
	})
	d.report.line(line{
		route: "  packets that the kernel dropped meanwhile",
		want:  "0", got: fmt.Sprint(dropped), why: "difference of the enforcer's counters",
	})
	lost, dropped, all, err = d.freshNames(ctx, scene.HastyDNS, 1+held, hasty)
	if err != nil {
		return err
	}
	l := line{
		route: fmt.Sprintf("%d fresh names, hold off (so this can fail)", hasty),
		want:  "SYNs lost", got: "none lost",
		why: fmt.Sprintf("%s; the kernel dropped %d", all, dropped),
	}
	if lost > 0 && dropped > 0 {
		l.got = l.want
	}
	d.report.line(l)
	return ctx.Err()
}

// freshNames resolves count names that nobody has asked for before and
// connects to each as soon as the answer is there. lost are the pod's first
// SYNs that brought no connection, names without an answer included.
func (d *demo) freshNames(ctx context.Context, dns scene.Dual, first, count int) (lost int64, dropped uint64, all string, _ error) {
	const clients = 16
	before, err := d.counters(ctx)
	if err != nil {
		return 0, 0, "", err
	}
	var result tally
	began := time.Now()
	crowd(ctx, count, clients, func(i int) {
		if i%100 == 0 {
			d.report.progress("%d of %d names", i, count)
		}
		to := scene.Fresh(first + i)
		result.add(d.scene.Pods.Crawler.LookupAndConnect(ctx, dns, to.Name, to.Port, familyOf(i)))
	})
	took := time.Since(began).Round(10 * time.Millisecond)
	after, err := d.counters(ctx)
	if err != nil {
		return 0, 0, "", err
	}
	all = fmt.Sprintf("%s; %d clients, %s", &result, clients, took)
	return int64(count) - result.allowed.Load(), after.Since(before).Denied(), all, ctx.Err()
}

// expiry is step 7 (N5, N6). The enforcer runs with a minimum TTL of 2 s and 1 s of
// grace, so that an answer for 1 s opens its address for 3.
func (d *demo) expiry(ctx context.Context) error {
	const lifetime = 3 * time.Second
	crawler := d.scene.Pods.Crawler
	used, unused := scene.Short(1), scene.Short(2)
	for _, to := range []scene.Target{used, unused} {
		if err := d.check(ctx, route{pod: crawler, to: to, family: scene.V4, want: allowed, by: tierPolicy}); err != nil {
			return err
		}
	}
	connection, err := open(ctx, crawler, used, scene.V4)
	if err != nil {
		return err
	}
	d.report.progress("waiting for the names' end, %s", lifetime)
	if err := sleep(ctx, lifetime+300*time.Millisecond); err != nil {
		return err
	}
	d.report.note("%s later, without another lookup; minimum TTL 2 s and grace 1 s are over", lifetime)
	for _, r := range []route{
		{pod: crawler, to: unused, family: scene.V4, want: blocked, by: tierPolicy, straight: true},
		// The address of the connection that goes on.
		{pod: crawler, to: used, family: scene.V4, want: blocked, by: tierPolicy, straight: true},
		{pod: crawler, to: used, family: scene.V4, want: allowed, by: tierPolicy},
	} {
		if err := d.check(ctx, r); err != nil {
			return err
		}
	}
	d.report.line(connection.goesOn("crawler's connection to " + used.Label))
	return nil
}

// sleep waits, for nothing less than the passing of time can be awaited where
// it is the time itself that acts.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
