package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	patience = 10 * time.Second
	// blocked is how long to wait for what must not come.
	blocked   = 200 * time.Millisecond
	pageAddr  = "127.0.0.1:9099"
	podLink   = "pod0"
	worldLink = "world0"
)

// scene is a node with one pod and a world outside, each a network namespace,
// the enforcer as a process of its own on it, and a CoreDNS played by the test
// on the other end of a real stream.
type scene struct {
	tb         testing.TB
	folder     string
	node, pod  netns.NsHandle
	sessions   chan *dnsSession
	enforcer   *exec.Cmd
	log        transcript
	ended      chan error
	extraFlags []string
}

// transcript is what a process writes, to be read while it writes.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// newScene puts the test's thread into the node. It is never unlocked: the
// thread, and with it all namespaces, dies with the test's goroutine.
func newScene(tb testing.TB) *scene {
	tb.Helper()
	needRoot(tb)
	runtime.LockOSThread()
	s := &scene{tb: tb, folder: tb.TempDir(), sessions: make(chan *dnsSession, 16)}
	check(tb, unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_NEWNET))
	check(tb, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	for _, dir := range []string{"bpf", "manifests"} {
		check(tb, os.Mkdir(filepath.Join(s.folder, dir), 0o755))
	}
	check(tb, unix.Mount("bpf", s.path("bpf"), "bpf", 0, ""))
	tb.Cleanup(func() { unix.Unmount(s.path("bpf"), unix.MNT_DETACH) })
	s.node = must(netns.Get())
	tb.Cleanup(func() { s.node.Close() })
	check(tb, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0))
	return s
}

func (s *scene) path(name string) string { return filepath.Join(s.folder, name) }

// put writes a manifest the way a reader never sees half of it.
func (s *scene) put(name, text string) {
	s.tb.Helper()
	check(s.tb, os.WriteFile(s.path(name), []byte(text), 0o600))
	check(s.tb, os.Rename(s.path(name), filepath.Join(s.path("manifests"), name)))
}

// attach makes a namespace behind an interface of the node, with an address
// and a default route to the node's end.
func (s *scene) attach(link, nodeEnd, far string) netns.NsHandle {
	s.tb.Helper()
	ns := must(netns.New())
	s.tb.Cleanup(func() { ns.Close() })
	check(s.tb, netns.Set(s.node))
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: link}, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns)}
	check(s.tb, netlink.LinkAdd(veth))
	s.up(link, nodeEnd)
	s.inside(ns, func() {
		s.up("eth0", far)
		gateway := must(netlink.ParseAddr(nodeEnd))
		check(s.tb, netlink.RouteAdd(&netlink.Route{Gw: gateway.IP}))
	})
	return ns
}

func (s *scene) up(link, cidr string) {
	s.tb.Helper()
	l := must(netlink.LinkByName(link))
	check(s.tb, netlink.AddrAdd(l, must(netlink.ParseAddr(cidr))))
	check(s.tb, netlink.LinkSetUp(l))
}

func (s *scene) inside(ns netns.NsHandle, f func()) {
	s.tb.Helper()
	check(s.tb, netns.Set(ns))
	defer func() { check(s.tb, netns.Set(s.node)) }()
	f()
}

// dial connects from the pod on this very thread.
func (s *scene) dial(addr string, within time.Duration) (conn net.Conn, err error) {
	s.inside(s.pod, func() {
		d := net.Dialer{Timeout: within}
		conn, err = d.Dial("tcp", addr)
	})
	if err == nil {
		s.tb.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

func (s *scene) wantDial(when, addr string, open bool) net.Conn {
	s.tb.Helper()
	within := blocked
	if open {
		within = patience
	}
	conn, err := s.dial(addr, within)
	if (err == nil) != open {
		s.tb.Errorf("%s: connecting to %s: got %v, want it to succeed: %v", when, addr, err, open)
	}
	return conn
}

// alive says whether a connection still carries data both ways.
func alive(conn net.Conn) bool {
	check := []byte("x")
	conn.SetDeadline(time.Now().Add(blocked))
	if _, err := conn.Write(check); err != nil {
		return false
	}
	_, err := io.ReadFull(conn, check)
	return err == nil
}

// echo serves TCP until the test ends.
func (s *scene) echo(ns netns.NsHandle, addr string) {
	s.tb.Helper()
	s.inside(ns, func() {
		l, err := net.Listen("tcp", addr)
		check(s.tb, err)
		s.tb.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				s.tb.Cleanup(func() { conn.Close() })
				go io.Copy(conn, conn)
			}
		}()
	})
}

// start runs the enforcer and waits until it is ready.
func (s *scene) start() {
	s.tb.Helper()
	s.enforcer = program(context.Background(), append([]string{
		"--manifests", s.path("manifests"), "--node", "node-1", "--pin", s.path("bpf/nameward"),
		"--dns", "unix://" + s.path("dns.sock"), "--metrics", pageAddr,
	}, s.extraFlags...)...)
	s.enforcer.Stdout, s.enforcer.Stderr = &s.log, &s.log
	check(s.tb, s.enforcer.Start())
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.enforcer.Wait() }()
	s.tb.Cleanup(func() { s.enforcer.Process.Kill() })
	s.await("the enforcer is ready", func() bool { return strings.HasPrefix(s.page("/readyz"), "HTTP/1.0 200") })
}

// stop ends the enforcer with a signal and returns its exit code.
func (s *scene) stop(signal syscall.Signal) int {
	s.tb.Helper()
	check(s.tb, s.enforcer.Process.Signal(signal))
	select {
	case err := <-s.ended:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		return 0
	case <-time.After(patience):
		s.tb.Fatal("the enforcer does not end")
		return -1
	}
}

// page reads a page of the enforcer, headers included, "" where it cannot.
func (s *scene) page(path string) string {
	conn, err := net.DialTimeout("tcp", pageAddr, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.0\r\n\r\n", path)
	text, _ := io.ReadAll(conn)
	return string(text)
}

func (s *scene) await(what string, holds func() bool) {
	s.tb.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.tb.Fatalf("not in time: %s\n%s\n%s", what, s.page("/readyz"), s.log.String())
		}
	}
}
