package datapath

import (
	"path/filepath"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
)

// P16, D8, D9: an interface goes from one pod to another, and two pods exchange
// theirs. What is pinned follows, so that a successor finds every filter.
func TestExchange(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		f := newFixture(t)
		cfg := Config{Hook: hook, Pin: filepath.Join(f.bpf, "nameward")}
		d := f.open(cfg)
		other := policy.EndpointOf("other")
		both := tables(f.client, nil)
		e := both.Endpoints[f.client.id]
		both.Endpoints[other] = e
		e.Stance = policy.Stance{Default: policy.Allow}
		both.Endpoints[f.client.id] = e
		f.interfaces = map[policy.EndpointID]Interface{f.client.id: {Name: f.client.iface}, other: {Name: f.server.iface}}
		f.apply(d, both)
		f.connects(true)
		f.interfaces = map[policy.EndpointID]Interface{other: {Name: f.client.iface}, f.client.id: {Name: f.server.iface}}
		f.apply(d, both)
		f.connects(false)

		// The pod that had the interface before is no more.
		alone := tables(&scenePod{id: other}, nil)
		f.interfaces = map[policy.EndpointID]Interface{other: {Name: f.client.iface}}
		f.apply(d, alone)
		f.connects(false)
		must(t, d.Close())
		f.connects(false) // its filter is pinned

		successor := f.open(cfg)
		defer successor.Close()
		f.apply(successor, tables(&scenePod{id: other}, map[policy.ClassID]policy.Precedence{policy.AnyPeer: allow}))
		f.connects(true)
		must(t, successor.Apply([]*policy.Tables{{}}, nil))
		f.connects(true)
	})
}
