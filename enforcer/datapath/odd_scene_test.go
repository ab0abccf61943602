package datapath

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/wire"
)

// The odd packets of D3 and D4 go between one pod and one peer; on real
// interfaces the peer is the stack behind the pod's host-side one.
var (
	oddPod  = addressPair{netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("fd09::1")}
	oddPeer = addressPair{netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("fd09::2")}
	// oddFar is nobody's address.
	oddFar = addressPair{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("fd0f::9")}

	podMAC, peerMAC = [6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}
)

type addressPair struct{ four, six netip.Addr }

const (
	openPort, shutPort = 80, 81
	clientPort         = 40000
)

// oddWorld has one policed pod. Closed, it is isolated both ways but for
// openPort of the peer, in TCP, UDP and SCTP; else everything is allowed.
func oddWorld(closed bool) *policy.World {
	w := &policy.World{
		Node: "n1", Default: policy.Allow,
		Pods: []*policy.Pod{{
			Ref: policy.PodRef{Namespace: "app", Name: "odd", UID: "odd"}, Node: "n1",
			Addresses: []netip.Addr{oddPod.four, oddPod.six},
		}},
	}
	if !closed {
		return w
	}
	rule := policy.Rule{Action: policy.ActionAccept}
	for _, a := range []netip.Addr{oddPeer.four, oddPeer.six} {
		rule.Peers = append(rule.Peers, policy.Peerage{Block: &policy.Block{CIDR: netip.PrefixFrom(a, a.BitLen())}})
	}
	for _, protocol := range []uint8{wire.ProtocolTCP, wire.ProtocolUDP, wire.ProtocolSCTP} {
		rule.Ports = append(rule.Ports, policy.Port{Protocol: protocol, First: openPort, Last: openPort})
	}
	section := &policy.Section{Rules: []policy.Rule{rule}}
	w.Policies = []*policy.Policy{{
		Ref:  policy.PolicyRef{Group: "networking.k8s.io", Kind: "NetworkPolicy", Namespace: "app", Name: "one"},
		Tier: policy.TierNetworkPolicy, Subject: policy.PodSelector{Namespace: "app"},
		Ingress: section, Egress: section,
	}}
	return w
}

// bench judges frames by test runs of the programs, as loaded and filled by
// Datapath.
type bench struct {
	tb    testing.TB
	d     *Datapath
	world *policy.World
	// counted is what the counters said last; nothing else counts in them.
	counted []Counter
}

// newBench polices the loopback interface of a network namespace that ends with
// its setting up: test runs in any namespace happen on loopback as well, which
// has the same index everywhere.
func newBench(tb testing.TB, w *policy.World) *bench {
	tb.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("NAMEWARD_REQUIRE_BPF") != "" {
			tb.Fatal("network namespaces and eBPF need root, which NAMEWARD_REQUIRE_BPF promises")
		}
		tb.Skip("network namespaces and eBPF need root")
	}
	b := &bench{tb: tb, world: w}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends, and with it the namespace
		done <- b.open()
	}()
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.d.Close() })
	return b
}

func (b *bench) open() (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if b.d, err = Open(Config{}); err != nil {
		return err
	}
	on := map[policy.EndpointID]Interface{b.id(): {Name: "lo"}}
	return b.d.Apply([]*policy.Tables{policy.Compile(b.world).Tables}, on)
}

func (b *bench) id() policy.EndpointID { return policy.EndpointOf(b.world.Pods[0].Ref.UID) }

// errNotRun: the kernel does not run programs on this frame, as no interface
// would bring it (bpf_prog_test_run_skb).
var errNotRun = errors.New("frame refused by the test run")

// super makes a frame a super-packet, which a network card would cut.
type super struct{ segment, segments uint32 }

// run judges one frame and says the reason that was counted. A verdict that is
// not counted, or not as what it is, fails (D3: drop and count).
func (b *bench) run(direction policy.Direction, frame []byte, s super) (string, bool, error) {
	b.tb.Helper()
	program := b.d.programs.OutOfPod
	if direction == policy.Ingress {
		program = b.d.programs.IntoPod
	}
	if b.counted == nil {
		b.counted = counts(b.tb, b.d)
	}
	options := &ebpf.RunOptions{Data: frame, Repeat: 1}
	if s != (super{}) {
		options.Context = s.context()
	}
	verdict, err := program.Run(options)
	if errors.Is(err, unix.EINVAL) {
		return "", false, errNotRun
	}
	if err != nil {
		b.tb.Fatal(err)
	}
	now := counts(b.tb, b.d)
	changed := changes(b.counted, now)
	b.counted = now
	passed := int32(verdict) == -1
	if len(changed) != 1 || changed[0].Packets != 1 || changed[0].Direction != direction {
		b.tb.Fatalf("one packet (%v): counted as %+v, want it counted once", direction, changed)
	}
	reason := changed[0].Reason
	if !passed && verdict != 2 || passed != (reason.Verdict() == policy.Allow) {
		b.tb.Fatalf("got verdict %d, counted as %v", int32(verdict), reason)
	}
	return reason.Verdict().String() + " " + reason.String(), passed, nil
}

// context is the part of struct __sk_buff (linux/bpf.h) that a test run takes.
func (s super) context() []byte {
	const gsoSegs, gsoSize, size = 164, 176, 192
	ctx := make([]byte, size)
	binary.NativeEndian.PutUint32(ctx[gsoSegs:], s.segments)
	binary.NativeEndian.PutUint32(ctx[gsoSize:], s.segment)
	return ctx
}

func counts(tb testing.TB, d *Datapath) []Counter {
	tb.Helper()
	all, err := d.Counters()
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// changes are the counters that grew, each by how much.
func changes(before, after []Counter) []Counter {
	var grown []Counter
	for i, c := range after {
		if c.Packets -= before[i].Packets; c.Packets > 0 {
			grown = append(grown, c)
		}
	}
	return grown
}

// forget gives the pod an empty table of connections.
func (b *bench) forget() { forgetConnections(b.tb, b.d, b.id()) }

func forgetConnections(tb testing.TB, d *Datapath, id policy.EndpointID) {
	tb.Helper()
	table := d.pods[id].connections
	var (
		flow  bpf.KernelFlow
		c     bpf.KernelConnection
		flows []bpf.KernelFlow
	)
	it := table.Iterate()
	for it.Next(&flow, &c) {
		flows = append(flows, flow)
	}
	if err := it.Err(); err != nil {
		tb.Fatal(err)
	}
	for _, flow := range flows {
		if err := table.Delete(flow); err != nil && !isMissing(err) {
			tb.Fatal(err)
		}
	}
}
