package datapath

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/nameward/nameward/enforcer/policy"
)

// throng is many pods whose interfaces carry no traffic.
type throng struct {
	list       []Interface
	interfaces map[policy.EndpointID]Interface
}

// crowd makes interfaces, with both ends on the node.
func (s *scene) crowd(n int) *throng {
	s.t.Helper()
	c := &throng{interfaces: make(map[policy.EndpointID]Interface)}
	for i := range n {
		c.add(s.t, i)
	}
	return c
}

func (c *throng) add(t testing.TB, i int) {
	t.Helper()
	name := fmt.Sprintf("crowd%d", i)
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: fmt.Sprintf("end%d", i)}))
	on := Interface{name, index(t, name)}
	c.list = append(c.list, on)
	c.interfaces[policy.EndpointOf(name)] = on
}

// tables have a pod for each interface, which may do nothing.
func (c *throng) tables() *policy.Tables {
	t := &policy.Tables{Endpoints: map[policy.EndpointID]policy.Endpoint{}}
	for id, on := range c.interfaces {
		t.Endpoints[id] = policy.Endpoint{
			Pod:    policy.PodRef{Namespace: "app", Name: on.Name},
			Stance: policy.Stance{Default: policy.Deny},
		}
	}
	return t
}

// filtersOn counts our programs and filters on an interface.
func filtersOn(t testing.TB, name string) (n int) {
	t.Helper()
	ifindex := index(t, name)
	for _, s := range sides {
		if hasFilter(s, ifindex) {
			n++
		}
		if !hasTCX() {
			continue
		}
		on, err := link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: s.attach})
		must(t, err)
		n += len(on.Programs)
	}
	return n
}

// holdings are what a process and the kernel have of a Datapath.
type holdings struct {
	descriptors, pins               int
	slots, places, endpoints        int
	connections, grants, used, shut int
}

func (d *Datapath) holdings(t *testing.T) (h holdings) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	h.descriptors = len(fds)
	must(t, filepath.WalkDir(d.cfg.Pin, func(string, os.DirEntry, error) error { h.pins++; return nil }))
	h.slots, h.places = entries[uint32](t, d.programs.Slots), len(d.slots.places)
	h.connections, h.grants = entries[uint32](t, d.programs.Connections), entries[uint32](t, d.programs.Grants)
	c := Contents{}
	must(t, c.readEndpoints(d))
	h.endpoints, h.used, h.shut = len(c["endpoints"]), d.slots.count, len(d.shut)
	return h
}

// entries counts what is in a table. Values are read, for an array of tables has
// all keys.
func entries[K any](t *testing.T, m *ebpf.Map) (n int) {
	t.Helper()
	var key K
	var value uint32
	it := m.Iterate()
	for it.Next(&key, &value) {
		n++
	}
	must(t, it.Err())
	return n
}

// P16, D12: 500 pods come, are shut before they are known, and go, in all the
// orders that there are; nothing is left of them in the process or the kernel.
func TestChurn(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		pods, atOnce := 500, 25
		if testing.Short() || hook == HookClsact && hasTCX() {
			pods = 75
		}
		f := newFixture(t)
		d := f.open(Config{Hook: hook, Pin: filepath.Join(f.bpf, "nameward"), ConnectionsPerPod: 64})
		defer d.Close()
		must(t, d.Shut(nil, Posture{}))
		must(t, d.Apply([]*policy.Tables{{}}, nil))
		before := d.holdings(t)
		for i := 0; i < pods; i += atOnce {
			c := f.crowd(0)
			for j := range atOnce {
				c.add(t, i+j)
			}
			must(t, d.Shut(c.list, Posture{}))
			must(t, d.Apply([]*policy.Tables{c.tables()}, c.interfaces))
			if got := len(d.Attached()); got != atOnce {
				t.Fatalf("got %d pods attached, want %d", got, atOnce)
			}
			must(t, d.Shut(c.list, Posture{}))
			remove := func() {
				for _, on := range c.list {
					l, err := netlink.LinkByName(on.Name)
					must(t, err)
					must(t, netlink.LinkDel(l))
				}
			}
			forget := func() { must(t, d.Apply([]*policy.Tables{{}}, nil)) }
			switch i / atOnce % 3 {
			case 0: // the interface goes first
				remove()
				must(t, d.Shut(nil, Posture{}))
				forget()
			case 1: // the object goes first: the interface is shut again
				forget()
				if got := len(d.shut); got != atOnce {
					t.Fatalf("got %d interfaces shut, want %d", got, atOnce)
				}
				remove()
				must(t, d.Shut(nil, Posture{}))
			case 2: // the list is told last
				remove()
				forget()
				must(t, d.Shut(nil, Posture{}))
			}
		}
		if after := d.holdings(t); after != before {
			t.Errorf("left of %d pods: got %+v, want %+v", pods, after, before)
		}
	})
}

// P12: a node has as many pods as it has, and the programs make room for them.
func TestMorePodsThanSlots(t *testing.T) {
	p := newPlay(t, HookAuto, false)
	p.d.cfg.ConnectionsPerPod = 16
	var many []*scenePod
	for i := range leastSlots + 50 {
		uid := fmt.Sprintf("many%d", i)
		many = append(many, &scenePod{iface: "veth-" + uid, id: policy.EndpointOf(uid), addr: p.server.addr})
	}
	apply := func(pods []*scenePod, policies ...*policy.Policy) {
		compiled := policy.Compile(world(pods, policies...))
		must(t, errorsOtherThanMissing(p.d.Apply([]*policy.Tables{compiled.Tables}, p.interfaces)))
	}
	apply([]*scenePod{p.client}, isolating(policy.Egress, to("10.1.0.2/32", 80)))
	established := p.dial(p.client, p.server, 80, patience)
	apply(append(many, p.client), isolating(policy.Egress, to("10.1.0.2/32", 80)))
	if !answers(established, patience) {
		t.Error("a connection of before: got none, want it to go on")
	}
	// The last that comes has a slot beyond the first tables.
	late := *p.client
	late.iface, late.id = "veth-late", policy.EndpointOf("late")
	p.interfaces = map[policy.EndpointID]Interface{late.id: {Name: p.client.iface}}
	apply(append(many, &late), isolating(policy.Egress))
	p.connects(false)
	apply(append(many, &late), isolating(policy.Egress, to("10.1.0.2/32", 80)))
	p.connects(true)
	if got := p.d.pods[late.id].slot; !strings.HasPrefix(p.d.Attached()[late.id].Name, "veth-client") || got < leastSlots {
		t.Errorf("got slot %d at %v, want one beyond %d", got, p.d.Attached()[late.id], leastSlots)
	}
}

// BenchmarkLeave is an Apply in which 20 pods have gone at once.
func BenchmarkLeave(b *testing.B) {
	f := newFixture(b)
	d := f.open(Config{Pin: filepath.Join(f.bpf, "nameward"), ConnectionsPerPod: 64})
	defer d.Close()
	crowd := f.crowd(20)
	must(b, d.Shut(crowd.list, Posture{}))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		must(b, d.Apply([]*policy.Tables{crowd.tables()}, crowd.interfaces))
		b.StartTimer()
		must(b, d.Apply([]*policy.Tables{{}}, nil))
	}
}
