package datapath

import (
	"fmt"
	"iter"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
)

// words is a kernel array of 64-bit words, mapped into memory. The kernel reads
// it meanwhile, so every change is one store.
type words struct {
	memory []byte
	all    []uint64
	name   string
	cfg    *Config
	spans  []policy.PortSpan // set last
	isSet  bool
}

func mapWords(cfg *Config, name string, m *ebpf.Map) (*words, error) {
	n := int(m.MaxEntries())
	memory, err := unix.Mmap(m.FD(), 0, 8*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map table into memory: %w", err)
	}
	all := unsafe.Slice((*uint64)(unsafe.Pointer(&memory[0])), n)
	return &words{memory: memory, all: all, name: name, cfg: cfg}, nil
}

func (w *words) set(i int, value uint64) {
	if w.all[i] == value {
		return
	}
	if w.cfg.Before != nil {
		_ = w.cfg.Before(w.name) // a store cannot be refused
	}
	atomic.StoreUint64(&w.all[i], value)
}

func (w *words) close() error {
	memory := w.memory
	w.memory, w.all = nil, nil
	return unix.Munmap(memory)
}

const portsPerProtocol = 1 << 16

// portBase is where a protocol's ports begin (port_class in bpf/verdict.h).
var portBase = map[uint8]int{
	unix.IPPROTO_TCP:  0,
	unix.IPPROTO_UDP:  1 * portsPerProtocol,
	unix.IPPROTO_SCTP: 2 * portsPerProtocol,
}

// setPorts gives every port its class. Spans are sorted and disjoint.
func (w *words) setPorts(spans []policy.PortSpan) error {
	if w.same(spans) {
		return nil // Tables never change, so these are in the kernel
	}
	at := 0
	for _, s := range spans {
		base, ok := portBase[s.Protocol]
		if !ok {
			return fmt.Errorf("protocol %d has no policy ports", s.Protocol)
		}
		first, end := base+int(s.First), base+int(s.Last)+1
		w.fill(at, first, 0)
		w.fill(first, end, s.Class)
		at = end
	}
	w.fill(at, len(w.all), 0)
	w.spans, w.isSet = spans, true
	return nil
}

// same says whether spans are those set last, themselves.
func (w *words) same(spans []policy.PortSpan) bool {
	if !w.isSet || len(spans) != len(w.spans) {
		return false
	}
	return len(spans) == 0 || &spans[0] == &w.spans[0]
}

func (w *words) fill(from, to int, class policy.PortClass) {
	for i := from; i < to; i++ {
		w.set(i, uint64(class))
	}
}

// trace sets the addresses' bits, before they are entered.
func (w *words) trace(addresses iter.Seq[netip.Addr]) {
	for a := range addresses {
		index, mask := kernelAddress(a).Trace()
		w.set(int(index), w.all[index]|mask)
	}
}
