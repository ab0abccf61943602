package pods

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Events that the kernel had to drop make everything be looked at again.
func TestLostEvents(t *testing.T) {
	newScene(t)
	e := &events{socket: must(nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)), signal: make(chan struct{}, 1), ended: make(chan error, 1)}
	check(t, e.socket.SetReceiveBufferSize(1, true)) // the kernel's least
	lo := must(netlink.LinkByName("lo"))
	for range 50 {
		check(t, netlink.LinkSetDown(lo))
		check(t, netlink.LinkSetUp(lo))
	}
	go func() {
		e.ended <- e.gather()
		close(e.ended)
	}()
	var all what
	defer e.close()
	for late := time.After(patience); all != everything; {
		select {
		case <-e.signal:
			all |= e.take().what
		case <-late:
			t.Fatalf("got told of %b, want all, %b", all, everything)
		}
	}
}

// past returns what the finder has said so far, while it goes on.
func (s *scene) past() []*Located {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// A port that leaves a bridge is not an interface that is gone.
func TestBridgePortsThatLeaveStay(t *testing.T) {
	s := newScene(t).start()
	check(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "cni0"}}))
	b, p := s.sandbox(), pod("a", "cart-0") // with no address to be found by again
	s.cable(b, "veth1", "eth0")
	s.finder.Want([]Pod{p})
	s.finder.Told(s.told(p, b, "veth1", "c1"))
	s.awaitAt("a", "veth1")
	l := must(netlink.LinkByName("veth1"))
	check(t, netlink.LinkSetMaster(l, must(netlink.LinkByName("cni0"))))
	check(t, netlink.LinkSetNoMaster(l))
	s.cable(s.sandbox(), "veth2", "eth0")
	s.awaitUnknown("veth2")
	s.awaitAt("a", "veth1")
	for _, l := range s.past() {
		for _, u := range l.Unknown {
			if len(l.Interfaces) > 0 && u.Name == "veth1" {
				t.Error("veth1 was unknown in between")
			}
		}
	}
}

// crowd is a full node: pods with four interfaces each.
func crowd(b *testing.B, pods int) (*scene, []Pod) {
	s := newScene(b)
	var all []Pod
	for i := range pods {
		box := s.sandbox()
		ip := fmt.Sprintf("10.1.%d.%d", i/250, i%250+1)
		for n := range 4 {
			attrs := netlink.LinkAttrs{Name: fmt.Sprintf("veth%d-%d", i, n)}
			check(b, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: fmt.Sprintf("eth%d", n), PeerNamespace: netlink.NsFd(box.ns)}))
		}
		box.address(b, "eth0", ip+"/32")
		p := pod(fmt.Sprintf("uid-%04d", i), fmt.Sprintf("cart-%d", i), ip)
		s.result("ptp.json", p, box, fmt.Sprintf("c%d", i), at(fmt.Sprintf("veth%d-0", i), ip))
		all = append(all, p)
	}
	return s, all
}

// What a look costs on a node with 250 pods and 1,000 interfaces.
func BenchmarkLook(b *testing.B) {
	s, pods := crowd(b, 250)
	begin := func(config Config) *search {
		whole := config.whole()
		found := must(beginSearch(&whole, &memory{told: must(openAttachments("", whole.Log))}))
		b.Cleanup(found.close)
		found.renew(pods)
		located := must(found.look())
		if len(located.Interfaces) != len(pods) {
			b.Fatalf("got %d pods found, want %d", len(located.Interfaces), len(pods))
		}
		return found
	}
	for _, bench := range []struct {
		name   string
		config Config
		before func(*search)
	}{
		{"nothing changed", s.config, func(*search) {}},
		{"an interface changed", s.config, func(f *search) { f.stale.add(news{links: map[int]bool{500: false}}) }},
		{"events were lost", s.config, func(f *search) { f.stale.what = everything; f.results.refresh() }},
		{"first look with no cache, all namespaces", Config{}, func(f *search) { f.stale.what, f.held = everything, nil; f.renew(pods) }},
	} {
		f := begin(bench.config) // here, for sockets are of the thread that opens them
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.before(f)
				must(f.look())
			}
		})
	}
}
