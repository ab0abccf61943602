package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/nameward/nameward/enforcer/datapath"
)

const (
	onNode, inPod = "10.9.0.1", "10.9.0.2"
	lenient       = `"mode": "best-effort", ` + brief
)

// D9: best effort lets a pod start while no enforcer runs, but not open, on a node
// that has just booted no less than after a crash; the next enforcer takes it over.
func TestShutWhileAway(t *testing.T) {
	n := newNode(t)
	pod := n.wired(lenient)
	if err := n.probe(pod); err != nil {
		t.Errorf("P18: the node's probe of the pod: %v", err)
	}
	if err := n.connect(pod, brieflyTried); err == nil {
		t.Error("the pod reaches its node, want it shut")
	}
	d := n.enforcer()
	if !d.IsShut(n.index(hostName(pod.ContainerID))) {
		t.Error("the next enforcer does not know that the interface is shut")
	}
}

// D9: those that come later do not open those before, nor does one that is gone
// stand in their way.
func TestShutOneAfterTheOther(t *testing.T) {
	n := newNode(t)
	first := n.wired(lenient)
	gone, last := n.pod("c2"), n.pod("c3")
	for _, p := range []*libcni.RuntimeConf{gone, last} {
		if _, err := n.add(n.list("1.0.0", veth, lenient), p); err != nil {
			t.Fatal(err)
		}
		if p == gone {
			if err := n.inside(func() error { return netlink.LinkDel(linkNamed(t, hostName("c2"))) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := n.probe(first); err != nil {
		t.Errorf("P18: the node's probe of the pod: %v", err)
	}
	if err := n.connect(first, brieflyTried); err == nil {
		t.Error("the pod reaches its node, want it shut as before")
	}
	d := n.enforcer()
	for _, p := range []*libcni.RuntimeConf{first, last} {
		if !d.IsShut(n.index(hostName(p.ContainerID))) {
			t.Errorf("the interface of %s is not shut", p.ContainerID)
		}
	}
}

// P23: where nothing is to be denied, nothing is, whether or not an enforcer runs.
func TestOpenWhileAway(t *testing.T) {
	n := newNode(t)
	pod := n.wired(`"away": "open", ` + lenient)
	if err := n.connect(pod, longTried); err != nil {
		t.Errorf("the pod to its node: got %v, want it connected", err)
	}
}

// D9: an enforcer that runs without an answer has shut the interface itself, and
// its pins are not touched.
func TestShutUnderAnEnforcer(t *testing.T) {
	n := newNode(t)
	d := n.enforcer()
	pod := n.wired(lenient)
	if err := n.connect(pod, longTried); err != nil {
		t.Errorf("got %v, want the interface left to the enforcer", err)
	}
	if d.IsShut(n.index(hostName(pod.ContainerID))) {
		t.Error("the enforcer's interfaces are not its own")
	}
}

// D9: what cannot be shut does not start.
func TestNoPlaceToPin(t *testing.T) {
	n := newNode(t)
	n.pins = filepath.Join(t.TempDir(), "nameward")
	_, err := n.add(n.list("1.0.0", veth, lenient), n.pod("c1"))
	if err == nil || !strings.Contains(err.Error(), "cannot be shut") || !strings.Contains(err.Error(), n.pins) {
		t.Errorf("got %v, want no start, and why", err)
	}
}

// wired is a pod whose interface came up by the chain, with addresses. The node has
// its own before.
func (n *node) wired(ourKeys string) *libcni.RuntimeConf {
	n.t.Helper()
	pod := n.pod("c1")
	if err := n.inside(func() error { return raise("lo", onNode+"/32") }); err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.add(n.list("1.0.0", veth, ourKeys), pod); err != nil {
		n.t.Fatal(err)
	}
	host := func() error { return raise(hostName("c1"), onNode+"/24") }
	if err := errors.Join(n.inside(host), n.within(pod, func() error { return raise("eth0", inPod+"/24") })); err != nil {
		n.t.Fatal(err)
	}
	return pod
}

func raise(name, address string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	return errors.Join(netlink.AddrAdd(l, a), netlink.LinkSetUp(l))
}

func linkNamed(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Error(err)
	}
	return l
}

// within runs f in a pod's namespace.
func (n *node) within(pod *libcni.RuntimeConf, f func() error) error {
	ns, err := netns.GetFromPath(pod.NetNS)
	if err != nil {
		return err
	}
	defer ns.Close()
	return (&node{t: n.t, host: ns}).inside(f)
}

// connect is from the pod to its node.
func (n *node) connect(pod *libcni.RuntimeConf, tried time.Duration) error {
	return n.meet(onNode, n.inside, func(f func() error) error { return n.within(pod, f) }, tried)
}

// probe is from the node to its pod. It succeeds when the link is up.
func (n *node) probe(pod *libcni.RuntimeConf) error {
	return n.meet(inPod, func(f func() error) error { return n.within(pod, f) }, n.inside, longTried)
}

// A SYN that is lost while a link comes up is sent again after one second, two and
// four (RFC 6298). What is to be blocked is tried on a link that is up.
const longTried, brieflyTried = 20 * time.Second, 1500 * time.Millisecond

// meet listens in one place and connects from another.
func (n *node) meet(address string, there, here func(func() error) error, tried time.Duration) error {
	n.t.Helper()
	var l net.Listener
	err := there(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(address, "80"))
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), tried)
	defer cancel()
	return here(func() error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		return c.Close()
	})
}

// enforcer opens the node's pins, until the test ends.
func (n *node) enforcer() *datapath.Datapath {
	n.t.Helper()
	var d *datapath.Datapath
	if err := n.inside(func() (err error) {
		d, err = datapath.Open(datapath.Config{Pin: n.pins})
		return err
	}); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			n.t.Error(err)
		}
	})
	return d
}
