package main

import (
	"context"
	"fmt"

	"github.com/nameward/nameward/hack/demo/scene"
)

// Tiers, as the enforcer's counters call them.
const (
	tierAdmin    = "admin"
	tierPolicy   = "networkpolicy"
	tierBaseline = "baseline"
	tierDefault  = "default"
)

// nothing is step 1 (P7).
func (d *demo) nothing(ctx context.Context) error {
	pods := d.scene.Pods
	return d.check(ctx,
		route{pod: pods.CurlBackend, to: scene.Backend, family: scene.V4, want: blocked, by: tierDefault},
		route{pod: pods.CurlBackend, to: scene.ExampleCom, family: scene.V4, want: blocked, by: tierDefault},
		route{pod: pods.CurlFrontend, to: scene.Backend, family: scene.V4, want: blocked, by: tierDefault},
	)
}

// allowDNS is step 2 (P13): names resolve and nothing else goes.
func (d *demo) allowDNS(ctx context.Context) error {
	if err := d.put("1-allow-dns.yaml"); err != nil {
		return err
	}
	pods := d.scene.Pods
	if err := d.awaitAnswer(ctx, pods.Backend); err != nil {
		return err
	}
	for _, family := range scene.Families {
		for _, pod := range []*scene.Pod{pods.Backend, pods.CurlBackend, pods.CurlFrontend} {
			if err := d.resolves(ctx, pod, scene.ExampleCom, family); err != nil {
				return err
			}
		}
	}
	return d.check(ctx,
		route{pod: pods.CurlBackend, to: scene.Backend, family: scene.V4, want: blocked, by: tierPolicy},
		route{pod: pods.CurlBackend, to: scene.ExampleCom, family: scene.V4, want: blocked, by: tierPolicy},
		route{pod: pods.CurlFrontend, to: scene.Backend, family: scene.V4, want: blocked, by: tierPolicy},
		route{pod: pods.CurlFrontend, to: scene.ExampleCom, family: scene.V4, want: blocked, by: tierPolicy},
	)
}

// awaitAnswer waits until DNS answers the pod, at most for the second that a
// change may take.
func (d *demo) awaitAnswer(ctx context.Context, pod *scene.Pod) error {
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for waiting.Err() == nil {
		if _, err := pod.Lookup(waiting, scene.ClusterDNS, scene.ExampleCom.Name, scene.V4); err == nil {
			break
		}
	}
	return ctx.Err()
}

// resolves reports whether the pod gets an answer from the cluster's DNS.
func (d *demo) resolves(ctx context.Context, pod *scene.Pod, to scene.Target, f scene.Family) error {
	before, err := d.counters(ctx)
	if err != nil {
		return err
	}
	address, failure := pod.Lookup(ctx, scene.ClusterDNS, to.Name, f)
	after, err := d.counters(ctx)
	if err != nil {
		return err
	}
	l := line{route: fmt.Sprintf("%s resolves %s", pod, to.Name), want: "yes", got: "no"}
	if f == scene.V6 {
		l.route += " (IPv6)"
	}
	if failure == nil && address == to.Known.Of(f) {
		l.got = "yes"
	}
	l.why = sentence(after.Since(before).Deciding(l.got == "no"))
	d.report.line(l)
	return ctx.Err()
}

// allowName is step 3.
func (d *demo) allowName(ctx context.Context) error {
	pods := d.scene.Pods
	opens := route{pod: pods.CurlBackend, to: scene.ExampleCom, family: scene.V4, want: allowed}
	if err := d.apply(ctx, "2-allow-example-com.yaml", opens); err != nil {
		return err
	}
	for _, family := range scene.Families {
		err := d.check(ctx,
			route{pod: pods.CurlBackend, to: scene.ExampleCom, family: family, want: allowed, by: tierPolicy},
			route{pod: pods.CurlBackend, to: scene.HTTPBin, family: family, want: blocked, by: tierPolicy},
			route{pod: pods.CurlFrontend, to: scene.ExampleCom, family: family, want: blocked, by: tierPolicy},
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// allowIntraApp is step 4. The article's policy names IPv4 Service addresses
// only; to the IPv6 one its rule for the pods behind leads (P22).
func (d *demo) allowIntraApp(ctx context.Context) error {
	pods := d.scene.Pods
	opens := route{pod: pods.CurlFrontend, to: scene.Backend, family: scene.V4, want: allowed}
	if err := d.apply(ctx, "3-allow-intra-app.yaml", opens); err != nil {
		return err
	}
	for _, family := range scene.Families {
		err := d.check(ctx,
			route{pod: pods.CurlBackend, to: scene.Backend, family: family, want: allowed, by: tierAdmin},
			route{pod: pods.CurlBackend, to: scene.ExampleCom, family: family, want: allowed, by: tierPolicy},
			route{pod: pods.CurlBackend, to: scene.HTTPBin, family: family, want: blocked, by: tierPolicy},
			route{pod: pods.CurlFrontend, to: scene.Backend, family: family, want: allowed, by: tierAdmin},
			route{pod: pods.CurlFrontend, to: scene.ExampleCom, family: family, want: blocked, by: tierPolicy},
			route{pod: pods.CurlFrontend, to: scene.HTTPBin, family: family, want: blocked, by: tierPolicy},
		)
		if err != nil {
			return err
		}
	}
	return nil
}
