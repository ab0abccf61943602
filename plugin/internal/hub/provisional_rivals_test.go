package hub

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

// TestProvisionLosesToAWatch proves N16: an address whose pod is known is that
// pod's node's at once, and its answers are told to nobody else.
func TestProvisionLosesToAWatch(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "web"), apitest.Pod("node-b", pod.String()))
	liar, owner := r.dial(t, "node-a"), r.dial(t, "node-b")
	liar.Watch(pod.String(), "example.org")
	r.counts(t, "nobody else watches", 1, 0, 1, 0)
	owner.Watch(pod.String(), "example.org")
	r.counts(t, "its node watches", 1, 1, 1, 1)
	if got := r.watchedBy(pod.String()); !slices.Equal(got, []string{"node-b"}) {
		t.Errorf("watched by %v, want node-b", got)
	}
	if !r.log.says("hears them no more: it is watched by node node-b") || r.Stats().Contests.Load() != 0 {
		t.Error("want it logged, and no contest counted")
	}
	r.listed(t, 2)
	r.counts(t, "listed again", 1, 1, 1, 1)
	held := ask(r.Hub, pod, answer("example.org", 60, "192.0.2.1"), forever)
	acknowledge(owner, forever)
	expect(t, held, Acknowledged)
	if liar.Pending() != 0 {
		t.Error("the other node has heard the answer")
	}
}

// TestNoProvisionOfWhatIsTaken proves N16: what another node watches or has kept
// locked down, and what is a node's own, is granted to nobody in advance.
func TestNoProvisionOfWhatIsTaken(t *testing.T) {
	tests := []struct {
		name string
		take func(t *testing.T, r *remote)
	}{
		{"another node watches it", func(t *testing.T, r *remote) {
			r.dial(t, "node-b").Watch(pod.String(), "example.org")
			enforcertest.Await(t, "it does", func() bool { return r.Watched() == 1 })
		}},
		{"another node's lockdown is kept", func(t *testing.T, r *remote) {
			e := r.dial(t, "node-b")
			e.Subscribe(lock("example.org", pod.String()))
			enforcertest.Await(t, "it is locked down", func() bool { return r.locked(pod.String()) })
			e.Close()
			enforcertest.Await(t, "its lockdown is kept", func() bool { return r.Kept() == 1 && r.Sessions() == 0 })
		}},
		{"it is another node's own", func(t *testing.T, r *remote) {
			e := enforcertest.Connect(t, r.target, r.authority.Node("node-b"))
			e.Send(enforcertest.Hello(&stream.Hello{Version: stream.Version, Node: "node-b", NodeAddresses: [][]byte{enforcertest.Bytes(pod.String())}}))
			e.Welcome()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRemote(t, how{pods: true})
			r.api.Run(awaiting("node-a", "web"), apitest.Pod("node-b", pod.String()))
			tt.take(t, r)
			kept := r.Kept()
			r.dial(t, "node-a").Subscribe(lock("example.com", pod.String()))
			enforcertest.Await(t, "it is left out", func() bool { return r.Stats().Unverified.Load() == 1 })
			if slices.Contains(r.watchedBy(pod.String()), "node-a") || r.Stats().Provisional.Load() != 0 || r.Kept() != kept {
				t.Errorf("watched by %v, %d granted, %d kept; want none of node-a and %d kept", r.watchedBy(pod.String()), r.Stats().Provisional.Load(), r.Kept(), kept)
			}
		})
	}
}

// TestProvisionOfTwoIsNeithers proves N16: a node that asks in advance for what
// is another's next address hears nothing once that one speaks.
func TestProvisionOfTwoIsNeithers(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "liar"), awaiting("node-b", "web"), awaiting("node-c", "third"))
	liar := r.dial(t, "node-a")
	liar.Watch(pod.String(), "example.org")
	r.counts(t, "one asks", 1, 0, 1, 0)
	r.dial(t, "node-b").Watch(pod.String(), "example.org")
	r.counts(t, "two ask", 0, 2, 1, 1)
	r.dial(t, "node-c").Watch(pod.String(), "example.org")
	r.counts(t, "three ask", 0, 3, 1, 1)
	r.listed(t, 3)
	r.counts(t, "listed again", 0, 3, 1, 1)
	liar.Subscribe(watches("example.org"))
	r.counts(t, "the first withdraws", 0, 2, 1, 1)
	liar.Watch(pod.String(), "example.org")
	r.counts(t, "and asks again", 0, 3, 1, 1)
	r.api.Run(awaiting("node-a", "liar"), apitest.Pod("node-b", pod.String()), awaiting("node-c", "third"))
	r.counts(t, "its node is known", 1, 2, 1, 1)
	if got := r.watchedBy(pod.String()); !slices.Equal(got, []string{"node-b"}) {
		t.Errorf("watched by %v, want node-b", got)
	}
}

// TestWishAloneOustsNobody proves N12: a node whose pods all have their addresses
// cannot keep other nodes' new pods from being heard.
func TestWishAloneOustsNobody(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "web"))
	r.dial(t, "node-b").Watch(pod.String(), "example.org")
	r.counts(t, "a node without such pods", 0, 1, 0, 0)
	r.dial(t, "node-a").Watch(pod.String(), "example.org")
	r.counts(t, "the pod's node", 1, 1, 1, 0)
	r.listed(t, 2)
	r.counts(t, "listed again", 1, 1, 1, 0)
}

// TestProvisionLocksNobodyDown proves N9 and N16: who only vouches for an address
// can have none of its queries refused, now or after the session.
func TestProvisionLocksNobodyDown(t *testing.T) {
	r := newRemote(t, how{pods: true})
	r.api.Run(awaiting("node-a", "web"), apitest.Pod("node-a", other))
	e := r.dial(t, "node-a")
	e.Subscribe(lock("example.org", pod.String(), other))
	r.counts(t, "it awaits its address", 2, 0, 1, 0)
	if got := r.Lockdown(pod, "example.net"); got != LockdownOff || !r.locked(other) {
		t.Errorf("got %d, and the other pod locked %v; want the one answered and the other locked", got, r.locked(other))
	}
	e.Close()
	enforcertest.Await(t, "the other's lockdown is kept alone", func() bool { return r.Sessions() == 0 && r.Kept() == 1 })
	if r.locked(pod.String()) || !r.locked(other) {
		t.Error("the lockdown of an address that was never verified is kept, or the other's is not")
	}
	e = r.dial(t, "node-a")
	e.Subscribe(lock("example.org", pod.String(), other))
	r.counts(t, "the enforcer is back", 2, 0, 1, 0)
	if r.locked(pod.String()) {
		t.Error("it is locked down before it is verified")
	}
	r.api.Run(apitest.Pod("node-a", pod.String()), apitest.Pod("node-a", other))
	enforcertest.Await(t, "it is locked down once it is verified", func() bool { return r.locked(pod.String()) })
	if got := r.Lockdown(netip.MustParseAddr(other), "example.org"); got != LockdownOff {
		t.Errorf("got %d, want the rules' own name answered", got)
	}
}
