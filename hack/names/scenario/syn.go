package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/hack/demo/scene"
)

// fate is what became of one SYN.
type fate uint8

const (
	fateUnknown fate = iota
	passed           // something answered, if only with a reset
	dropped          // nothing answered in time
	unsent           // it never left the pod
)

func (f fate) String() string {
	return [...]string{"unknown", "passed", "dropped", "not sent"}[f]
}

// synPatience is shorter than the second after which TCP repeats a SYN: what
// has passed by then is the first one.
const synPatience = 500 * time.Millisecond

// syn sends one SYN to each address at once, on the calling thread, and waits
// for what becomes of them.
func syn(to []netip.Addr) (map[netip.Addr]fate, error) {
	fates := make(map[netip.Addr]fate, len(to))
	open := make(map[int32]netip.Addr, len(to))
	defer func() {
		for fd := range open {
			unix.Close(int(fd))
		}
	}()
	for _, addr := range to {
		fd, err := unix.Socket(family(addr), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open socket: %w", err)
		}
		open[int32(fd)] = addr
		// A connection that opened ends with a reset: nothing follows later.
		linger := &unix.Linger{Onoff: 1}
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, linger); err != nil {
			return nil, fmt.Errorf("set SO_LINGER: %w", err)
		}
		fates[addr] = dropped
		if err := unix.Connect(fd, socketAddress(addr)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			fates[addr] = unsent
			delete(open, int32(fd))
			unix.Close(fd)
		}
	}
	return fates, await(open, fates)
}

// await notes which of the connections are answered in time.
func await(open map[int32]netip.Addr, fates map[netip.Addr]fate) error {
	waiting := make([]unix.PollFd, 0, len(open))
	for fd := range open {
		waiting = append(waiting, unix.PollFd{Fd: fd, Events: unix.POLLOUT})
	}
	for end := time.Now().Add(synPatience); len(waiting) > 0; {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		if _, err := unix.Poll(waiting, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for connections: %w", err)
		}
		still := waiting[:0]
		for _, w := range waiting {
			if w.Revents == 0 {
				still = append(still, w)
				continue
			}
			fates[open[w.Fd]] = fateOf(int(w.Fd))
		}
		waiting = still
	}
	return nil
}

func fateOf(fd int) fate {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return fateUnknown
	case code == 0, unix.Errno(code) == unix.ECONNREFUSED:
		return passed
	default:
		return fateUnknown // a router's error, for one: the scene has none
	}
}

func family(addr netip.Addr) int {
	if addr.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func socketAddress(addr netip.Addr) unix.Sockaddr {
	if addr.Is4() {
		return &unix.SockaddrInet4{Addr: addr.As4(), Port: scene.HTTPPort}
	}
	return &unix.SockaddrInet6{Addr: addr.As16(), Port: scene.HTTPPort}
}
