package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// What can become of a connection, as the tables say it.
const (
	allowed = "allowed"
	blocked = "blocked"
)

// route is one connection that a pod tries.
type route struct {
	pod    *scene.Pod
	to     scene.Target
	family scene.Family
	// want is allowed or blocked, and by the tier that should decide so.
	want, by string
	// straight skips the lookup: the pod knows the address already.
	straight bool
}

func (r route) String() string {
	text := fmt.Sprintf("%s → %s", r.pod, r.to.Label)
	if r.straight {
		text += ", no lookup"
	}
	if r.family == scene.V6 {
		text += " (IPv6)"
	}
	return text
}

// demo is one run.
type demo struct {
	scene   *scene.Scene
	product *product.Product
	report  *report
}

// check tries the routes one after the other and reports each.
func (d *demo) check(ctx context.Context, routes ...route) error {
	for _, r := range routes {
		d.report.progress("%s", r)
		l, err := d.probe(ctx, r)
		if err != nil {
			return err
		}
		d.report.line(l)
	}
	return nil
}

// probe tries the route and asks the enforcer's counters what decided.
func (d *demo) probe(ctx context.Context, r route) (line, error) {
	l := line{route: r.String(), want: r.want}
	address, answered := d.address(ctx, r)
	before, err := d.counters(ctx)
	if err != nil {
		return l, err
	}
	l.got = d.try(ctx, r, address)
	after, err := d.counters(ctx)
	if err != nil {
		return l, err
	}
	if before == nil || after == nil {
		l.why = "the kernel alone: no enforcer runs"
		return l, ctx.Err()
	}
	deciding := after.Since(before).Deciding(l.got == blocked)
	l.why = sentence(deciding)
	if !answered {
		l.why += "; no DNS answer either: tried the address"
	}
	if l.got == r.want && r.by != "" && !decidedBy(deciding, r.by) {
		l.got = "not by " + r.by
	}
	return l, ctx.Err()
}

// address looks the route's name up. A pod without an answer tries the address
// that the name has all the same.
func (d *demo) address(ctx context.Context, r route) (_ netip.Addr, answered bool) {
	known := r.to.Known.Of(r.family)
	if r.straight {
		return known, true
	}
	address, err := r.pod.Lookup(ctx, scene.ClusterDNS, r.to.Name, r.family)
	if err != nil {
		return known, false
	}
	return address, true
}

// try connects and requests a page.
func (d *demo) try(ctx context.Context, r route, address netip.Addr) string {
	conn, err := r.pod.Connect(ctx, netip.AddrPortFrom(address, r.to.Port))
	if err == nil {
		defer conn.Close()
		err = conn.Get(r.to.Name, scene.Patience)
	}
	return outcome(err)
}

// outcome says what an error means. Only silence is blocked; anything else is
// neither expected nor hidden.
func outcome(err error) string {
	switch {
	case err == nil:
		return allowed
	case scene.Blocked(err):
		return blocked
	default:
		return "error: " + err.Error()
	}
}

// counters returns nil while the enforcer is dead.
func (d *demo) counters(ctx context.Context) (product.Counters, error) {
	if !d.product.EnforcerRuns() {
		return nil, nil
	}
	return d.product.Counters(ctx)
}

// within is how fast a change must take effect (SEMANTICS P7).
const within = time.Second

// takesEffect makes the change and tries the route until it is as wanted, at
// most for the second that a change may take. It returns after how long it was.
func (d *demo) takesEffect(ctx context.Context, change func() error, r route) (time.Duration, error) {
	if err := change(); err != nil {
		return 0, err
	}
	start := time.Now()
	for {
		began := time.Since(start)
		if d.attempt(ctx, r) == r.want {
			if r.want == allowed {
				began = time.Since(start)
			}
			// A block was in force when the SYN was sent, long before it is known.
			return began, ctx.Err()
		}
		if err := ctx.Err(); err != nil || time.Since(start) > within {
			return time.Since(start), err
		}
	}
}

// attempt is one try. Whoever waits for a route to open looks often.
func (d *demo) attempt(ctx context.Context, r route) string {
	if r.want == allowed {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
	}
	address, _ := d.address(ctx, r)
	return d.try(ctx, r, address)
}

// apply puts the embedded manifest into the folder and waits for the route.
func (d *demo) apply(ctx context.Context, file string, shows route) error {
	_, err := d.takesEffect(ctx, func() error { return d.put(file) }, shows)
	return err
}

// put puts the embedded manifest into the folder.
func (d *demo) put(file string) error {
	text, err := files.ReadFile("manifests/" + file)
	if err != nil {
		return err
	}
	name := file
	if old, found := inPlaceOf[file]; found {
		name = old
	}
	return d.product.Apply(name, text)
}

func decidedBy(verdicts []product.Verdict, tier string) bool {
	for _, v := range verdicts {
		if v.Tier == tier {
			return true
		}
	}
	return false
}

// sentence joins what decided.
func sentence(verdicts []product.Verdict) string {
	if len(verdicts) == 0 {
		return "nothing was counted"
	}
	var parts []string
	for _, v := range verdicts {
		parts = append(parts, v.String())
	}
	return strings.Join(parts, ", ")
}
