package datapath

import (
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
)

// play is a scene whose tables are compiled from Worlds, as the enforcer's are.
type play struct {
	*fixture
	d   *Datapath
	now *policy.Compiled // in the kernel
	pin string
}

func newPlay(t *testing.T, hook Hook, pinned bool) *play {
	t.Helper()
	f := newFixture(t)
	cfg := Config{Hook: hook}
	if pinned {
		cfg.Pin = filepath.Join(f.bpf, "nameward")
	}
	p := &play{fixture: f, d: f.open(cfg), pin: cfg.Pin}
	t.Cleanup(func() { p.d.Close() })
	return p
}

// turn leads from the World in force to the next, on the way that the enforcer
// takes.
func (p *play) turn(next *policy.World) {
	p.t.Helper()
	to := policy.Compile(next)
	steps := []*policy.Tables{to.Tables}
	if p.now != nil {
		steps = []*policy.Tables{policy.Transition(p.now, to), to.Tables}
	}
	must(p.t, p.d.Apply(steps, p.interfaces))
	p.now = to
}

// world has the given pods on its node and lets everything pass but what the
// policies say.
func world(pods []*scenePod, policies ...*policy.Policy) *policy.World {
	w := &policy.World{Node: "node", Default: policy.Allow, Policies: policies}
	for _, p := range pods {
		w.Pods = append(w.Pods, &policy.Pod{
			Ref:  policy.PodRef{Namespace: "app", Name: p.uid(), UID: p.uid()},
			Node: "node", Addresses: []netip.Addr{p.addr}, Labels: map[string]string{"pod": p.uid()},
		})
	}
	return w
}

// uid is what pod makes the endpoint of.
func (p *scenePod) uid() string { return p.iface[len("veth-"):] }

// isolating is a policy of the NetworkPolicy tier for all pods, in one
// direction.
func isolating(d policy.Direction, rules ...policy.Rule) *policy.Policy {
	p := &policy.Policy{
		Ref:  policy.PolicyRef{Group: "networking.k8s.io", Kind: "NetworkPolicy", Namespace: "app", Name: d.String()},
		Tier: policy.TierNetworkPolicy, Subject: policy.PodSelector{Namespace: "app"},
	}
	if d == policy.Ingress {
		p.Ingress = &policy.Section{Rules: rules}
	} else {
		p.Egress = &policy.Section{Rules: rules}
	}
	return p
}

// to accepts a network, on TCP and UDP ports where some are given.
func to(cidr string, ports ...uint16) policy.Rule {
	r := policy.Rule{Action: policy.ActionAccept, AllPorts: len(ports) == 0,
		Peers: []policy.Peerage{{Block: &policy.Block{CIDR: netip.MustParsePrefix(cidr)}}}}
	for _, n := range ports {
		r.Ports = append(r.Ports, policy.Port{Protocol: 6, First: n, Last: n}, policy.Port{Protocol: 17, First: n, Last: n})
	}
	return r
}

// TestBothSidesAreAsked: a connection needs the egress of who opens it and the
// ingress of who is called, with either hook (P2, D1).
func TestBothSidesAreAsked(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		p := newPlay(t, hook, false)
		p.interfaces[p.server.id] = Interface{Name: p.server.iface}
		both := []*scenePod{p.client, p.server}
		out, in := isolating(policy.Egress, to("10.1.0.2/32", 80)), isolating(policy.Ingress, to("10.1.0.1/32", 80))
		noWayOut, noWayIn := isolating(policy.Egress, to("10.1.0.3/32")), isolating(policy.Ingress, to("10.1.0.3/32"))
		for _, c := range []struct {
			sentence string
			policies []*policy.Policy
			want     bool
		}{
			{"nobody is isolated", nil, true},
			{"both allow", []*policy.Policy{out, in}, true},
			{"the caller does not", []*policy.Policy{noWayOut, in}, false},
			{"the called does not", []*policy.Policy{out, noWayIn}, false},
			{"only the called is isolated, and allows", []*policy.Policy{in}, true},
			{"only the called is isolated, and does not", []*policy.Policy{noWayIn}, false},
			{"only callers are isolated, and may call", []*policy.Policy{out}, true},
		} {
			p.turn(world(both, c.policies...))
			if c.want {
				if p.dial(p.client, p.server, 80, patience) == nil {
					t.Errorf("%s: got no connection, want one", c.sentence)
				}
			} else if p.dial(p.client, p.server, 80, wait) != nil {
				t.Errorf("%s: got a connection, want none", c.sentence)
			}
		}
	})
}
