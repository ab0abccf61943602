package policy

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// weak makes ids that collide all the time, as an attacker would want them.
func weak(d digest) uint64 { return 1 + uint64(d[0]&3) }

// Where ids collide, nothing is allowed that the rules deny, and it is told.
func TestCollisionsAreClosed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		sound, c := Compile(w), compile(w, weak, nil)
		for i := range w.Pods {
			p := w.Pods[i]
			ep := EndpointOf(p.Ref.UID)
			if _, policed := c.Tables.Endpoints[ep]; !policed {
				continue
			}
			for range 12 {
				f := drawFlow(t, w, p)
				got := c.Tables.Judge(ep, f.Direction, f.Peer, f.Protocol, f.Port, 0)
				want := sound.Tables.Judge(ep, f.Direction, f.Peer, f.Protocol, f.Port, 0)
				if got.Verdict == Allow && want.Verdict != Allow {
					t.Fatalf("%s: got %+v, want %+v", describe(f), got, want)
				}
				if got.Verdict != want.Verdict && len(c.Problems) == len(sound.Problems) {
					t.Fatalf("%s: closed, but no problem tells of it", describe(f))
				}
			}
		}
	})
}

// A closed class is explained as such.
func TestClosedIsExplained(t *testing.T) {
	w := scene(cluster(TierAdmin, 0, "cnp", accept(block("192.0.2.1/32")), accept(block("192.0.2.2/32")).on(tcp(80)),
		accept(block("192.0.2.3/32")).on(tcp(81))))
	c := compile(w, func(d digest) uint64 { return 7 }, nil)
	got := c.Tables.Judge(EndpointOf("web"), Egress, netip.MustParseAddr("192.0.2.1"), protocolTCP, 80, 0)
	ref, ok := c.Explain(got.List, got.Index)
	if got.Verdict != Deny || !ok || ref.String() != "closed: hash collision" {
		t.Errorf("got %+v explained as %q, want a denial by a hash collision", got, ref)
	}
}

// P16, P21: pods that cannot be told apart get nothing.
func TestTwoPodsOfOneUID(t *testing.T) {
	w := scene()
	w.Pods[2].Ref.UID = w.Pods[0].Ref.UID
	c := Compile(w)
	if got := c.Tables.Judge(EndpointOf("web"), Egress, netip.MustParseAddr("8.8.8.8"), protocolTCP, 80, 0); got.Verdict != Deny {
		t.Errorf("got %+v, want deny", got)
	}
	if len(c.Problems) != 1 {
		t.Errorf("got problems %v, want one", c.Problems)
	}
}
