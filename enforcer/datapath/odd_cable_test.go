package datapath

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
)

// cable is a pod and the stack at the other end of its interface, which is the
// peer: nothing forwards in between, so that what passes the filters is read by
// that stack and no other.
type cable struct {
	*scene
	pod  *scenePod
	ends map[policy.Direction]*cableEnd // by the direction of what it sends
}

// cableEnd sends frames into its end, and has the sockets of its stack.
type cableEnd struct {
	*stack
	ifindex int
	socket  int // AF_PACKET
	headed  int // the same, for frames behind a virtio_net_hdr
}

const cableInterface = "veth-odd"

// newCable pins the thread to a CPU: what is sent on it then passes the cable
// in order.
func newCable(t *testing.T, mtu int) *cable {
	t.Helper()
	c := &cable{scene: newScene(t), pod: &scenePod{iface: cableInterface, id: policy.EndpointOf("odd")}}
	var cpus unix.CPUSet
	must(t, unix.SchedGetaffinity(0, &cpus))
	one := 0
	for !cpus.IsSet(one) {
		one++
	}
	cpus.Zero()
	cpus.Set(one)
	must(t, unix.SchedSetaffinity(0, &cpus))

	ns, err := netns.New()
	must(t, err)
	t.Cleanup(func() { ns.Close() })
	c.pod.ns = ns
	quiet(t)
	must(t, netns.Set(c.node))
	quiet(t)
	must(t, netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: cableInterface, MTU: mtu, HardwareAddr: peerMAC[:]},
		PeerName:  "eth0", PeerHardwareAddr: podMAC[:], PeerMTU: uint32(mtu), PeerNamespace: netlink.NsFd(ns),
	}))
	c.ends = map[policy.Direction]*cableEnd{policy.Ingress: c.end(cableInterface, oddPeer, oddPod, podMAC)}
	c.inside(c.pod, func() { c.ends[policy.Egress] = c.end("eth0", oddPod, oddPeer, peerMAC) })
	for direction := range c.ends {
		for _, f := range families {
			c.awaitCarrier(direction, f)
		}
	}
	return c
}

// awaitCarrier: an interface that was up before its other end carries only when
// the kernel has looked after it (net/core/link_watch.c), and says of nothing
// that it lost it before.
func (c *cable) awaitCarrier(direction policy.Direction, f family) {
	c.t.Helper()
	hello := ending(direction, f, "hello")
	fd := c.ends[opposite(direction)].udp[listening(f, openPort)]
	for began := time.Now(); time.Since(began) < patience; {
		c.ends[direction].send(c.t, hello)
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10)
		if err != nil && !errors.Is(err, unix.EINTR) {
			c.t.Fatal(err)
		}
		if waiting(c.t, fd) > 0 {
			return
		}
	}
	c.t.Fatalf("%v %s: the cable carries nothing", direction, f.name)
}

// quiet: no duplicate address detection, no asking for routers.
func quiet(t testing.TB) {
	t.Helper()
	for _, of := range []string{"all", "default"} {
		for _, what := range []string{"accept_dad", "router_solicitations", "accept_ra"} {
			must(t, os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", of, what), []byte("0"), 0))
		}
	}
}

// end sets up the interface that the current namespace has of the cable.
func (c *cable) end(name string, own, other addressPair, otherMAC [6]byte) *cableEnd {
	c.t.Helper()
	c.up("lo")
	l := c.up(name)
	e := &cableEnd{stack: newStack(c.t), ifindex: l.Attrs().Index}
	for _, a := range []struct{ own, other netip.Addr }{{own.four, other.four}, {own.six, other.six}} {
		bits := map[bool]int{true: 24, false: 64}[a.own.Is4()]
		must(c.t, netlink.AddrAdd(l, address(netip.PrefixFrom(a.own, bits).String())))
		must(c.t, netlink.NeighSet(&netlink.Neigh{
			LinkIndex: e.ifindex, State: netlink.NUD_PERMANENT, IP: a.other.AsSlice(), HardwareAddr: net.HardwareAddr(otherMAC[:]),
		}))
	}
	e.socket, e.headed = e.packetSocket(c.t), e.packetSocket(c.t)
	must(c.t, unix.SetsockoptInt(e.headed, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1))
	return e
}

func (e *cableEnd) packetSocket(t testing.TB) int {
	t.Helper()
	// No protocol: it receives nothing.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: e.ifindex}))
	return fd
}

func (e *cableEnd) send(t testing.TB, frame []byte) {
	t.Helper()
	// ENOBUFS: dropped on the way out (net_xmit_errno).
	if _, err := unix.Write(e.socket, frame); err != nil && !errors.Is(err, unix.ENOBUFS) {
		t.Fatalf("send a frame of %d bytes: %v", len(frame), err)
	}
}

// virtioHeader is struct virtio_net_hdr (linux/virtio_net.h).
type virtioHeader struct {
	Flags, Kind                       uint8
	Linear, Size, SumStart, SumOffset uint16
}

// sendHeaded sends a frame of which only the header's Linear bytes are linear,
// or which the header calls a super-packet.
func (e *cableEnd) sendHeaded(t testing.TB, h virtioHeader, frame []byte) {
	t.Helper()
	message, err := binary.Append(nil, binary.NativeEndian, h)
	must(t, err)
	if _, err := unix.Write(e.headed, append(message, frame...)); err != nil && !errors.Is(err, unix.ENOBUFS) {
		t.Fatalf("send a frame of %d bytes: %v", len(frame), err)
	}
}

// police puts the policies of a world on the cable.
func (c *cable) police(w *policy.World) *Datapath {
	c.t.Helper()
	d, err := Open(Config{})
	must(c.t, err)
	c.t.Cleanup(func() { d.Close() })
	on := map[policy.EndpointID]Interface{c.pod.id: {Name: cableInterface}}
	must(c.t, d.Apply([]*policy.Tables{policy.Compile(w).Tables}, on))
	return d
}
