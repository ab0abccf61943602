package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
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

// synPatience is shorter than the second after which TCP repeats a SYN.
const synPatience = 500 * time.Millisecond

// shots are SYNs that were sent, one to each address.
type shots struct {
	fates map[netip.Addr]fate
	// lost is how many SYNs were dropped. It is more than there are addresses
	// where the machine was so busy that some were sent again.
	lost uint64
}

// syn sends one SYN to each address at once, on the calling thread, and waits
// for what becomes of them.
func syn(to []netip.Addr) (shots, error) {
	s := shots{fates: make(map[netip.Addr]fate, len(to))}
	open := make(map[int32]netip.Addr, len(to))
	defer func() {
		for fd := range open {
			unix.Close(int(fd))
		}
	}()
	for _, addr := range to {
		fd, err := socket(addr)
		if err != nil {
			return s, err
		}
		open[int32(fd)] = addr
		if err := unix.Connect(fd, socketAddress(addr)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			s.fates[addr] = unsent
			delete(open, int32(fd))
			unix.Close(fd)
		}
	}
	if err := await(open); err != nil {
		return s, err
	}
	for fd, addr := range open {
		f, lost, err := outcome(int(fd))
		if err != nil {
			return s, err
		}
		s.fates[addr] = f
		s.lost += lost
	}
	return s, nil
}

func socket(addr netip.Addr) (int, error) {
	fd, err := unix.Socket(family(addr), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open socket: %w", err)
	}
	// A connection that opened ends with a reset: nothing follows later.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return 0, errors.Join(fmt.Errorf("set SO_LINGER: %w", err), unix.Close(fd))
	}
	return fd, nil
}

// await returns when all connections are answered, or none will be any more.
func await(open map[int32]netip.Addr) error {
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
		waiting = slices.DeleteFunc(waiting, func(w unix.PollFd) bool { return w.Revents != 0 })
	}
	return nil
}

// outcome says what became of the first SYN, and how many were dropped in all.
func outcome(fd int) (f fate, lost uint64, err error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return fateUnknown, 0, fmt.Errorf("read TCP statistics: %w", err)
	}
	again := uint64(info.Total_retrans)
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return fateUnknown, 0, fmt.Errorf("read SO_ERROR: %w", err)
	case info.State == tcpSynSent:
		return dropped, 1 + again, nil
	case code != 0 && unix.Errno(code) != unix.ECONNREFUSED:
		return fateUnknown, again, nil // a router's error, for one: the scene has none
	case again > 0:
		return dropped, again, nil // the first one was, whatever came of the next
	default:
		return passed, 0, nil
	}
}

// tcpSynSent is TCP_SYN_SENT of include/net/tcp_states.h.
const tcpSynSent = 2

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
