package datapath

import (
	"math/bits"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
)

// observer counts the IPv4 packets that reach it and lets everything go on.
type observer struct {
	t       *testing.T
	program *ebpf.Program
	count   *ebpf.Map
}

func newObserver(t *testing.T) *observer {
	t.Helper()
	count, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	must(t, err)
	t.Cleanup(func() { count.Close() })
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 16, asm.Word), // __sk_buff.protocol
			asm.JNE.Imm(asm.R2, int32(bits.ReverseBytes16(unix.ETH_P_IP)), "go-on"),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.StoreImm(asm.R2, 0, 0, asm.Word),
			asm.LoadMapPtr(asm.R1, count.FD()),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "go-on"),
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, -1).WithSymbol("go-on"), // TC_ACT_UNSPEC, TCX_NEXT
			asm.Return(),
		},
	})
	must(t, err)
	t.Cleanup(func() { program.Close() })
	return &observer{t, program, count}
}

// seen is how many packets have reached it since it was asked last.
func (o *observer) seen() uint64 {
	o.t.Helper()
	var n uint64
	must(o.t, o.count.Lookup(uint32(0), &n))
	must(o.t, o.count.Put(uint32(0), uint64(0)))
	return n
}

// behind puts it behind our program, where packets leave the pod.
func (o *observer) behind(hook Hook, iface string) {
	o.t.Helper()
	l, err := netlink.LinkByName(iface)
	must(o.t, err)
	if hook == HookTCX {
		attached, err := link.AttachTCX(link.TCXOptions{
			Interface: l.Attrs().Index, Program: o.program, Attach: ebpf.AttachTCXIngress, Anchor: link.Tail(),
		})
		must(o.t, err)
		o.t.Cleanup(func() { attached.Close() })
		return
	}
	must(o.t, netlink.FilterAdd(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: l.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS,
			Priority: filterPriority + 1, Handle: 1, Protocol: unix.ETH_P_ALL,
		},
		Fd: o.program.FD(), Name: "observer", DirectAction: true,
	}))
}

// TestChainGoesOn: who comes behind us on the hook gets what we let pass, and
// nothing of what we drop (D1).
func TestChainGoesOn(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		p := newPlay(t, hook, false)
		p.turn(world([]*scenePod{p.client}, isolating(policy.Egress, to("10.1.0.2/32", 80))))
		o := newObserver(t)
		o.behind(hook, p.client.iface)
		p.connects(true)
		if o.seen() == 0 {
			t.Error("an allowed connection: got no packet behind us, want all of them")
		}
		p.turn(world([]*scenePod{p.client}, isolating(policy.Egress)))
		before := packets(t, p.d, "not-allowed")
		o.seen() // what was on its way
		if c := p.dial(p.client, p.server, 81, wait); c != nil {
			t.Error("connection to port 81: got one, want none")
		}
		if dropped, seen := packets(t, p.d, "not-allowed")-before, o.seen(); dropped == 0 || seen > 0 {
			t.Errorf("a denied connection: got %d packets dropped and %d behind us, want some and none", dropped, seen)
		}
	})
}

// TestHookOfTheKernel: without a choice it is TCX where the kernel has it, and a
// filter on clsact where it has not (D1).
func TestHookOfTheKernel(t *testing.T) {
	p := newPlay(t, HookAuto, false)
	p.turn(world([]*scenePod{p.client}, isolating(policy.Egress)))
	p.connects(false)
	for s, a := range p.d.pods[p.client.id].attachments {
		if got, want := a.link != nil, hasTCX(); got != want {
			t.Errorf("%s: got TCX %v, want %v", s.pin, got, want)
		}
	}
	l, err := netlink.LinkByName(p.client.iface)
	must(t, err)
	filters, err := netlink.FilterList(l, netlink.HANDLE_MIN_INGRESS)
	if got, want := err == nil && len(filters) > 0, !hasTCX(); got != want {
		t.Errorf("filters on clsact: got %v, want some: %v", filters, want)
	}
}
