package bpf

import (
	"github.com/cilium/ebpf"
)

// run judges one frame and says the verdict and the reason that was counted.
func (k *kernel) run(direction KernelDirection, frame []byte) (verdict int32, reason KernelReason) {
	k.tb.Helper()
	before := k.counts(enforced, direction)
	prog := k.OutOfPod
	if direction == KernelDirectionINGRESS {
		prog = k.IntoPod
	}
	got, err := prog.Run(&ebpf.RunOptions{Data: frame, Repeat: 1})
	must(k.tb, err)
	after := k.counts(enforced, direction)
	reason = KernelReasonREASONS
	for r := range after {
		switch after[r] - before[r] {
		case 0:
		case 1:
			if reason != KernelReasonREASONS {
				k.tb.Fatalf("one packet counted as %v and as %v", reason, KernelReason(r))
			}
			reason = KernelReason(r)
		default:
			k.tb.Fatalf("one packet counted %d times as %v", after[r]-before[r], KernelReason(r))
		}
	}
	return int32(got), reason
}

func (k *kernel) counts(stance uint32, direction KernelDirection) (n [KernelReasonREASONS]uint64) {
	k.tb.Helper()
	for r := range n {
		var perCPU []KernelCounter
		index := (stance*2+uint32(direction)-1)*uint32(KernelReasonREASONS) + uint32(r)
		must(k.tb, k.Counters.Lookup(index, &perCPU))
		for _, c := range perCPU {
			n[r] += c.Packets
		}
	}
	return n
}

// seen are the reasons that some test expected and got.
var seen [KernelReasonREASONS]bool

// expect fails unless the frame is judged so.
func (k *kernel) expect(direction KernelDirection, frame []byte, want KernelReason) {
	k.tb.Helper()
	verdict, reason := k.run(direction, frame)
	if reason != want {
		k.tb.Errorf("got reason %v, want %v", reason, want)
	} else {
		seen[want] = true
	}
	wantVerdict := int32(tcShot)
	if want.Passes() {
		wantVerdict = tcNext
	}
	if verdict != wantVerdict {
		k.tb.Errorf("got verdict %d, want %d", verdict, wantVerdict)
	}
}

// Indices of stances.
const enforced, audited = 0, 1

// noRule is NO_RULE of types.h.
const noRule = 1<<32 - 1

// Return codes of the hooks (linux/pkt_cls.h).
const (
	tcNext = -1
	tcShot = 2
)
