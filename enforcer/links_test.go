package main

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// needRoot skips without root, unless the environment says that this machine
// must have it.
func needRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("NAMEWARD_REQUIRE_BPF") != "" {
		tb.Fatal("network namespaces and eBPF need root, which NAMEWARD_REQUIRE_BPF promises")
	}
	tb.Skip("network namespaces and eBPF need root")
}

// check ends the test at an error.
func check(tb interface {
	Helper()
	Fatal(...any)
}, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// P18, P20: new addresses of the node and new interfaces are noticed, and
// nothing else is told of.
func TestSurroundingsFollowTheNetwork(t *testing.T) {
	needRoot(t)
	// Never unlocked: the thread, and with it its network, dies with the
	// test. Sockets are of the thread that opens them, so everything is done
	// here, changes in the callback.
	runtime.LockOSThread()
	check(t, unix.Unshare(unix.CLONE_NEWNET))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	add := func(link, cidr string) {
		check(t, netlink.AddrAdd(must(netlink.LinkByName(link)), must(netlink.ParseAddr(cidr))))
	}
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	steps := []struct {
		sentence  string
		addresses []netip.Addr
		pod       bool
		next      func()
	}{
		{"nothing but loopback", nil, false, func() {
			check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "pod0"}, PeerName: "eth0"}))
		}},
		{"an interface", nil, true, func() { add("lo", "127.0.0.2/8"); add("pod0", "192.0.2.1/24") }},
		{"an address, loopback not told of", []netip.Addr{v4}, true, func() { add("pod0", "2001:db8::1/64") }},
		{"an address of the other family", []netip.Addr{v4, v6}, true, func() {
			check(t, netlink.LinkDel(must(netlink.LinkByName("pod0"))))
		}},
		{"all gone", nil, false, cancel},
	}
	at := 0
	err := watchSurroundings(ctx, true, func(s *surroundings) {
		want := steps[at]
		if _, pod := s.links["pod0"]; pod != want.pod || !slices.Equal(s.addresses, want.addresses) {
			return // on the way: a link goes in several events
		}
		if at++; at == len(steps) {
			at = 0
		}
		want.next()
	})
	if err != nil || at != 0 {
		t.Errorf("got %v at step %d, want every step and no error", err, at)
	}
}
