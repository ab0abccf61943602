package bpf

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Test runs happen on the loopback device of the test's network namespace.
const loopback = 1

// What rows of the tables below are made of.
const (
	podID    = 0xa11ce
	podSlot  = 3
	policyIn = 0x1001
	policyEg = 0x1002

	peerClass = 0x2001
	cidrClass = 0x2002
	nameClass = 0x3001
	webPort   = 0x4001
)

const (
	pod4, pod6   = "10.0.0.1", "fd00::1"
	peer4, peer6 = "10.0.0.2", "fd00::2"     // exact
	cidr4, cidr6 = "192.0.2.7", "fd01::7"    // inside a prefix
	far4, far6   = "203.0.113.9", "fd09::9"  // in no class
	name4, name6 = "198.51.100.3", "fd02::3" // granted by name
	node4        = "10.0.0.254"
)

// TestMain holds the tables of tests complete: every reason that the programs
// can give is met by at least one row.
func TestMain(m *testing.M) {
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == ""
	if code == 0 && whole && loaded {
		for r := KernelReasonREASON_UNKNOWN + 1; r < KernelReasonREASONS; r++ {
			if !seen[r] {
				fmt.Fprintf(os.Stderr, "reason %d (%v): no test meets it\n", r, r)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// loaded says that programs could be loaded here.
var loaded bool

// kernel is the loaded object with the tables of one pod.
type kernel struct {
	KernelObjects
	tb    testing.TB
	epoch uint32
	// audited are the counts of what would be dropped, as seen last.
	audited [2][KernelReasonREASONS]uint64
}

// load skips without the privilege to load programs, unless the environment
// says that this machine must have it.
func load(tb testing.TB) *kernel {
	tb.Helper()
	spec, err := LoadKernel()
	if err != nil {
		tb.Fatal(err)
	}
	// Room for the crowd of the benchmarks.
	spec.Maps[KernelMapAddresses].MaxEntries = 32768
	spec.Maps[KernelMapPrefixes].MaxEntries = 32768
	k := &kernel{tb: tb}
	err = spec.LoadAndAssign(&k.KernelObjects, nil)
	if errors.Is(err, unix.EPERM) && os.Getenv("NAMEWARD_REQUIRE_BPF") == "" {
		tb.Skip("loading eBPF programs needs root; set NAMEWARD_REQUIRE_BPF=1 to make this a failure")
	}
	if err != nil {
		var verifier *ebpf.VerifierError
		if errors.As(err, &verifier) {
			tb.Fatalf("%+v", verifier)
		}
		tb.Fatal(err)
	}
	loaded = true
	tb.Cleanup(func() { k.Close() })
	k.pod(KernelEndpoint{})
	return k
}

func address(s string) KernelAddress { return KernelAddress{Byte: netip.MustParseAddr(s).As16()} }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// pod makes the endpoint; id and slot are the fixture's.
func (k *kernel) pod(e KernelEndpoint) {
	k.tb.Helper()
	k.endpoint(e)
	must(k.tb, k.Slots.Put(uint32(loopback), uint32(podSlot)))
	must(k.tb, k.Places.Put(uint32(loopback), KernelPlace{Ifindex: loopback, Slot: podSlot}))
	spec, err := LoadKernel()
	must(k.tb, err)
	for name, outer := range map[string]*ebpf.Map{"connections": k.Connections, "grants": k.Grants} {
		inner, err := ebpf.NewMap(spec.Maps[name].InnerMap)
		must(k.tb, err)
		must(k.tb, outer.Put(uint32(podSlot), inner))
		must(k.tb, inner.Close())
	}
}

func (k *kernel) endpoint(e KernelEndpoint) {
	k.tb.Helper()
	e.Own = [2]KernelAddress{address(pod4), address(pod6)}
	k.bare(e)
}

// bare makes an endpoint whose addresses are as given.
func (k *kernel) bare(e KernelEndpoint) {
	k.tb.Helper()
	e.Id, e.Slot = podID, podSlot
	must(k.tb, k.Endpoints.Put(uint32(podSlot), KernelViews{View: [2]KernelEndpoint{e, e}}))
}

// change replaces the endpoint and bumps the epoch, as every change of policy does.
func (k *kernel) change(e KernelEndpoint) {
	k.tb.Helper()
	k.endpoint(e)
	k.epoch++
	must(k.tb, k.World.Put(uint32(0), KernelWorld{Epoch: k.epoch}))
}

func (k *kernel) peer(addr string, p KernelPeer) {
	k.tb.Helper()
	must(k.tb, k.Addresses.Put(address(addr), p))
	k.trace(address(addr))
}

// trace sets the bit of maybe_exact.
func (k *kernel) trace(a KernelAddress) {
	k.tb.Helper()
	index, mask := a.Trace()
	var word uint64
	must(k.tb, k.Traces.Lookup(index, &word))
	must(k.tb, k.Traces.Put(index, word|mask))
}

func (k *kernel) prefix(cidr string, class uint64) {
	k.tb.Helper()
	p := netip.MustParsePrefix(cidr)
	key := struct {
		Length  uint32
		Address [16]byte
	}{uint32(p.Bits()), p.Addr().As16()}
	if p.Addr().Is4() {
		key.Length += 96
	}
	must(k.tb, k.Prefixes.Put(key, class))
}

func (k *kernel) port(protocol byte, port uint16, class uint64) {
	k.tb.Helper()
	base := map[byte]uint32{tcp: 0, udp: 65536, sctp: 2 * 65536}[protocol]
	must(k.tb, k.Ports.Put(base+uint32(port), class))
}

// row is what the lists of one direction say, by tier; noRule where nothing.
type row [KernelTierTIERS]uint32

// list is the id of a tier's list among those of a direction.
func list(policy uint64, tier KernelTier) uint64 { return policy + uint64(tier)<<32 }

func (k *kernel) row(policy, class, port uint64, r row) {
	k.tb.Helper()
	for tier := range KernelTierTIERS {
		if r[tier] != noRule {
			must(k.tb, k.Rows.Put(KernelRowKey{List: list(policy, tier), Class: class, Port: port}, r[tier]))
		}
	}
}

// forget takes away what the NetworkPolicy tier says.
func (k *kernel) forget(policy, class, port uint64) {
	k.tb.Helper()
	must(k.tb, k.Rows.Delete(KernelRowKey{List: list(policy, KernelTierTIER_NETWORK_POLICY), Class: class, Port: port}))
}

// stance has lists of all tiers in both directions, or none where policy is 0.
func stance(ingress, egress uint64, isolated [2]uint8, open bool) (s KernelStance) {
	for side, policy := range []uint64{ingress, egress} {
		for tier := range KernelTierTIERS {
			if policy != 0 {
				s.List[side][tier] = list(policy, tier)
				s.Wide[side] |= 1 << tier
			}
		}
	}
	s.Isolated = isolated
	if open {
		s.DefaultAllow = 1
	}
	return s
}

// named is a pod with name rules under that stance.
func named(s KernelStance) KernelEndpoint {
	return KernelEndpoint{Stances: [2]KernelStance{s}, Names: 1}
}

func (k *kernel) grant(addr string, class uint64, expires uint64) {
	k.tb.Helper()
	inner := k.table(k.Grants)
	defer inner.Close()
	must(k.tb, inner.Put(address(addr), KernelGrant{Class: class, Expires: expires}))
}

func (k *kernel) table(outer *ebpf.Map) *ebpf.Map {
	k.tb.Helper()
	var inner *ebpf.Map
	must(k.tb, outer.Lookup(uint32(podSlot), &inner))
	return inner
}

// age makes every connection look last seen that long ago.
func (k *kernel) age(seconds uint64) {
	k.tb.Helper()
	inner := k.table(k.Connections)
	defer inner.Close()
	var (
		flow  KernelFlow
		c     KernelConnection
		flows = map[KernelFlow]KernelConnection{}
	)
	for it := inner.Iterate(); it.Next(&flow, &c); {
		flows[flow] = c
	}
	for flow, c := range flows {
		c.LastSeen = c.LastSeen - seconds*1e9
		must(k.tb, inner.Put(flow, c))
	}
}
