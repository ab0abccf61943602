package datapath

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/hack/prove/wire"
)

// stack listens to what one network namespace's own IP stack makes of frames:
// raw sockets, to which it hands whole datagrams, and listeners beside them.
type stack struct {
	raw []rawSocket
	udp []int // of openPort and shutPort, IPv4 first
	tcp []int // listeners, the same
}

type rawSocket struct {
	fd       int
	is4      bool
	protocol uint8
}

// delivery is a datagram that the stack handed on.
type delivery struct {
	from             netip.Addr
	protocol         uint8
	fromPort, toPort uint16 // of ICMP: 0, and type
}

var rawProtocols = []uint8{wire.ProtocolTCP, wire.ProtocolUDP, wire.ProtocolSCTP, wire.ProtocolICMP, wire.ProtocolICMPv6}

// newStack opens the sockets in the current network namespace.
func newStack(t testing.TB) *stack {
	t.Helper()
	s := &stack{}
	for _, domain := range []int{unix.AF_INET, unix.AF_INET6} {
		for _, protocol := range rawProtocols {
			fd := socket(t, domain, unix.SOCK_RAW, int(protocol))
			s.raw = append(s.raw, rawSocket{fd, domain == unix.AF_INET, protocol})
		}
		for _, port := range []int{openPort, shutPort} {
			fd := socket(t, domain, unix.SOCK_DGRAM, 0)
			must(t, unix.Bind(fd, anyAddress(domain, port)))
			s.udp = append(s.udp, fd)
			listener := socket(t, domain, unix.SOCK_STREAM, 0)
			must(t, unix.Bind(listener, anyAddress(domain, port)))
			must(t, unix.Listen(listener, 128))
			s.tcp = append(s.tcp, listener)
		}
	}
	return s
}

func socket(t testing.TB, domain, kind, protocol int) int {
	t.Helper()
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	if domain == unix.AF_INET6 && kind != unix.SOCK_RAW {
		must(t, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
	}
	return fd
}

func anyAddress(domain, port int) unix.Sockaddr {
	if domain == unix.AF_INET {
		return &unix.SockaddrInet4{Port: port}
	}
	return &unix.SockaddrInet6{Port: port}
}

// listening is which of the sockets of udp and tcp a port of a family has.
func listening(f family, port int) int {
	if f.peer.Is4() {
		return port - openPort
	}
	return 2 + port - openPort
}

// awaitEnd reads the open port of UDP over IPv4 until the datagram that ends a
// row has come, and says how many came before it.
func (s *stack) awaitEnd(t testing.TB, text string) (before int) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(s.udp[0]), Events: unix.POLLIN}}
	buffer := make([]byte, 1<<16)
	for {
		n, err := unix.Poll(fds, int(patience.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		must(t, err)
		if n == 0 {
			t.Fatalf("the datagram %q, which ends the row, did not come", text)
		}
		n, _, err = unix.Recvfrom(s.udp[0], buffer, 0)
		must(t, err)
		if string(buffer[:n]) == text {
			return before
		}
		before++
	}
}

// waiting counts the datagrams that a UDP socket has got.
func waiting(t testing.TB, fd int) (n int) {
	t.Helper()
	for {
		_, _, err := unix.Recvfrom(fd, make([]byte, 1<<16), unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return n
		}
		must(t, err)
		n++
	}
}

// drain gives what was delivered since the last call, without neighbour
// discovery, which the stacks have among themselves.
func (s *stack) drain(t testing.TB) []delivery {
	t.Helper()
	var all []delivery
	buffer := make([]byte, 1<<17)
	for _, raw := range s.raw {
		for {
			n, from, err := unix.Recvfrom(raw.fd, buffer, unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			must(t, err)
			d, ok := raw.read(buffer[:n], from)
			if ok && !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

func (r rawSocket) read(b []byte, from unix.Sockaddr) (delivery, bool) {
	d := delivery{protocol: r.protocol}
	if r.is4 {
		d.from = netip.AddrFrom4(from.(*unix.SockaddrInet4).Addr)
		b = b[int(b[0]&15)*4:]
	} else {
		d.from = netip.AddrFrom16(from.(*unix.SockaddrInet6).Addr)
	}
	if len(b) < 4 {
		return d, len(b) > 0
	}
	if r.protocol == wire.ProtocolICMP || r.protocol == wire.ProtocolICMPv6 {
		if r.is4 == (r.protocol == wire.ProtocolICMP) {
			d.toPort = uint16(b[0])
		}
		return d, !isDiscovery(d)
	}
	d.fromPort, d.toPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	return d, d.fromPort != endPort
}
