package bpf

import (
	"testing"
	"unsafe"
)

// TestLayout pins what the enforcer and pinned tables of earlier versions rely
// on. A change here is a change of the pinned state.
func TestLayout(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"stance", unsafe.Sizeof(KernelStance{}), 56},
		{"endpoint", unsafe.Sizeof(KernelEndpoint{}), 160},
		{"views", unsafe.Sizeof(KernelViews{}), 328},
		{"place", unsafe.Sizeof(KernelPlace{}), 8},
		{"peer", unsafe.Sizeof(KernelPeer{}), 16},
		{"prefix_key", unsafe.Sizeof(KernelPrefixKey{}), 20},
		{"row_key", unsafe.Sizeof(KernelRowKey{}), 24},
		{"service_key", unsafe.Sizeof(KernelServiceKey{}), 24},
		{"service", unsafe.Sizeof(KernelService{}), 264},
		{"grant", unsafe.Sizeof(KernelGrant{}), 24},
		{"flow", unsafe.Sizeof(KernelFlow{}), 24},
		{"connection", unsafe.Sizeof(KernelConnection{}), 24},
		{"counter", unsafe.Sizeof(KernelCounter{}), 16},
		{"world", unsafe.Sizeof(KernelWorld{}), 4},
		{"denial", unsafe.Sizeof(KernelDenial{}), 72},
	} {
		if c.got != c.want {
			t.Errorf("size of struct %s: got %d, want %d", c.name, c.got, c.want)
		}
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	labels := map[string]KernelReason{}
	for r := range KernelReasonREASONS {
		if r.String() == "" || r.Text() == "" {
			t.Errorf("reason %d: got label %q and sentence %q, want both", r, r.String(), r.Text())
		}
		if twin, ok := labels[r.String()]; ok && twin.Passes() == r.Passes() {
			t.Errorf("reasons %d and %d: both are called %q", twin, r, r.String())
		}
		labels[r.String()] = r
	}
	if got, want := KernelReasonREASONS.String(), "unknown(35)"; got != want {
		t.Errorf("a reason out of range: got %q, want %q", got, want)
	}
	if KernelReasonREASON_UNKNOWN.Passes() || KernelReasonREASONS.Passes() {
		t.Error("an unknown reason passes, want a drop")
	}
}

// TestProgramSize: the verifier's limit is a million instructions, and old
// kernels prune less than new ones.
func TestProgramSize(t *testing.T) {
	k := load(t)
	for _, p := range []struct {
		name string
		info func() (uint32, bool)
	}{
		{"into_pod", func() (uint32, bool) { i, err := k.IntoPod.Info(); must(t, err); return i.VerifiedInstructions() }},
		{"out_of_pod", func() (uint32, bool) { i, err := k.OutOfPod.Info(); must(t, err); return i.VerifiedInstructions() }},
	} {
		n, ok := p.info()
		if !ok {
			t.Skip("the kernel does not say how many instructions it verified (5.16)")
		}
		if n > 100_000 {
			t.Errorf("%s: got %d verified instructions, want at most 100000", p.name, n)
		}
		t.Logf("%s: %d instructions verified", p.name, n)
	}
}
