package datapath

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// Connected says that connections of a pod live which it opened to an address
// by name.
type Connected struct {
	Addr netip.Addr
	// Class is the name class that the connections carry.
	Class policy.ClassID
	Count int
}

// Connected reads which connections of a pod live, from one pass over its table
// (N6). In no order.
func (d *Datapath) Connected(ep policy.EndpointID) ([]Connected, error) {
	p, ok := d.pods[ep]
	if !ok {
		return nil, ErrUnknownPod
	}
	time, err := bpf.Time(d.programs.TellTime)
	if err != nil {
		return nil, err
	}
	type common struct {
		address bpf.KernelAddress
		class   uint64
	}
	counts := make(map[common]int)
	err = d.scan.read(p.connections, func(flow *bpf.KernelFlow, c *bpf.KernelConnection) {
		if c.NameClass != 0 && c.Opener == uint8(bpf.KernelDirectionEGRESS) && c.Lives(*flow, time) {
			counts[common{flow.Peer, c.NameClass}]++
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read connections of pod %s/%s: %w", p.ref.Namespace, p.ref.Name, err)
	}
	all := make([]Connected, 0, len(counts))
	for of, count := range counts {
		all = append(all, Connected{addressOf(of.address), policy.ClassID(of.class), count})
	}
	return all, nil
}

// scan is the memory for passes over tables.
type scan[Key, Value any] struct {
	keys   []Key
	values []Value
	// single says that the kernel gives entries only one by one.
	single bool
}

// scanned is how many entries one system call reads: no bucket of a table has as
// many, and the kernel copies them in a fraction of a millisecond.
const scanned = 4096

// read visits every entry of a table. What comes and goes meanwhile may be
// missed.
func (s *scan[Key, Value]) read(m *ebpf.Map, visit func(*Key, *Value)) error {
	if s.keys == nil {
		s.keys, s.values = make([]Key, scanned), make([]Value, scanned)
	}
	var cursor ebpf.MapBatchCursor
	for !s.single {
		n, err := m.BatchLookup(&cursor, s.keys, s.values, nil)
		if errors.Is(err, ebpf.ErrNotSupported) {
			s.single = true
			break
		}
		for i := range n {
			visit(&s.keys[i], &s.values[i])
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	it := m.Iterate()
	for it.Next(&s.keys[0], &s.values[0]) {
		visit(&s.keys[0], &s.values[0])
	}
	return ignoreEviction(it.Err())
}
