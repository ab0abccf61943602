package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
)

// Names of the race zone that the steps after the race ask for.
const (
	whileDead = 10000 + iota
	afterwards
)

// killed is step 8 (D8, N12).
func (d *demo) killed(ctx context.Context) error {
	pods := d.scene.Pods
	learnt := route{pod: pods.CurlBackend, to: scene.ExampleCom, family: scene.V4, want: allowed, by: tierPolicy}
	if err := d.check(ctx, learnt); err != nil {
		return err
	}
	connection, err := open(ctx, pods.CurlBackend, scene.ExampleCom, scene.V6)
	if err != nil {
		return err
	}
	before, err := d.counters(ctx)
	if err != nil {
		return err
	}
	d.product.KillEnforcer()
	d.report.note("the enforcer is dead; a connection curl-backend → example.com:80 (IPv6) stays busy")
	if err := d.whileDead(ctx, learnt); err != nil {
		return err
	}
	if err := d.product.StartEnforcer(ctx); err != nil {
		return err
	}
	d.report.note("the enforcer runs again")
	after, err := d.counters(ctx)
	if err != nil {
		return err
	}
	meanwhile := after.Since(before)
	d.report.line(line{
		route: "packets dropped while nobody watched", want: "3 counted",
		got: fmt.Sprintf("%d counted", meanwhile.Denied()), why: sentence(meanwhile.Deciding(true)),
	})
	if err := d.afterwards(ctx, learnt); err != nil {
		return err
	}
	d.report.line(connection.goesOn("curl-backend's connection, through all of it"))
	return ctx.Err()
}

// whileDead shows that the kernel goes on alone: nothing closes, nothing opens.
func (d *demo) whileDead(ctx context.Context, learnt route) error {
	pods := d.scene.Pods
	learnt.straight = true
	return d.check(ctx,
		learnt,
		route{pod: pods.CurlFrontend, to: scene.Backend, family: scene.V4, want: allowed},
		route{pod: pods.CurlFrontend, to: scene.ExampleCom, family: scene.V4, want: blocked},
		route{pod: pods.CurlBackend, to: scene.HTTPBin, family: scene.V4, want: blocked},
		route{pod: pods.Crawler, to: scene.Fresh(whileDead), family: scene.V4, want: blocked},
	)
}

// afterwards shows that nothing was forgotten, what was asked meanwhile
// included.
func (d *demo) afterwards(ctx context.Context, learnt route) error {
	pods := d.scene.Pods
	learnt.straight = true
	caughtUp := route{pod: pods.Crawler, to: scene.Fresh(whileDead), family: scene.V4, want: allowed, by: tierPolicy, straight: true}
	nothing := func() error { return nil }
	if _, err := d.takesEffect(ctx, nothing, caughtUp); err != nil {
		return err
	}
	return d.check(ctx,
		learnt,
		caughtUp,
		route{pod: pods.Crawler, to: scene.Fresh(afterwards), family: scene.V4, want: allowed, by: tierPolicy},
		route{pod: pods.CurlFrontend, to: scene.ExampleCom, family: scene.V4, want: blocked, by: tierPolicy},
	)
}

// nodeDefault is step 9 (P7), with a pod that no policy selects.
func (d *demo) nodeDefault(ctx context.Context) error {
	client := d.scene.Pods.Client
	to := route{pod: client, to: scene.ExampleCom, family: scene.V4, want: blocked, by: tierDefault}
	if err := d.check(ctx, to); err != nil {
		return err
	}
	policed, err := open(ctx, d.scene.Pods.CurlBackend, scene.Backend, scene.V4)
	if err != nil {
		return err
	}
	to.want = allowed
	if err := d.setDefault(ctx, "Allow", to); err != nil {
		return err
	}
	unpoliced, err := open(ctx, client, scene.ExampleCom, scene.V4)
	if err != nil {
		d.report.line(line{route: "client opens a connection and keeps it", want: allowed, got: outcome(err)})
	}
	to.want = blocked
	if err := d.setDefault(ctx, "Deny", to); err != nil {
		return err
	}
	if unpoliced != nil {
		d.report.line(unpoliced.isCut(ctx, "client's connection, opened under Allow"))
	}
	d.report.line(policed.goesOn("curl-backend's connection, which a policy allows"))
	return ctx.Err()
}

// setDefault edits ConfigMap nameward and reports how long the change took.
func (d *demo) setDefault(ctx context.Context, verdict string, shows route) error {
	change := func() error { return d.product.SetDefault(verdict) }
	straight := shows
	straight.straight = true
	took, err := d.takesEffect(ctx, change, straight)
	if err != nil {
		return err
	}
	l := line{route: fmt.Sprintf("ConfigMap nameward: default: %s", verdict), want: "within 1 s", got: "within 1 s"}
	l.why = fmt.Sprintf("in effect after %s", took.Round(time.Millisecond))
	if took > within {
		l.got, l.why = "later", "not in effect after "+took.Round(time.Millisecond).String()
	}
	d.report.line(l)
	other := shows
	other.family = scene.V6
	return d.check(ctx, shows, other)
}

// tiers is step 10 (P2, P3, P5, P6): namespaces team and lab have policies of their own now.
func (d *demo) tiers(ctx context.Context) error {
	client, guest := d.scene.Pods.Client, d.scene.Pods.Guest
	scenes := []struct {
		file, says string
		rows       []route
	}{
		{"10a-team-allows-all.yaml", "namespace team allows itself everything", []route{
			{pod: client, to: scene.HTTPBin, want: allowed, by: tierPolicy}}},
		{"10b-admin-denies.yaml", "an Admin Deny, which no namespace overrides", []route{
			{pod: client, to: scene.HTTPBin, want: blocked, by: tierAdmin},
			{pod: client, to: scene.ExampleCom, want: allowed, by: tierPolicy}}},
		{"10c-admin-passes.yaml", "an earlier Admin Pass leaves it to the namespace", []route{
			{pod: client, to: scene.HTTPBin, want: allowed, by: tierPolicy}}},
		{"10d-team-allows-example.yaml", "which now allows example.com's network only", []route{
			{pod: client, to: scene.HTTPBin, want: blocked, by: tierPolicy},
			{pod: client, to: scene.ExampleCom, want: allowed, by: tierPolicy}}},
		{"10e-baseline-accepts.yaml", "a Baseline Accept comes before the node default, Deny", []route{
			{pod: guest, to: scene.ExampleCom, want: allowed, by: tierBaseline}}},
		{"10f-lab-restricts.yaml", "and gives way to the namespace's own policy", []route{
			{pod: guest, to: scene.ExampleCom, want: blocked, by: tierPolicy},
			{pod: guest, to: scene.HTTPBin, want: allowed, by: tierPolicy}}},
	}
	for _, s := range scenes {
		if err := d.tier(ctx, s.file, s.says, s.rows); err != nil {
			return err
		}
	}
	return nil
}

// inPlaceOf are files that hold a new version of the objects of another. They
// take its place in one step, as an update of the objects would.
var inPlaceOf = map[string]string{"10d-team-allows-example.yaml": "10a-team-allows-all.yaml"}

// tier applies one policy and checks its rows in both families.
func (d *demo) tier(ctx context.Context, file, says string, rows []route) error {
	d.report.note("+ %s: %s", file, says)
	for i := range rows {
		rows[i].straight, rows[i].family = true, scene.V4
	}
	change := func() error { return d.put(file) }
	if _, err := d.takesEffect(ctx, change, rows[0]); err != nil {
		return err
	}
	for _, family := range scene.Families {
		for i := range rows {
			rows[i].family = family
		}
		if err := d.check(ctx, rows...); err != nil {
			return err
		}
	}
	return nil
}
