package datapath

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

// TestAddressUsedAgain: a new pod with the address, and even the interface, of
// the one before has none of its grants and none of its connections (P16, D5),
// and is never open. The pod after that takes the first one's slot, and has none
// of them either.
func TestAddressUsedAgain(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		for _, pinned := range []bool{false, true} {
			t.Run(fmt.Sprintf("pinned %v", pinned), func(t *testing.T) { useAddressAgain(t, hook, pinned) })
		}
	})
}

func useAddressAgain(t *testing.T, hook Hook, pinned bool) {
	p := newPlay(t, hook, pinned)
	first := p.client
	named := policy.Rule{Action: policy.ActionAccept, AllPorts: true, Peers: []policy.Peerage{{Name: "example.com"}}}
	as := func(uid string) {
		p.client = &scenePod{ns: first.ns, iface: first.iface, addr: first.addr, id: policy.EndpointOf(uid)}
		p.interfaces = map[policy.EndpointID]Interface{p.client.id: {Name: p.client.iface}}
		w := world([]*scenePod{p.client}, isolating(policy.Egress, named, to("10.1.0.2/32", 81)))
		w.Pods[0].Ref.UID = uid
		p.turn(w)
	}
	as("first")
	p.connects(false)
	patterns := []string{"example.com"}
	id := p.client.id
	must(t, p.d.Grant(id, p.now.NameRows(id, patterns), []Entry{{Addr: p.server.addr, Class: p.now.NameClass(patterns), Expires: Now() + time.Hour}}))
	p.connects(true)
	established := p.dial(p.client, p.server, 80, patience)

	for _, uid := range []string{"second", "third"} {
		as(uid)
		p.connects(false)
		if answers(established, wait) {
			t.Errorf("the %s pod goes on with a connection of the first", uid)
		}
		if p.dial(p.client, p.server, 81, patience) == nil {
			t.Errorf("the %s pod gets no connection that its own policy allows", uid)
		}
		granted, err := p.d.Granted()
		must(t, err)
		if len(granted) != 0 {
			t.Errorf("the %s pod: got entries %v, want none", uid, granted)
		}
		if got := len(p.d.pods); got != 1 {
			t.Errorf("got %d pods in the tables, want the %s alone", got, uid)
		}
	}
	p.turn(world(nil))
	p.connects(true)
}

// TestPodGoneMeanwhile: a pod that goes while no enforcer runs leaves neither
// filters nor state to whoever comes next (P16).
func TestPodGoneMeanwhile(t *testing.T) { hooks(t, goMeanwhile) }

func goMeanwhile(t *testing.T, hook Hook) {
	p := newPlay(t, hook, true)
	p.turn(world([]*scenePod{p.client}, isolating(policy.Egress)))
	p.connects(false)
	must(t, p.d.Close())
	p.connects(false)

	p.d, p.now = p.open(Config{Hook: hook, Pin: p.pin}), nil
	p.turn(world(nil))
	p.connects(true)
	if n := filtersOn(t, p.client.iface); n != 0 {
		t.Errorf("got %d filters on the interface, want none", n)
	}
	left, err := os.ReadDir(filepath.Join(p.pin, "pods"))
	must(t, err)
	if len(left) != 0 {
		t.Errorf("got pins %v of the pod that is gone, want none", left)
	}
}
