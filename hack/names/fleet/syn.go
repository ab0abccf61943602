package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
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

// open tries a TCP connection and ends it. It goes by the socket's state, not by
// the clock: on a machine that stalls, a connection may be open for long before
// anybody notices, and a SYN be repeated before anybody gives up.
func open(ctx context.Context, to netip.Addr, patience time.Duration) (Outcome, error) {
	for {
		outcome, sent, err := try(ctx, to, patience)
		if sent || ctx.Err() != nil {
			return outcome, err
		}
		// The time was up before there was a socket.
	}
}

func try(ctx context.Context, to netip.Addr, patience time.Duration) (_ Outcome, sent bool, _ error) {
	witness := -1
	dialer := net.Dialer{Timeout: patience, KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { witness, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }), err)
	}}
	conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(to, doorPort).String())
	if conn != nil {
		defer conn.Close()
	}
	if witness >= 0 {
		defer unix.Close(witness)
	}
	switch {
	case ctx.Err() != nil:
		return OutcomeUnknown, sent, ctx.Err()
	case err != nil && !scene.Blocked(err):
		return OutcomeUnknown, true, fmt.Errorf("connect to %s: %w", to, err)
	case witness < 0:
		return OutcomeUnknown, false, err
	}
	outcome, err := state(witness)
	return outcome, true, err
}

// state reads the socket, and has its end be a reset: that needs no answer, so
// that nothing of the connection is left to be counted later.
func state(fd int) (Outcome, error) {
	err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err != nil {
		return OutcomeUnknown, fmt.Errorf("have the socket reset: %w", err)
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	const synSent = 2 // TCP_SYN_SENT of the kernel
	switch {
	case err != nil:
		return OutcomeUnknown, fmt.Errorf("read the socket's state: %w", err)
	case info.State == synSent:
		return Blocked, nil
	case info.Total_retrans > 0:
		return Repeated, nil
	}
	return Opened, nil
}

// SYNs is how many the pod's kernel has sent so far, repeated ones included.
// Clients cannot know: one may be repeated between their last look at a socket
// and its end.
func (p *Pod) SYNs() (syns int, err error) {
	err = p.Netspace().Do(func() error {
		for _, c := range []struct{ file, group, name string }{
			{"snmp", "Tcp:", "ActiveOpens"},
			{"netstat", "TcpExt:", "TCPSynRetrans"},
		} {
			text, err := os.ReadFile("/proc/thread-self/net/" + c.file)
			if err != nil {
				return fmt.Errorf("read the pod's counters: %w", err)
			}
			n, err := counter(string(text), c.group, c.name)
			if err != nil {
				return err
			}
			syns += n
		}
		return nil
	})
	return syns, err
}

// counter reads a number of a group from the kernel's two lines for it: the
// names, and the numbers in the same order.
func counter(text, group, name string) (int, error) {
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] != group:
		case names == nil:
			names = fields
		default:
			if i := slices.Index(names, name); i > 0 && i < len(fields) {
				return strconv.Atoi(fields[i])
			}
		}
	}
	return 0, fmt.Errorf("read the pod's counters: no %s %s", group, name)
}
