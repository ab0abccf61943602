package datapath

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// TestKernelEndpoint: what the kernel is told of a pod is by direction, has its
// addresses of both families, keeps what is in force and what is on trial apart,
// and takes what is not known for a denial (P6, P7, P19, P20, P23).
func TestKernelEndpoint(t *testing.T) {
	four, six := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	own := [2]bpf.KernelAddress{kernelAddress(four), kernelAddress(six)}
	in := policy.Stance{Ingress: policy.Attachment{Admin: 1, NetworkPolicy: 2, Baseline: 3, Isolated: true}}
	out := policy.Stance{Egress: policy.Attachment{Admin: 1, NetworkPolicy: 2, Baseline: 3, Isolated: true}}
	kernelIn := bpf.KernelStance{List: [2][3]uint64{{1, 2, 3}, {}}, Wide: [2]uint8{1 << 1, 0}, Isolated: [2]uint8{1, 0}}
	kernelOut := bpf.KernelStance{List: [2][3]uint64{{}, {1, 2, 3}}, Wide: [2]uint8{0, 1 << 1}, Isolated: [2]uint8{0, 1}}
	tables := &policy.Tables{Lists: map[policy.ListID]*policy.List{1: {}, 2: {Wide: true}, 3: {}}}
	stances := func(enforced, audited bpf.KernelStance) bpf.KernelEndpoint {
		return bpf.KernelEndpoint{Stances: [2]bpf.KernelStance{enforced, audited}}
	}
	for _, c := range []struct {
		sentence string
		given    policy.Endpoint
		want     bpf.KernelEndpoint
	}{
		{"nothing is said of it", policy.Endpoint{}, bpf.KernelEndpoint{}},
		{"it has rules for ingress", policy.Endpoint{Stance: in}, stances(kernelIn, bpf.KernelStance{})},
		{"it has rules for egress", policy.Endpoint{Stance: out}, stances(kernelOut, bpf.KernelStance{})},
		{"its rules are on trial", policy.Endpoint{Audit: in}, stances(bpf.KernelStance{}, kernelIn)},
		{"something is on trial", policy.Endpoint{Audited: true}, bpf.KernelEndpoint{Audited: 1}},
		{"the default allows", policy.Endpoint{Stance: policy.Stance{Default: policy.Allow}}, stances(bpf.KernelStance{DefaultAllow: 1}, bpf.KernelStance{})},
		{"the default denies", policy.Endpoint{Stance: policy.Stance{Default: policy.Deny}}, bpf.KernelEndpoint{}},
		{"it has two addresses", policy.Endpoint{Addresses: []netip.Addr{four, six}}, bpf.KernelEndpoint{Own: own}},
		{"it has an address more than there is room for", policy.Endpoint{Addresses: []netip.Addr{four, six, six.Next()}}, bpf.KernelEndpoint{Own: own}},
		{"it wants names", policy.Endpoint{Patterns: []string{"a.test"}}, bpf.KernelEndpoint{Names: 1}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			c.want.Id, c.want.Slot = 7, 3
			if diff := cmp.Diff(c.want, view(7, 3, c.given, tables), cmp.AllowUnexported(bpf.KernelEndpoint{}, bpf.KernelStance{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestKernelPrefix: both families lie in one table, IPv4 below ::ffff:0:0/96, so
// that neither is looked for in the other's place (P11, P20).
func TestKernelPrefix(t *testing.T) {
	for _, c := range []struct {
		cidr   string
		length uint32
		first  string // as 16 bytes
	}{
		{"0.0.0.0/0", 96, "::ffff:0:0"}, {"10.0.0.0/8", 104, "::ffff:10.0.0.0"}, {"10.0.0.1/32", 128, "::ffff:10.0.0.1"},
		{"::/0", 0, "::"}, {"fd00::/8", 8, "fd00::"}, {"fd00::1/128", 128, "fd00::1"},
	} {
		got, address := prefixKey(netip.MustParsePrefix(c.cidr)), netip.MustParseAddr(c.first).As16()
		want := prefixKey(netip.PrefixFrom(netip.AddrFrom16(address), 128))
		if got.Length != c.length || got.Word != want.Word {
			t.Errorf("%s: got length %d of %x, want %d of %x", c.cidr, got.Length, got.Word, c.length, want.Word)
		}
	}
}

// TestKernelPeer: that a peer is the node itself, or has Services, is told along
// with its class (P18, P22).
func TestKernelPeer(t *testing.T) {
	for _, c := range []struct {
		given policy.Peer
		want  bpf.KernelPeer
	}{
		{policy.Peer{Class: 5}, bpf.KernelPeer{Class: 5}},
		{policy.Peer{Class: 5, LocalNode: true}, bpf.KernelPeer{Class: 5, Flags: peerLocalNode}},
		{policy.Peer{Class: 5, Service: true}, bpf.KernelPeer{Class: 5, Flags: peerService}},
	} {
		if got := kernelPeer(c.given); got != c.want {
			t.Errorf("%+v: got %+v, want %+v", c.given, got, c.want)
		}
	}
}
