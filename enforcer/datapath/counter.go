package datapath

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// Reason is why a packet passed or was dropped.
type Reason struct{ kernel bpf.KernelReason }

// String is the reason's label.
func (r Reason) String() string { return r.kernel.String() }

// Text says it to people.
func (r Reason) Text() string { return r.kernel.Text() }

// Verdict is what happened to the packet.
func (r Reason) Verdict() policy.Verdict {
	if r.kernel.Passes() {
		return policy.Allow
	}
	return policy.Deny
}

// Tier is where the verdict fell; TierUnknown for packets that no tier was
// asked about.
func (r Reason) Tier() policy.Tier {
	switch r.kernel {
	case bpf.KernelReasonDROP_ADMIN, bpf.KernelReasonPASS_ADMIN, bpf.KernelReasonPASS_ADMIN_NAME:
		return policy.TierAdmin
	case bpf.KernelReasonDROP_NETWORK_POLICY, bpf.KernelReasonPASS_NETWORK_POLICY,
		bpf.KernelReasonPASS_NETWORK_POLICY_NAME:
		return policy.TierNetworkPolicy
	case bpf.KernelReasonDROP_BASELINE, bpf.KernelReasonPASS_BASELINE, bpf.KernelReasonPASS_BASELINE_NAME:
		return policy.TierBaseline
	case bpf.KernelReasonDROP_DEFAULT, bpf.KernelReasonPASS_DEFAULT:
		return policy.TierDefault
	}
	return policy.TierUnknown
}

// Counter is how many packets were judged so since the node's state was made.
type Counter struct {
	// Audit counters are of connections that passed and would not have, if
	// what is on trial were in force (P23).
	Audit          bool
	Direction      policy.Direction
	Reason         Reason
	Packets, Bytes uint64
}

// Counters reads all of them, those at zero included.
func (d *Datapath) Counters() ([]Counter, error) {
	table := d.state.maps[bpf.KernelMapCounters]
	all := make([]Counter, 0, table.MaxEntries())
	var perCPU []bpf.KernelCounter
	for index := range table.MaxEntries() {
		if err := table.Lookup(index, &perCPU); err != nil {
			return nil, fmt.Errorf("read table counters: %w", err)
		}
		c := counterAt(index)
		for _, n := range perCPU {
			c.Packets += n.Packets
			c.Bytes += n.Bytes
		}
		all = append(all, c)
	}
	return all, nil
}

// counterAt says what is counted there (count in bpf/denial.h).
func counterAt(index uint32) Counter {
	const reasons, directions = uint32(bpf.KernelReasonREASONS), 2
	side := index / reasons
	return Counter{
		Audit: side >= directions, Direction: policy.Ingress + policy.Direction(side%directions),
		Reason: Reason{bpf.KernelReason(index % reasons)},
	}
}

// Lost is how many denials were counted but not reported, because their pod had
// used up its share or the reader was too slow.
func (d *Datapath) Lost() (uint64, error) {
	return sum(d.state.maps[bpf.KernelMapDenialsLost])
}

func sum(m *ebpf.Map) (uint64, error) {
	var perCPU []uint64
	if err := m.Lookup(uint32(0), &perCPU); err != nil {
		return 0, fmt.Errorf("read table %s: %w", bpf.KernelMapDenialsLost, err)
	}
	var total uint64
	for _, n := range perCPU {
		total += n
	}
	return total, nil
}
