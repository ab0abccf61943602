package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// Trial has the programs of attached pods judge frames that nobody sent, by the
// kernel's test run. It is for proofs: connections that a frame opens, and what
// is counted, are as if it had been sent. One goroutine at a time may use it,
// on a thread in the network namespace of the interfaces, while no real packet
// is judged.
type Trial struct {
	datapath *Datapath
	options  ebpf.RunOptions
	// counted is how often each reason was met, by what is in force and by what
	// is on trial, by direction.
	counted [2 * directions][bpf.KernelReasonREASONS]uint64
	// likely are the reasons, those last met first.
	likely [2 * directions][]bpf.KernelReason
	perCPU []bpf.KernelCounter
}

const directions = 2

// Context of a test run: struct __sk_buff of linux/bpf.h.
const (
	skbBytes   = 192
	skbIfindex = 40
)

// NewTrial reads the counters once; from then on nobody else may move them.
func (d *Datapath) NewTrial() (*Trial, error) {
	t := &Trial{datapath: d, options: ebpf.RunOptions{Context: make([]byte, skbBytes), Repeat: 1}}
	for side := range t.counted {
		for reason := range bpf.KernelReasonREASONS {
			n, err := t.count(side, reason)
			if err != nil {
				return nil, err
			}
			t.counted[side][reason] = n
			// What is on trial is counted only where it would drop.
			if r := (Reason{reason}); side < directions || r.Verdict() == policy.Deny {
				t.likely[side] = append(t.likely[side], reason)
			}
		}
	}
	return t, nil
}

// ErrNotAttached is returned for a pod whose interface runs no program.
var ErrNotAttached = errors.New("pod is not attached")

// Judge runs the program that the pod's interface runs in that direction. Would
// is why the packet would have been dropped, were everything in force that is on
// trial (P23); it is zero where that makes no difference.
func (t *Trial) Judge(ep policy.EndpointID, direction policy.Direction, frame []byte) (got, would Reason, err error) {
	p, ok := t.datapath.pods[ep]
	if !ok {
		return got, would, ErrUnknownPod
	}
	// Programs that were replaced are the kernel's alone.
	if p.runs == nil || p.runs != t.datapath.programs {
		return got, would, ErrNotAttached
	}
	binary.NativeEndian.PutUint32(t.options.Context.([]byte)[skbIfindex:], uint32(p.ifindex))
	t.options.Data = frame
	program := p.runs.of(outOfPod)
	if direction == policy.Ingress {
		program = p.runs.of(intoPod)
	}
	if _, err := program.Run(&t.options); err != nil {
		return got, would, err
	}
	got, counted, err := t.met(int(direction - policy.Ingress))
	if err == nil && !counted {
		err = errors.New("the programs counted no reason for a packet")
	}
	if err == nil && got.Verdict() == policy.Allow && p.current().Audited != 0 {
		would, _, err = t.met(directions + int(direction-policy.Ingress))
	}
	return got, would, err
}

// met finds the one counter of a side that has moved, if any has.
func (t *Trial) met(side int) (Reason, bool, error) {
	likely := t.likely[side]
	for i, reason := range likely {
		n, err := t.count(side, reason)
		if err != nil {
			return Reason{}, false, err
		}
		if n == t.counted[side][reason] {
			continue
		}
		t.counted[side][reason] = n
		copy(likely[1:i+1], likely[:i])
		likely[0] = reason
		return Reason{reason}, true, nil
	}
	return Reason{}, false, nil
}

// count reads where bpf/denial.h counts.
func (t *Trial) count(side int, reason bpf.KernelReason) (uint64, error) {
	index := uint32(side)*uint32(bpf.KernelReasonREASONS) + uint32(reason)
	if err := t.datapath.state.maps[bpf.KernelMapCounters].Lookup(index, &t.perCPU); err != nil {
		return 0, fmt.Errorf("read table counters: %w", err)
	}
	var n uint64
	for _, c := range t.perCPU {
		n += c.Packets
	}
	return n, nil
}

// Forget removes all connections of all pods, so that a later frame opens one.
func (t *Trial) Forget() error {
	for _, p := range t.datapath.pods {
		var flow bpf.KernelFlow
		for {
			if err := p.connections.NextKey(nil, &flow); err != nil {
				if isMissing(err) {
					break
				}
				return fmt.Errorf("read connections: %w", err)
			}
			if err := p.connections.Delete(flow); err != nil && !isMissing(err) {
				return fmt.Errorf("remove connection: %w", err)
			}
		}
	}
	return nil
}
