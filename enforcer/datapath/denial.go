package datapath

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// Denial is one dropped packet, or one that would have been (Audit). Each pod has a share of 20 a second; what is
// beyond is only counted (Lost).
type Denial struct {
	// Time is on Now's clock.
	Time      time.Duration
	Endpoint  policy.EndpointID
	Direction policy.Direction
	Reason    Reason
	// Protocol is an IANA number. Addresses are invalid, and ports zero, as
	// far as the packet could not be read.
	Protocol  uint8
	Pod, Peer netip.AddrPort
	// List is what the pod had in that tier and direction. HasRule says that a
	// rule denied, and Rule which one of it (policy.Compiled.Explain).
	List    policy.ListID
	HasRule bool
	Rule    uint32
	// Service says that the peer is a Service, a backend of which is denied
	// (P22).
	Service bool
	// Audit says that the packet passed: only what is on trial would have
	// dropped it (P23).
	Audit bool
}

// noRule is NO_RULE of bpf/types.h.
const noRule = 1<<32 - 1

// Denials reports until ctx ends, which is no error. One caller at a time.
func (d *Datapath) Denials(ctx context.Context, report func(Denial)) error {
	reader, err := ringbuf.NewReader(d.state.maps[bpf.KernelMapDenials])
	if err != nil {
		return fmt.Errorf("read denials: %w", err)
	}
	defer reader.Close()
	// Close interrupts Read.
	stop := context.AfterFunc(ctx, func() { reader.Close() })
	defer stop()
	var record ringbuf.Record
	for {
		err := reader.ReadInto(&record)
		if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read denials: %w", err)
		}
		denial, err := readDenial(record.RawSample)
		if err != nil {
			return err
		}
		report(denial)
	}
}

func readDenial(sample []byte) (Denial, error) {
	var k bpf.KernelDenial
	if err := binary.Read(bytes.NewReader(sample), binary.NativeEndian, &k); err != nil {
		return Denial{}, fmt.Errorf("read denial of %d bytes: %w", len(sample), err)
	}
	return Denial{
		Time:      time.Duration(k.Time),
		Endpoint:  policy.EndpointID(k.Endpoint),
		Direction: policy.Direction(k.Direction),
		Reason:    Reason{bpf.KernelReason(k.Reason)},
		Protocol:  k.Protocol,
		Pod:       netip.AddrPortFrom(readAddress(k.Pod), host(k.PodPort)),
		Peer:      netip.AddrPortFrom(readAddress(k.Peer), host(k.PeerPort)),
		List:      policy.ListID(k.List),
		HasRule:   k.Rule != noRule,
		Rule:      k.Rule,
		Service:   k.Target != 0,
		Audit:     k.Audit != 0,
	}, nil
}

// readAddress leaves out what the program had not read when it dropped.
func readAddress(k bpf.KernelAddress) netip.Addr {
	if k == (bpf.KernelAddress{}) {
		return netip.Addr{}
	}
	return addressOf(k)
}
