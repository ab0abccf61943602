package datapath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/nameward/nameward/enforcer/policy"
)

func index(t testing.TB, name string) int {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l.Attrs().Index
}

// on is the pod's interface as those know it who look for interfaces.
func (p *scenePod) on(t testing.TB) Interface {
	t.Helper()
	return Interface{p.iface, index(t, p.iface)}
}

var gateway = netip.MustParseAddr("169.254.1.1")

// pinsOfShut are the directories of shut interfaces.
func pinsOfShut(t *testing.T, pin string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(pin, "shut"))
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// D9, P18: before there is any policy an interface without a pod is shut at once,
// for all but its own node, with a reason of its own; and let go when it is no
// pod's.
func TestInterfaceWithoutPodIsShut(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		f := newFixture(t)
		f.serve(f.client, 80)
		pin := filepath.Join(f.bpf, "nameward")
		d := f.open(Config{Hook: hook, Pin: pin})
		defer d.Close()
		f.connects(true)
		on := []Interface{f.client.on(t), {"gone", 4711}, {Name: "never-there"}}
		deny := Posture{Verdict: policy.Deny, Node: []netip.Addr{gateway}}
		must(t, d.Shut(on, deny))
		f.connects(false)
		if packets(t, d, "unknown-pod") == 0 {
			t.Error("got no packet counted for its reason")
		}
		if f.dial(&scenePod{ns: f.node}, f.client, 80, patience) == nil {
			t.Error("the pod's own node: got no connection, want one (P18)")
		}
		if f.dial(f.server, f.client, 80, wait) != nil {
			t.Error("another pod: got a connection, want none")
		}

		must(t, d.Shut(on, Posture{Verdict: policy.Allow}))
		f.connects(true)
		must(t, d.Shut(on, Posture{}))
		f.connects(false)
		if f.dial(&scenePod{ns: f.node}, f.client, 80, wait) != nil {
			t.Error("an address that is not the node's any more: got a connection, want none")
		}
		if got, want := pinsOfShut(t, pin), []string{strconv.Itoa(on[0].Index)}; !slices.Equal(got, want) {
			t.Errorf("pins of shut interfaces: got %v, want %v", got, want)
		}
		must(t, d.Shut(nil, Posture{}))
		f.connects(true)
		if left := pinsOfShut(t, pin); len(left) > 0 || len(d.shut) > 0 {
			t.Errorf("after letting go: got pins %v and %v, want none", left, d.shut)
		}
	})
}

// D9, D8: an interface that looks like a pod's is closed from the first Shut on,
// whatever the order of events: its pod comes, is not found, changes, goes, is in
// a policy that was worked out before it was known, the tables grow, the enforcer
// restarts. Every pod here is denied everything, so no packet may come through.
func TestNoOrderOpensAnInterface(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(seed, 0))
		p := newPlay(t, hook, true)
		p.connects(true) // neighbours know each other
		const port = 5002
		leaked := p.listen(p.server, port)
		on := []Interface{p.client.on(t)}
		shut := func() { must(t, p.d.Shut(on, Posture{})) }
		shut()
		flow := p.stream(p.client, p.server, [2]uint16{port, port})
		pod := func(uid string) *policy.World {
			c := *p.client
			c.iface, c.id = "veth-"+uid, policy.EndpointOf(uid)
			p.interfaces = map[policy.EndpointID]Interface{c.id: on[0]}
			return world([]*scenePod{&c}, isolating(policy.Egress))
		}
		events := []struct {
			name string
			do   func()
		}{
			{"the list is told again", shut},
			{"a policy without the pod", func() { p.turn(world(nil)) }},
			{"its pod", func() { p.turn(pod("client")) }},
			{"another pod in its place", func() { p.turn(pod("other")) }},
			{"the pod's interface is not found", func() {
				to := policy.Compile(pod("client"))
				steps := []*policy.Tables{to.Tables}
				if p.now != nil {
					steps = []*policy.Tables{policy.Transition(p.now, to), to.Tables}
				}
				must(t, errorsOtherThanMissing(p.d.Apply(steps, nil)))
				p.now = to
			}},
			{"new programs", func() { p.d.unfinished = &policy.Tables{} }},
			{"a restart", func() {
				must(t, p.d.Close())
				p.d, p.now = p.open(Config{Hook: hook, Pin: p.pin}), nil
				shut()
			}},
			{"a restart, and the list alone", func() {
				must(t, p.d.Close())
				p.d, p.now = p.open(Config{Hook: hook, Pin: p.pin}), nil
				must(t, p.d.Guard(on, Posture{}))
			}},
			{"the list alone, and one side", func() {
				must(t, p.d.Guard(on, Posture{}))
				_, err := p.d.ShutNext()
				must(t, err)
			}},
		}
		var told []string
		for range 60 {
			event := events[random.IntN(len(events))]
			told = append(told, event.name)
			event.do()
			if n := leaked(); n > 0 {
				t.Fatalf("seed %d: %d packets came through after %q", seed, n, told)
			}
		}
		if sent := flow.end(t); sent[0] == 0 {
			t.Fatal("nothing was sent: the test sees nothing")
		}
		for _, end := range []struct{ pins, attached int }{{1, 0}, {0, 1}} {
			w := world(nil)
			if end.attached > 0 {
				w = pod("client")
			}
			p.turn(w)
			if pins := pinsOfShut(t, p.pin); len(pins) != end.pins || len(p.d.Attached()) != end.attached {
				t.Errorf("seed %d, after %q: got pins %v and attached %v, want %+v", seed, told, pins, p.d.Attached(), end)
			}
		}
	})
}

// D8, D9: a known pod's filter of before a restart stays, until Apply replaces
// it; and longer where the pod is known but not found yet.
func TestPostureLeavesPodsOfAPredecessor(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		p := newPlay(t, hook, true)
		known := world([]*scenePod{p.client}, isolating(policy.Egress, to("10.1.0.2/32", 80)))
		p.turn(known)
		established := p.dial(p.client, p.server, 80, patience)
		must(t, p.d.Close())

		p.d, p.now = p.open(Config{Hook: hook, Pin: p.pin}), nil
		on := []Interface{p.client.on(t), p.pods["server"].on(t)}
		must(t, p.d.Shut(on[:1], Posture{}))
		p.connects(true)
		if hook == HookTCX {
			compiled := policy.Compile(known)
			must(t, errorsOtherThanMissing(p.d.Apply([]*policy.Tables{compiled.Tables}, nil)))
			p.now = compiled
			must(t, p.d.Shut(on[:1], Posture{}))
			p.connects(true)
		}
		p.turn(known)
		p.connects(true)
		if !answers(established, patience) {
			t.Error("a connection of before: got none, want it to go on")
		}
		if got := p.d.Attached(); len(got) != 1 || got[p.client.id].Index != on[0].Index {
			t.Errorf("attached: got %v, want the pod at %v", got, on[0])
		}
		if left := pinsOfShut(t, p.pin); len(left) > 0 {
			t.Errorf("got shut %v, want none: the pod is there", left)
		}
	})
}

// D9: tables that outgrow their programs take along what is shut, and the posture
// goes on to reach it.
func TestPostureReachesNewPrograms(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		f := newFixture(t)
		d := f.open(Config{Hook: hook})
		defer d.Close()
		on := []Interface{f.client.on(t)}
		must(t, d.Shut(on, Posture{}))
		large := new(policy.Tables)
		for i := range 3 * leastEntries {
			large.Addresses = large.Addresses.With(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), policy.Peer{Class: serverClass})
		}
		before := d.programs
		must(t, d.Apply([]*policy.Tables{large}, nil))
		if d.programs == before {
			t.Fatal("got the same programs, want new ones")
		}
		f.connects(false)
		must(t, d.Shut(on, Posture{Verdict: policy.Allow}))
		f.connects(true)
	})
}

// D8, D9, P16: what is shut stays shut without an enforcer. Its successor takes it
// over, and neither keeps pins of an interface that is gone nor takes another
// with its index for it.
func TestShutSurvivesARestart(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		f := newFixture(t)
		cfg := Config{Hook: hook, Pin: filepath.Join(f.bpf, "nameward")}
		d := f.open(cfg)
		on := f.client.on(t)
		must(t, d.Shut([]Interface{on}, Posture{}))
		must(t, d.Close())
		f.connects(false)
		d = f.open(cfg)
		must(t, d.Apply([]*policy.Tables{{}}, nil))
		f.connects(false) // nobody has said that it is no pod's
		must(t, d.Shut([]Interface{on}, Posture{}))
		f.connects(false)
		must(t, d.Close())

		l, err := netlink.LinkByName(on.Name)
		must(t, err)
		must(t, netlink.LinkDel(l))
		must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "other", Index: on.Index}, PeerName: "peer"}))
		d = f.open(cfg)
		defer d.Close()
		if left := pinsOfShut(t, cfg.Pin); len(left) > 0 || len(d.shut) > 0 {
			t.Errorf("another interface has the index: got pins %v and shut %v, want none", left, d.shut)
		}
	})
}

// D9: detaching leaves nothing on interfaces that were shut.
func TestDetachOpensWhatIsShut(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		f := newFixture(t)
		pin := filepath.Join(f.bpf, "nameward")
		d := f.open(Config{Hook: hook, Pin: pin})
		must(t, d.Shut([]Interface{f.client.on(t)}, Posture{}))
		must(t, d.Close())
		f.connects(false)
		must(t, Detach(pin))
		f.connects(true)
		if _, err := os.Stat(pin); !os.IsNotExist(err) {
			t.Errorf("pin directory after Detach: got %v, want it gone", err)
		}
		if n := filtersOn(t, f.client.iface); n != 0 {
			t.Errorf("got %d filters on the interface, want none", n)
		}
	})
}

// BenchmarkShut is what one new interface costs on a node with 110 pods.
func BenchmarkShut(b *testing.B) {
	for _, hook := range []Hook{HookTCX, HookClsact} {
		b.Run(fmt.Sprint(hook), func(b *testing.B) {
			f := newFixture(b)
			d := f.open(Config{Hook: hook, Pin: filepath.Join(f.bpf, "nameward"), ConnectionsPerPod: 64})
			defer d.Close()
			crowd := f.crowd(110)
			must(b, d.Apply([]*policy.Tables{crowd.tables()}, crowd.interfaces))
			all := append(slices.Clone(crowd.list), f.client.on(b))
			b.ReportAllocs()
			for b.Loop() {
				must(b, d.Shut(all, Posture{}))
				b.StopTimer()
				must(b, d.Shut(crowd.list, Posture{}))
				b.StartTimer()
			}
		})
	}
}
