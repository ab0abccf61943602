package datapath

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// programs are both hooks of one load together with their own policy tables.
// Nothing of it is pinned: interfaces keep it alive while it is attached.
type programs struct {
	bpf.KernelObjects
	rows      *rows
	services  *shadow[policy.ServiceKey, policy.Targets]
	addresses *shadow[netip.Addr, policy.Peer]
	prefixes  *table[netip.Prefix, policy.ClassID]
	ports     *words
	traces    *words
	cfg       *Config
}

// leastEntries spares small clusters from loading again at every growth.
const leastEntries = 4096

// capacity is how large a table is made for n entries: room to double, since a
// larger table means new programs, and for old and new entries side by side
// while a policy is switched.
func capacity(n int) uint32 {
	size := leastEntries
	for size < 2*n {
		size *= 2
	}
	return uint32(size)
}

// addressCapacity is less: a switch changes addresses in their place, and the
// kernel takes 80 bytes for each at once, whether or not it is there.
func addressCapacity(n int) uint32 { return uint32(max(n+n/2, leastEntries)) }

// load makes programs whose tables have room for t. State is shared with
// everything that was loaded from the same state before.
func load(cfg Config, state *state, t *policy.Tables, slots int) (*programs, error) {
	spec, err := bpf.LoadKernel()
	if err != nil {
		return nil, fmt.Errorf("read programs: %w", err)
	}
	tick, err := tickLength()
	if err != nil {
		return nil, err
	}
	if err := spec.Variables[bpf.KernelVarTick].Set(tick); err != nil {
		return nil, fmt.Errorf("set tick: %w", err)
	}
	spec.Maps[bpf.KernelMapRows].MaxEntries = capacity(rowCount(t))
	spec.Maps[bpf.KernelMapServices].MaxEntries = capacity(t.Services.Len())
	spec.Maps[bpf.KernelMapAddresses].MaxEntries = addressCapacity(t.Addresses.Len())
	spec.Maps[bpf.KernelMapPrefixes].MaxEntries = capacity(len(t.Prefixes))
	for _, name := range []string{bpf.KernelMapEndpoints, bpf.KernelMapConnections, bpf.KernelMapGrants, bpf.KernelMapBudgets} {
		spec.Maps[name].MaxEntries = uint32(slots)
	}
	spec.Maps[bpf.KernelMapSlots].MaxEntries = uint32(interfacesPerSlot * slots)
	cfg.size(spec)
	p := &programs{cfg: &cfg}
	err = spec.LoadAndAssign(&p.KernelObjects, &ebpf.CollectionOptions{MapReplacements: state.replacements()})
	if err != nil {
		return nil, loadError(err)
	}
	if p.ports, err = mapWords(&cfg, "ports", p.Ports); err != nil {
		return nil, errors.Join(err, p.KernelObjects.Close())
	}
	if p.traces, err = mapWords(&cfg, "traces", p.Traces); err != nil {
		return nil, errors.Join(err, p.ports.close(), p.KernelObjects.Close())
	}
	p.rows = newRows(p.cfg, p.Rows)
	p.services = newShadow(p.cfg, "services", p.Services, func(k policy.ServiceKey) any { return serviceKey(k) },
		func(t policy.Targets) any { return kernelService(t) })
	p.addresses = newShadow(p.cfg, "addresses", p.Addresses, func(a netip.Addr) any { return kernelAddress(a) },
		func(p policy.Peer) any { return kernelPeer(p) })
	p.prefixes = newTable(p.cfg, "prefixes", p.Prefixes, func(p netip.Prefix) any { return prefixKey(p) },
		func(c policy.ClassID) any { return uint64(c) })
	return p, nil
}

// size sets the sizes of a pod's own tables.
func (c Config) size(spec *ebpf.CollectionSpec) {
	spec.Maps[bpf.KernelMapConnections].InnerMap.MaxEntries = c.ConnectionsPerPod
	spec.Maps[bpf.KernelMapGrants].InnerMap.MaxEntries = c.GrantsPerPod
}

func (p *programs) fits(t *policy.Tables) bool {
	return p.rows.fits(t) && p.services.fits(t.Services) && p.addresses.fits(t.Addresses) && p.prefixes.fits(t.Prefixes)
}

func (p *programs) close() error {
	return errors.Join(p.ports.close(), p.traces.close(), p.KernelObjects.Close())
}

// ErrPrivilege is returned where the kernel does not let this process load
// programs.
var ErrPrivilege = errors.New("loading eBPF programs needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")

func loadError(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case !mayTrackPointers():
		return fmt.Errorf("load programs: %w (%v)", ErrPrivilege, err)
	case errors.As(err, &verifier):
		return fmt.Errorf("load programs: %w (nameward is tested on Linux 6.1 and later)", verifier)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("load programs: %w (%v)", ErrPrivilege, err)
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("load programs: %w (nameward is tested on Linux 6.1 and later)", err)
	}
	return fmt.Errorf("load programs: %w", err)
}

// mayTrackPointers: without CAP_PERFMON the verifier takes the programs for
// harmful (bpf_allow_ptr_leaks in the kernel), and what it says is about
// registers, or that its log has no room.
func mayTrackPointers() bool {
	var have [2]unix.CapUserData
	if unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &have[0]) != nil {
		return true
	}
	effective := uint64(have[1].Effective)<<32 | uint64(have[0].Effective)
	return effective&(1<<unix.CAP_PERFMON|1<<unix.CAP_SYS_ADMIN) != 0
}

// tickLength is the length of a jiffy in nanoseconds: the coarse clocks move
// with it (clock_getres(2); TICK_NSEC in the kernel).
func tickLength() (uint64, error) {
	var resolution unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &resolution); err != nil {
		return 0, fmt.Errorf("read the length of a tick: %w", err)
	}
	return uint64(resolution.Nano()), nil
}
