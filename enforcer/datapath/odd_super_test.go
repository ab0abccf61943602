package datapath

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/wire"
)

// TestHeadersApart: frames of which the kernel has only the Ethernet header in
// one piece are judged by their ports like any other (D3).
func TestHeadersApart(t *testing.T) {
	c := newCable(t, 65535)
	d := c.police(oddWorld(true))
	// Below a page the kernel keeps a frame in one piece (packet_alloc_skb).
	body := make([]byte, 8000)
	full := func(p wire.Packet) wire.Packet {
		p.Segment = append(slices.Clone(p.Segment), body...)
		return p
	}
	var steps []oddStep
	for _, f := range families {
		steps = append(steps, step(asOpenPort, full(f.tcp(openPort))), step(asDenied, full(f.tcp(shutPort))),
			step(asDenied, full(f.udp(shutPort))), step(asDenied, full(f.sctp(shutPort))),
			inward(asDenied, full(turned(f.tcp(shutPort)))), step(drops("fragment-overlap"), overlap(full(f.tcp(openPort)), 1, 8)))
	}
	steps = append(steps,
		step(asDenied, optioned(full(four.tcp(shutPort)), make([]byte, 40)...)),
		step(drops("source-route"), optioned(full(four.tcp(openPort)), 1, 131, 7, 4, 203, 0, 113, 9)),
		step(asDenied, extended(full(six.tcp(shutPort)), hopByHop, wire.Padded(2048), destination)),
		step(drops("source-route"), extended(full(six.tcp(openPort)), hopByHop, wire.Routing(0, 1, oddFar.six))))
	for i, s := range steps {
		forgetConnections(t, d, c.pod.id)
		before := counts(t, d)
		c.ends[s.direction].sendHeaded(t, virtioHeader{Linear: wire.EthernetBytes}, s.frame)
		c.send(t, row("end of a frame in parts", step(asOpenPort, four.udp(openPort))))
		reason := s.direction.String() + " " + s.want.closed
		if grown := changes(before, counts(t, d)); counted(grown, reason) == 0 {
			t.Errorf("frame %d in parts: got %v, want it counted as %q", i+1, grown, reason)
		}
	}
}

// TestForgedSuperPackets: what a pod calls a super-packet itself is judged by
// its ports, also where such a packet has no length (BIG TCP).
func TestForgedSuperPackets(t *testing.T) {
	c := newCable(t, 65535)
	d := c.police(oddWorld(true))
	const tcp4, tcp6, needsSum = 1, 4, 1
	big := func(p wire.Packet) wire.Packet {
		p.Segment = append(slices.Clone(p.Segment), make([]byte, 5000)...)
		return p
	}
	for _, f := range families {
		kind, header := uint8(tcp4), uint16(20)
		lie := wire.TotalLength(0)
		if f.name == six.name {
			kind, header, lie = tcp6, 40, wire.PayloadLength(0)
		}
		at := wire.EthernetBytes + header
		h := virtioHeader{Flags: needsSum, Kind: kind, Linear: at + 20, Size: 1000, SumStart: at, SumOffset: 16}
		for _, s := range []oddStep{
			step(asOpenPort, big(f.tcp(openPort))), step(asDenied, big(f.tcp(shutPort))), step(asDenied, big(f.tcp(shutPort)).With(lie)),
		} {
			forgetConnections(t, d, c.pod.id)
			before := counts(t, d)
			c.ends[s.direction].sendHeaded(t, h, s.frame)
			got := c.send(t, row("end of a super-packet", step(asOpenPort, f.udp(openPort))))
			reason := s.direction.String() + " " + s.want.closed
			if grown := changes(before, counts(t, d)); counted(grown, reason) == 0 {
				t.Errorf("%s: got %v, want it counted as %q", f.name, grown, reason)
			}
			for _, one := range got[policy.Egress] {
				if one.toPort != openPort {
					t.Errorf("%s: the stack was handed %v, want nothing but port %d", f.name, one, openPort)
				}
			}
		}
	}
}

// TestBulk: a transfer whose packets the sender's stack leaves uncut, of both
// families and also above 64 KiB, arrives whole, and nothing of it is dropped.
func TestBulk(t *testing.T) {
	const mtu, amount = 1500, 16 << 20
	for _, most := range []int{0, 180_000} {
		for _, f := range families {
			name := f.name
			if most > 0 {
				name += ", BIG TCP"
			}
			t.Run(name, func(t *testing.T) {
				c := newCable(t, mtu)
				if most > 0 {
					c.enlarge(most)
				}
				d := c.police(oddWorld(true))
				before := counts(t, d)
				c.transfer(t, f, amount)
				var packets, bytes uint64
				for _, n := range changes(before, counts(t, d)) {
					if n.Reason.Verdict() != policy.Allow {
						t.Errorf("got %+v, want nothing dropped", n)
					}
					if n.Direction == policy.Egress {
						packets, bytes = packets+n.Packets, bytes+n.Bytes
					}
				}
				if bytes < amount || bytes/packets < 2*mtu {
					t.Errorf("got %d bytes in %d packets, want %d in packets far larger than %d", bytes, packets, amount, mtu)
				}
			})
		}
	}
}

// enlarge lets both ends make and take super-packets of that size.
func (c *cable) enlarge(most int) {
	c.t.Helper()
	grow := func(name string) {
		l, err := netlink.LinkByName(name)
		must(c.t, err)
		for _, set := range []func(netlink.Link, int) error{
			netlink.LinkSetGSOMaxSize, netlink.LinkSetGROMaxSize, netlink.LinkSetGSOIPv4MaxSize, netlink.LinkSetGROIPv4MaxSize,
		} {
			must(c.t, set(l, most))
		}
	}
	grow(cableInterface)
	c.inside(c.pod, func() { grow("eth0") })
}

// transfer sends from the pod to the open port of its peer.
func (c *cable) transfer(t testing.TB, f family, amount int) {
	t.Helper()
	listener, err := unix.Dup(c.ends[policy.Ingress].tcp[listening(f, openPort)])
	must(t, err)
	file := os.NewFile(uintptr(listener), "listener")
	accepting, err := net.FileListener(file)
	must(t, errors.Join(err, file.Close()))
	defer accepting.Close()
	received := make(chan int64, 1)
	go func() {
		conn, err := accepting.Accept()
		if err != nil {
			received <- 0
			return
		}
		defer conn.Close()
		n, _ := io.Copy(io.Discard, conn)
		received <- n
	}()
	c.inside(c.pod, func() {
		conn := dialHere(t, f, openPort)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err := conn.Write(make([]byte, amount))
		must(t, err)
	})
	if got := <-received; got != int64(amount) {
		t.Errorf("bytes that arrived: got %d, want %d", got, amount)
	}
}

// dialHere connects on this thread, whose namespace it is to be made in.
func dialHere(t testing.TB, f family, port int) net.Conn {
	t.Helper()
	domain, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: port, Addr: f.peer.As16()})
	if f.peer.Is4() {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: f.peer.As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	timeout := unix.NsecToTimeval(patience.Nanoseconds())
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout))
	must(t, unix.Connect(fd, to))
	file := os.NewFile(uintptr(fd), "connection")
	defer file.Close()
	conn, err := net.FileConn(file)
	must(t, err)
	return conn
}

// TestDatagramsUncut: UDP that the sender's stack leaves uncut (UDP_SEGMENT) is
// judged as the datagrams that it is.
func TestDatagramsUncut(t *testing.T) {
	const size, datagrams, end = 1000, 32, "the end"
	c := newCable(t, 1500)
	d := c.police(oddWorld(true))
	receiver := c.ends[policy.Ingress]
	for _, f := range families {
		for _, port := range []int{openPort, shutPort} {
			want, reason := datagrams, "egress allow allowed"
			if port == shutPort {
				want, reason = 0, "egress deny not-allowed"
			}
			forgetConnections(t, d, c.pod.id)
			before := counts(t, d)
			c.inside(c.pod, func() { sendUncut(t, f, port, size, datagrams) })
			c.ends[policy.Egress].send(t, ending(policy.Egress, four, end))
			got := receiver.awaitEnd(t, end)
			got += waiting(t, receiver.udp[listening(f, port)])
			if got != want {
				t.Errorf("%s port %d: got %d datagrams, want %d", f.name, port, got, want)
			}
			grown := changes(before, counts(t, d))
			// The last datagram is one more that is allowed.
			if n := counted(grown, reason); n == 0 || n > 2 {
				t.Errorf("%s port %d: got %v, want one super-packet counted as %q", f.name, port, grown, reason)
			}
		}
	}
}

// sendUncut sends datagrams as one super-packet.
func sendUncut(t testing.TB, f family, port, size, datagrams int) {
	t.Helper()
	domain, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: port, Addr: f.peer.As16()})
	if f.peer.Is4() {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: f.peer.As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, size))
	must(t, unix.Sendto(fd, make([]byte, size*datagrams), 0, to))
}
