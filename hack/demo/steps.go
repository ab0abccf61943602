package main

import (
	"context"
	"fmt"
)

// step is one part of the story.
type step struct {
	title string
	run   func(*demo, context.Context) error
}

// story is every step in order; each begins where the one before it ended.
var story = []step{
	{"nothing applied, node default Deny", (*demo).nothing},
	{"+ 1-allow-dns.yaml: pods of namespace app may ask DNS", (*demo).allowDNS},
	{"+ 2-allow-example-com.yaml: role=backend may reach example.com on port 80", (*demo).allowName},
	{"+ 3-allow-intra-app.yaml: namespace app may talk to itself", (*demo).allowIntraApp},
	{"what one pod learns opens nothing for another of the same node", (*demo).leak},
	{"the answer comes after the kernel knows: resolve, then connect at once", (*demo).race},
	{"names expire, connections do not", (*demo).expiry},
	{"the enforcer killed (SIGKILL) under traffic, and started again", (*demo).killed},
	{"node default Deny → Allow → Deny on the running node", (*demo).nodeDefault},
	{"the tiers: Admin, NetworkPolicy, Baseline", (*demo).tiers},
}

// tell runs the story.
func (d *demo) tell(ctx context.Context) error {
	for i, s := range story {
		d.report.step(i+1, s.title)
		if err := s.run(d, ctx); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}
