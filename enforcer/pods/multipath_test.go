package pods

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// manyways leads to an address over several interfaces of the node at once.
func (s *scene) manyways(address string, hosts ...string) {
	s.tb.Helper()
	var hops []*netlink.NexthopInfo
	for _, host := range hosts {
		hops = append(hops, &netlink.NexthopInfo{LinkIndex: s.here(host).Index})
	}
	dst := must(netlink.ParseIPNet(whole(address)))
	check(s.tb, netlink.RouteReplace(&netlink.Route{Dst: dst, MultiPath: hops, Scope: unix.RT_SCOPE_LINK}))
}

// P16, P21: a route that leads over several interfaces says of none that it is
// the pod's.
func TestMultipath(t *testing.T) {
	p := pod("a", "cart-0", "10.1.0.5")
	setup := func(t *testing.T) *scene {
		s := newScene(t)
		s.cable(s.sandbox(), "veth1", "eth0")
		s.cable(s.sandbox(), "veth2", "eth0")
		return s
	}
	t.Run("it is found over neither, and told why", func(t *testing.T) {
		s := setup(t)
		s.manyways("10.1.0.5", "veth1", "veth2")
		s.start()
		s.finder.Want([]Pod{p})
		s.awaitNot("a", "routes to its addresses lead over veth1 and veth2")
		s.awaitUnknown("veth1", "veth2")
	})
	t.Run("with one way less it is found", func(t *testing.T) {
		s := setup(t)
		s.manyways("10.1.0.5", "veth1", "veth2")
		s.start()
		s.finder.Want([]Pod{p})
		s.awaitNot("a")
		s.manyways("10.1.0.5", "veth2")
		s.awaitAt("a", "veth2")
		s.awaitUnknown("veth1")
	})
	t.Run("what the cache says stands, and the other way is told", func(t *testing.T) {
		s := setup(t)
		s.manyways("10.1.0.5", "veth1", "veth2")
		s.result("ptp.json", p, nil, "c1", at("veth2", "10.1.0.5"))
		s.start()
		s.finder.Want([]Pod{p})
		s.awaitAt("a", "veth2")
		s.await("a doubt about the other way", func(l *Located) bool {
			return containsAll(l.Doubts["a"], []string{"veth2 is its interface", "a route to 10.1.0.5 leads over veth1"})
		})
	})
}

// A list of ways that is cut short or lies about its sizes ends where it is no
// longer whole.
func TestHops(t *testing.T) {
	hop := func(size uint16, index uint32, more ...byte) []byte {
		b := make([]byte, unix.SizeofRtNexthop)
		binary.NativeEndian.PutUint16(b, size)
		binary.NativeEndian.PutUint32(b[4:], index)
		return append(b, more...)
	}
	for _, c := range []struct {
		sentence string
		bytes    []byte
		want     []int
	}{
		{"nothing", nil, nil},
		{"two", slices.Concat(hop(8, 3), hop(8, 4)), []int{3, 4}},
		{"two, the first with a gateway", slices.Concat(hop(16, 3, 8, 0, 5, 0, 10, 0, 0, 1), hop(8, 4)), []int{3, 4}},
		{"two, the first of a size that is padded", slices.Concat(hop(9, 3, 1, 0, 0, 0), hop(8, 4)), []int{3, 4}},
		{"the second is cut short", slices.Concat(hop(8, 3), hop(8, 4)[:7]), []int{3}},
		{"the second says more than there is", slices.Concat(hop(8, 3), hop(9, 4)), []int{3}},
		{"the second says less than any has", slices.Concat(hop(8, 3), hop(7, 4), hop(8, 5)), []int{3}},
		{"the first has no size", hop(0, 3), nil},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got := hops(c.bytes); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
