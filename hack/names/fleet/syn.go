package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/hack/demo/scene"
)

// Outcome is what became of an attempt.
type Outcome uint8

// The outcomes.
const (
	OutcomeUnknown Outcome = iota // the scene's own fault: the error says which
	Opened                        // the first SYN opened the connection
	Blocked                       // nothing came back to any SYN
	Repeated                      // it took more than one
	Unanswered                    // DNS gave no address, so that nothing was tried
)

// Result is what the pod's own kernel knows of an attempt.
type Result struct {
	Outcome Outcome
	// Lost is how many SYNs brought nothing.
	Lost int
}

// open tries a TCP connection and ends it. It goes by the socket's state, not by
// the clock: on a machine that stalls, a connection may be open for long before
// anybody notices, and a SYN be repeated before anybody gives up.
func open(ctx context.Context, to netip.Addr, patience time.Duration) (Result, error) {
	witness := -1
	dialer := net.Dialer{Timeout: patience, KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { witness, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }), err)
	}}
	conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(to, doorPort).String())
	if witness >= 0 {
		defer unix.Close(witness)
	}
	if conn != nil {
		defer conn.Close()
	}
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	if err != nil && !scene.Blocked(err) {
		return Result{}, fmt.Errorf("connect to %s: %w", to, err)
	}
	return result(witness)
}

// result reads the socket, and has its end be a reset: that needs no answer, so
// that nothing of the connection is left to be counted later.
func result(fd int) (Result, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err == nil {
		err = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	if err != nil {
		return Result{}, fmt.Errorf("read the socket's state: %w", err)
	}
	const synSent = 2 // TCP_SYN_SENT of the kernel
	again := int(info.Total_retrans)
	switch {
	case info.State == synSent:
		return Result{Blocked, again + 1}, nil
	case again > 0:
		return Result{Repeated, again}, nil
	}
	return Result{Opened, 0}, nil
}
