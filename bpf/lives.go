package bpf

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
)

// Numbers of IP protocols (RFC 9293, RFC 9260).
const (
	protocolTCP  = 6
	protocolSCTP = 132
)

// Lives says whether the connection may carry packets at the time that
// tell_time gave: it is neither closing, nor idle for longer than the programs
// would let it pass (idle_limit in connection.h). Fragments are no connections.
func (c KernelConnection) Lives(flow KernelFlow, time uint64) bool {
	closed := uint8(KernelConnectionFlagCONNECTION_FIN_OPENER | KernelConnectionFlagCONNECTION_FIN_OTHER)
	if flow.Kind >= uint8(KernelKindKIND_FRAGMENT) || c.Flags&closed == closed || c.Flags&uint8(KernelConnectionFlagCONNECTION_RESET) != 0 {
		return false
	}
	return time < c.LastSeen || time-c.LastSeen < uint64(c.idleLimit(flow))
}

func (c KernelConnection) idleLimit(flow KernelFlow) time.Duration {
	replied := c.Flags&uint8(KernelConnectionFlagCONNECTION_REPLIED) != 0
	limit := KernelIdleIDLE_UDP
	switch {
	case flow.Protocol == protocolTCP && replied:
		limit = KernelIdleIDLE_TCP
	case flow.Protocol == protocolTCP:
		limit = KernelIdleIDLE_TCP_UNREPLIED
	case flow.Kind != uint8(KernelKindKIND_TRANSPORT):
		limit = KernelIdleIDLE_ECHO
	case !replied:
		limit = KernelIdleIDLE_UNREPLIED
	case flow.Protocol == protocolSCTP:
		limit = KernelIdleIDLE_SCTP
	}
	return time.Duration(limit) * time.Second
}

// Time runs the program tell_time: the time by which connections age, in ns
// since a moment of the kernel's choice. No clock of user space shows it.
func Time(tell *ebpf.Program) (uint64, error) {
	_, frame, err := tell.Test(make([]byte, 64))
	if err != nil {
		return 0, fmt.Errorf("ask for the time of connections: %w", err)
	}
	return binary.NativeEndian.Uint64(frame), nil
}
