package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// Entry is an address that a pod may reach because of a name.
type Entry struct {
	Addr  netip.Addr
	Class policy.ClassID
	// Expires and Held are moments on Now's clock, to which the kernel keeps by
	// itself: until Expires the entry opens connections, and until Held it
	// vouches for the packets of TCP connections that are open.
	Expires, Held time.Duration
}

// Now reads CLOCK_MONOTONIC, the clock that grants expire by.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // only for clocks that do not exist
	}
	return time.Duration(ts.Nano())
}

// ErrUnknownPod is returned for a pod that is not in the tables.
var ErrUnknownPod = errors.New("pod is not policed here")

// Grant writes the pod's entries. Rows, which the entries' classes lead to, are
// written before; they stay until an Apply whose tables lack them.
func (d *Datapath) Grant(ep policy.EndpointID, rows map[policy.RowKey]policy.Precedence, entries []Entry) error {
	p, ok := d.pods[ep]
	if !ok {
		return ErrUnknownPod
	}
	if err := d.programs.rows.addNames(rows); err != nil {
		return err
	}
	for _, e := range entries {
		value := bpf.KernelGrant{Class: uint64(e.Class), Expires: uint64(max(0, e.Expires)), Held: uint64(max(0, e.Held))}
		key := kernelAddress(e.Addr)
		if err := d.cfg.write("grants", func() error { return p.grants.Put(key, value) }); err != nil {
			return err
		}
	}
	return nil
}

// Revoke removes entries of the pod. Connections they admitted are judged again
// at the next Apply, not before.
func (d *Datapath) Revoke(ep policy.EndpointID, addrs []netip.Addr) error {
	p, ok := d.pods[ep]
	if !ok {
		return ErrUnknownPod
	}
	for _, a := range addrs {
		if err := p.grants.Delete(kernelAddress(a)); err != nil && !isMissing(err) {
			return &UpdateError{"grants", err}
		}
	}
	return nil
}

// Granted is an entry that the kernel holds.
type Granted struct {
	Endpoint policy.EndpointID
	Entry
}

// Granted reads the entries of all pods, those of a predecessor included until
// the first Apply forgets the pods that are no more.
func (d *Datapath) Granted() ([]Granted, error) {
	var all []Granted
	// A restart waits for this, and a node may have a million entries.
	var entries scan[bpf.KernelAddress, bpf.KernelGrant]
	err := d.eachPod("grants", func(p *pod) *ebpf.Map { return p.grants }, func(id policy.EndpointID, m *ebpf.Map) error {
		note := func(address *bpf.KernelAddress, grant *bpf.KernelGrant) {
			all = append(all, Granted{id, Entry{
				Addr: addressOf(*address), Class: policy.ClassID(grant.Class),
				Expires: time.Duration(grant.Expires), Held: time.Duration(grant.Held),
			}})
		}
		if int(m.ValueSize()) == binary.Size(bpf.KernelGrant{}) {
			return entries.read(m, note)
		}
		return readGrants(m, func(address bpf.KernelAddress, grant bpf.KernelGrant) error {
			note(&address, &grant)
			return nil
		})
	})
	return all, err
}

// Classes are the name classes that pods' connections were admitted by. Their
// rows must be there when the connections are judged again, although their
// grants may have expired (N6). It visits every connection of the node: for
// after a restart, not for steady use.
func (d *Datapath) Classes() (map[policy.EndpointID][]policy.ClassID, error) {
	all := make(map[policy.EndpointID][]policy.ClassID)
	tables := func(p *pod) *ebpf.Map { return p.connections }
	err := d.eachPod("connections", tables, func(id policy.EndpointID, m *ebpf.Map) error {
		if int(m.ValueSize()) != binary.Size(bpf.KernelConnection{}) {
			return nil // another version's, which will not be taken over
		}
		return d.scan.read(m, func(flow *bpf.KernelFlow, connection *bpf.KernelConnection) {
			class := policy.ClassID(connection.NameClass)
			if flow.Kind >= uint8(bpf.KernelKindKIND_FRAGMENT) {
				return // holds no class
			}
			if class != 0 && !slices.Contains(all[id], class) {
				all[id] = append(all[id], class)
			}
		})
	})
	return all, err
}

// readGrants visits a table's entries. In one of an earlier version's layout what
// that version did not know is zero; one of a later version's is passed over.
func readGrants(m *ebpf.Map, visit func(bpf.KernelAddress, bpf.KernelGrant) error) error {
	var grant bpf.KernelGrant
	if int(m.ValueSize()) > binary.Size(grant) {
		return nil
	}
	var address bpf.KernelAddress
	var value []byte
	it := m.Iterate()
	for it.Next(&address, &value) {
		padded := make([]byte, binary.Size(grant))
		copy(padded, value)
		if _, err := binary.Decode(padded, binary.NativeEndian, &grant); err != nil {
			return err
		}
		if err := visit(address, grant); err != nil {
			return err
		}
	}
	return it.Err()
}

// ignoreEviction: entries come and go while the table is read. What is missed
// for that was opened after the reader began to watch over rows.
func ignoreEviction(err error) error {
	if errors.Is(err, ebpf.ErrIterationAborted) {
		return nil
	}
	return err
}

// eachPod visits one table of every pod, open or pinned.
func (d *Datapath) eachPod(pin string, open func(*pod) *ebpf.Map, visit func(policy.EndpointID, *ebpf.Map) error) error {
	for id, p := range d.pods {
		if err := visit(id, open(p)); err != nil {
			return fmt.Errorf("read %s of pod %s/%s: %w", pin, p.ref.Namespace, p.ref.Name, err)
		}
	}
	ids, err := d.state.pinnedPods()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := d.pods[id]; ok {
			continue
		}
		if err := visitPinned(filepath.Join(d.state.podDir(id), pin), id, visit); err != nil {
			return fmt.Errorf("read %s of pod %016x: %w", pin, uint64(id), err)
		}
	}
	return nil
}

func visitPinned(path string, id policy.EndpointID, visit func(policy.EndpointID, *ebpf.Map) error) error {
	m, err := ebpf.LoadPinnedMap(path, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return ignoreMissing(err)
	}
	defer m.Close()
	return visit(id, m)
}
