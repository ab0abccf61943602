package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

const tcp = 6

var (
	podAddr = netip.MustParseAddr("10.0.0.1")
	podRef  = policy.PodRef{Namespace: "app", Name: "client", UID: "client-uid"}
	podID   = policy.EndpointOf(podRef.UID)
	web     = netip.MustParseAddr("198.51.100.10")
	other   = netip.MustParseAddr("198.51.100.20")
)

// named is a rule that allows names on TCP ports, on every port where none is
// given.
func named(names []string, ports ...uint16) policy.Rule {
	r := policy.Rule{Action: policy.ActionAccept, AllPorts: len(ports) == 0}
	for _, n := range names {
		r.Peers = append(r.Peers, policy.Peerage{Name: n})
	}
	for _, p := range ports {
		r.Ports = append(r.Ports, policy.Port{Protocol: tcp, First: p, Last: p})
	}
	return r
}

// worldOf is one pod on this node, isolated for egress by one policy.
func worldOf(rules ...policy.Rule) *policy.World {
	return &policy.World{
		Node: "node-1", Default: policy.Deny,
		Pods: []*policy.Pod{{Ref: podRef, Node: "node-1", Addresses: []netip.Addr{podAddr}}},
		Policies: []*policy.Policy{{
			Ref:  policy.PolicyRef{Group: "networking.k8s.aws", Kind: "ApplicationNetworkPolicy", Namespace: "app", Name: "names"},
			Tier: policy.TierNetworkPolicy, Subject: policy.PodSelector{Namespace: "app"},
			Egress: &policy.Section{Rules: rules},
		}},
	}
}

func draftOf(rules ...policy.Rule) *draft {
	return &draft{
		compiled:   policy.Compile(worldOf(rules...)),
		interfaces: map[policy.EndpointID]datapath.Interface{podID: {Name: "pod0"}},
		pods:       map[policy.EndpointID][]netip.Addr{podID: {podAddr}},
		settings:   grants.Settings{MinTTL: 30 * time.Second, Grace: time.Minute},
	}
}

// memory is a kernel in memory whose writes can be made to fail, and which
// judges packets after every step of a switch.
type memory struct {
	tables *policy.Tables
	// lists and names are all that were ever written and not taken away.
	lists  map[policy.ListID]*policy.List
	names  map[policy.RowKey]policy.Precedence
	held   map[netip.Addr]datapath.Entry
	events []string
	// left are entries of a predecessor and connections the classes of its
	// connections.
	left        []datapath.Granted
	connections []policy.ClassID
	// live are the pod's connections by name that live.
	live []datapath.Connected
	// failures are the errors of the next calls, by method.
	failures map[string][]error
	// guarded are to be shut, and shut are.
	guarded, shut []datapath.Interface
	posture       datapath.Posture
	// during, unless nil, is called while an interface is being shut.
	during func()
	// watched must be allowed, and barred denied, after every write that
	// packets could see; denied tells what was not so.
	watched, barred []probe
	denied          []string
}

// probe is a packet of the pod, by its grant, or by a connection's class.
type probe struct {
	peer  netip.Addr
	port  uint16
	class policy.ClassID
}

func newMemory() *memory {
	return &memory{lists: map[policy.ListID]*policy.List{}, names: map[policy.RowKey]policy.Precedence{}, held: map[netip.Addr]datapath.Entry{}, failures: map[string][]error{}}
}

func (m *memory) fails(method string) error {
	m.events = append(m.events, method)
	if queue := m.failures[method]; len(queue) > 0 {
		m.failures[method] = queue[1:]
		return queue[0]
	}
	return nil
}

func (m *memory) Apply(steps []*policy.Tables, _ map[policy.EndpointID]datapath.Interface) error {
	if err := m.fails("apply"); errors.As(err, new(*datapath.UpdateError)) {
		return err
	} else if err != nil {
		defer func() { m.tables = steps[len(steps)-1] }()
		return err
	}
	for i, t := range steps {
		m.addLists(t.Lists)
		m.names = merged(m.names, t.NameRows)
		if m.tables != nil {
			m.look(fmt.Sprintf("with the rows of step %d", i), m.tables)
			switched := *m.tables
			switched.Endpoints = t.Endpoints
			m.look(fmt.Sprintf("with the endpoints of step %d", i), &switched)
		}
		m.look(fmt.Sprintf("in step %d", i), t)
		m.tables = t
	}
	m.lists = map[policy.ListID]*policy.List{}
	m.addLists(m.tables.Lists)
	m.names = maps.Clone(m.tables.NameRows)
	m.look("after the last step", m.tables)
	return nil
}

// addLists leaves the rows that are there already.
func (m *memory) addLists(lists map[policy.ListID]*policy.List) {
	all := maps.Clone(m.lists)
	for id, list := range lists {
		sum := *list
		if have := all[id]; have != nil {
			sum.Rows = merged(have.Rows, list.Rows)
			sum.Wide = sum.Wide || have.Wide
		}
		all[id] = &sum
	}
	m.lists = all
}

func merged[K comparable, V any](a, b map[K]V) map[K]V {
	all := maps.Clone(a)
	if all == nil {
		all = map[K]V{}
	}
	maps.Copy(all, b)
	return all
}

// look judges what is watched under the tables, with all rows there are.
func (m *memory) look(when string, tables *policy.Tables) {
	seen := *tables
	seen.Lists, seen.NameRows = m.lists, m.names
	judge := func(p probe, want policy.Verdict) {
		class := p.class
		if class == 0 {
			class = m.held[p.peer].Class
		}
		if got := seen.Judge(podID, policy.Egress, p.peer, tcp, p.port, class).Verdict; got != want {
			m.denied = append(m.denied, fmt.Sprintf("%s: %v port %d: %v", when, p.peer, p.port, got))
		}
	}
	for _, p := range m.watched {
		judge(p, policy.Allow)
	}
	for _, p := range m.barred {
		judge(p, policy.Deny)
	}
}

func (m *memory) Grant(_ policy.EndpointID, rows map[policy.RowKey]policy.Precedence, entries []datapath.Entry) error {
	if err := m.fails("grant"); err != nil {
		return err
	}
	m.names = merged(m.names, rows)
	for _, e := range entries {
		m.held[e.Addr] = e
	}
	return nil
}

func (m *memory) Revoke(_ policy.EndpointID, addrs []netip.Addr) error {
	if err := m.fails("revoke"); err != nil {
		return err
	}
	for _, a := range addrs {
		delete(m.held, a)
	}
	return nil
}

func (m *memory) Granted() ([]datapath.Granted, error) {
	for _, g := range m.left {
		m.held[g.Addr] = g.Entry
	}
	return m.left, m.fails("granted")
}

func (m *memory) Classes() (map[policy.EndpointID][]policy.ClassID, error) {
	return map[policy.EndpointID][]policy.ClassID{podID: m.connections}, nil
}

// Guard notes what is to be shut, under which posture.
func (m *memory) Guard(all []datapath.Interface, posture datapath.Posture) error {
	if err := m.fails("guard"); err != nil {
		return err
	}
	m.guarded, m.posture = all, posture
	m.shut = slices.DeleteFunc(m.shut, func(on datapath.Interface) bool { return !slices.Contains(all, on) })
	return nil
}

// ShutNext shuts one that is not.
func (m *memory) ShutNext() (bool, error) {
	for _, on := range m.guarded {
		if !slices.Contains(m.shut, on) {
			if m.during != nil {
				m.during()
			}
			if err := m.fails("shut"); err != nil {
				return false, err
			}
			m.shut = append(m.shut, on)
			return true, nil
		}
	}
	return false, nil
}

func (m *memory) Attached() map[policy.EndpointID]datapath.Interface {
	return map[policy.EndpointID]datapath.Interface{podID: {Name: "pod0", Index: 7}}
}

// allows says whether the kernel lets a packet of the pod through.
func (m *memory) allows(peer netip.Addr, port uint16) bool {
	seen := *m.tables
	seen.Lists, seen.NameRows = m.lists, m.names
	return seen.Judge(podID, policy.Egress, peer, tcp, port, m.held[peer].Class).Verdict == policy.Allow
}

// bench is a node on a memory kernel, inside a bubble of its own time.
type bench struct {
	tb      testing.TB
	kernel  *memory
	node    *node
	acks    map[uint64]time.Duration
	watches []dns.Watch
}

func (b *bench) Acknowledge(seq uint64, valid time.Duration) {
	b.kernel.events = append(b.kernel.events, fmt.Sprintf("ack %d", seq))
	b.acks[seq] = valid
}

// inBubble runs a test with a running node. Between two waits only the node or
// only the test is at work, so both may look at the same things.
func inBubble(t *testing.T, m *memory, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := &bench{tb: t, kernel: m, acks: map[uint64]time.Duration{}}
		meters := newMeters(prometheus.NewPedanticRegistry(), build{})
		b.node = newNode(m, func() time.Duration { return time.Since(start) }, slog.New(slog.DiscardHandler), meters)
		b.node.subscribe = func(w []dns.Watch) {
			m.events = append(m.events, "subscribe")
			b.watches = w
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.node.run(ctx)
		test(t, b)
	})
}

// offer sends an update as the compiler would and says whether it was taken.
func (b *bench) offer(from *policy.Compiled, d *draft) bool {
	uses, _ := b.node.nameUses(b.tb.Context())
	u := newUpdate(from, d)
	for _, use := range uses {
		u.cover(use)
	}
	b.node.updates <- u
	accepted := <-u.accepted
	synctest.Wait()
	return accepted
}

func (b *bench) update(d *draft) {
	b.tb.Helper()
	if !b.offer(b.node.applied.Load(), d) {
		b.tb.Fatal("update refused, want it accepted")
	}
}

// learn delivers an answer with a TTL of 30 s.
func (b *bench) learn(seq uint64, name string, addrs ...netip.Addr) {
	l := dns.Learned{Client: podAddr, Name: name, Session: b, Seq: seq}
	for _, a := range addrs {
		l.Addresses = append(l.Addresses, dns.Address{IP: a, TTL: 30 * time.Second})
	}
	if valid, known := b.node.deliver(b.tb.Context(), l); known {
		b.Acknowledge(seq, valid)
	}
	synctest.Wait()
}

// pass lets time pass. The node hears from the test first: what the test has
// read until now, it has read before the node goes on.
func (b *bench) pass(d time.Duration) {
	b.node.nameUses(b.tb.Context())
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) wantEvents(want ...string) {
	b.tb.Helper()
	if got := b.kernel.events; !slices.Equal(got, want) {
		b.tb.Errorf("events: got %q, want %q", got, want)
	}
	b.kernel.events = nil
}
