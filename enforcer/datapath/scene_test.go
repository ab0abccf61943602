package datapath

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
)

// scene is a node with pods, each a network namespace of its own with a veth
// pair, and a mount namespace with its own BPF file system. The test's thread
// lives in the node; it ends with the test, and takes everything along.
type scene struct {
	t    testing.TB
	node netns.NsHandle
	pods map[string]*scenePod
	bpf  string
}

type scenePod struct {
	ns    netns.NsHandle
	iface string
	addr  netip.Addr
	id    policy.EndpointID
}

// newScene skips without root, unless the environment says that this machine
// must have it.
func newScene(t testing.TB) *scene {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("NAMEWARD_REQUIRE_BPF") != "" {
			t.Fatal("network namespaces and eBPF need root, which NAMEWARD_REQUIRE_BPF promises")
		}
		t.Skip("network namespaces and eBPF need root")
	}
	// Never unlocked: the thread, and with it its namespaces, dies with the
	// test's goroutine.
	runtime.LockOSThread()
	s := &scene{t: t, pods: make(map[string]*scenePod), bpf: filepath.Join(t.TempDir(), "bpf")}
	must(t, unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_NEWNET))
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(t, os.Mkdir(s.bpf, 0o700))
	must(t, unix.Mount("bpf", s.bpf, "bpf", 0, ""))
	t.Cleanup(func() { unix.Unmount(s.bpf, unix.MNT_DETACH) })
	node, err := netns.Get()
	must(t, err)
	s.node = node
	t.Cleanup(func() { node.Close() })
	// /proc/sys/net is that of the thread that opens it.
	must(t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0))
	s.up("lo")
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *scene) up(name string) netlink.Link {
	s.t.Helper()
	l, err := netlink.LinkByName(name)
	must(s.t, err)
	must(s.t, netlink.LinkSetUp(l))
	return l
}

// pod makes the pod's namespace and both ends of its interface, routed as many
// CNIs do: a /32 in the pod, a route on the node, and the gateway 169.254.1.1.
func (s *scene) pod(name string, last byte) *scenePod {
	s.t.Helper()
	p := &scenePod{
		iface: "veth-" + name, addr: netip.AddrFrom4([4]byte{10, 1, 0, last}), id: policy.EndpointOf(name),
	}
	s.addInterface(p)
	s.pods[name] = p
	return p
}

func (s *scene) addInterface(p *scenePod) {
	s.t.Helper()
	ns, err := netns.New()
	must(s.t, err)
	must(s.t, netns.Set(s.node))
	if p.ns != 0 {
		p.ns.Close()
	}
	p.ns = ns
	must(s.t, netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: p.iface}, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns),
	}))
	l := s.up(p.iface)
	must(s.t, netlink.AddrAdd(l, address("169.254.1.1/32")))
	must(s.t, netlink.RouteAdd(&netlink.Route{
		LinkIndex: l.Attrs().Index, Dst: ipNet(p.addr.String() + "/32"), Scope: netlink.SCOPE_LINK,
	}))
	s.inside(p, func() {
		s.up("lo")
		eth0 := s.up("eth0")
		must(s.t, netlink.AddrAdd(eth0, address(p.addr.String()+"/32")))
		must(s.t, netlink.RouteAdd(&netlink.Route{
			LinkIndex: eth0.Attrs().Index, Dst: ipNet("169.254.1.1/32"), Scope: netlink.SCOPE_LINK,
		}))
		must(s.t, netlink.RouteAdd(&netlink.Route{
			LinkIndex: eth0.Attrs().Index, Dst: ipNet("0.0.0.0/0"), Gw: net.IPv4(169, 254, 1, 1),
		}))
	})
}

func address(cidr string) *netlink.Addr { return &netlink.Addr{IPNet: ipNet(cidr)} }

func ipNet(cidr string) *net.IPNet {
	ip, n, err := net.ParseCIDR(cidr)
	if err != nil {
		panic(err)
	}
	n.IP = ip
	return n
}

// inside runs f in the pod's namespace, on this thread.
func (s *scene) inside(p *scenePod, f func()) {
	s.t.Helper()
	must(s.t, netns.Set(p.ns))
	defer func() { must(s.t, netns.Set(s.node)) }()
	f()
}

const (
	// wait is how long a test waits for what must not come.
	wait = 250 * time.Millisecond
	// patience is how long it waits for what must; a busy machine takes its time.
	patience = 5 * time.Second
)

// serve echoes TCP in the pod until the test ends.
func (s *scene) serve(p *scenePod, port uint16) {
	s.t.Helper()
	s.inside(p, func() {
		l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", p.addr, port))
		must(s.t, err)
		var (
			mu    sync.Mutex
			conns = []io.Closer{l} // guarded by mu
		)
		// A policy that cuts a connection hides its end from this side.
		s.t.Cleanup(func() {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range conns {
				c.Close()
			}
		})
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				mu.Lock()
				conns = append(conns, c)
				mu.Unlock()
				go io.Copy(c, c)
			}
		}()
	})
}

// dial opens a connection, or returns nil where nothing answers in time.
func (s *scene) dial(from, to *scenePod, port uint16, within time.Duration) net.Conn {
	s.t.Helper()
	var c net.Conn
	s.inside(from, func() {
		// One socket on this thread: the dialer of package net may move on.
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(s.t, err)
		timeout := unix.NsecToTimeval(within.Nanoseconds())
		must(s.t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout))
		server := &unix.SockaddrInet4{Port: int(port), Addr: to.addr.As4()}
		err = unix.Connect(fd, server)
		for errors.Is(err, unix.EINTR) { // a signal of the Go runtime; the next call goes on waiting
			err = unix.Connect(fd, server)
		}
		if err != nil {
			unix.Close(fd)
			if !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EALREADY) {
				s.t.Fatalf("connect: %v", err)
			}
			return
		}
		f := os.NewFile(uintptr(fd), "connection")
		defer f.Close()
		c, err = net.FileConn(f)
		must(s.t, err)
	})
	if c != nil {
		s.t.Cleanup(func() { c.Close() })
	}
	return c
}

// answers says whether the connection still carries data.
func answers(c net.Conn, within time.Duration) bool {
	if c == nil {
		return false
	}
	c.SetDeadline(time.Now().Add(within))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write([]byte("ping")); err != nil {
		return false
	}
	buffer := make([]byte, 64)
	n, err := c.Read(buffer)
	return err == nil && n > 0
}
