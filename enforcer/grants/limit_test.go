package grants

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
)

// N15.
func TestDefaultLimits(t *testing.T) {
	b := watching(usual, "example.com", "*.example.com")
	var addrs []Address
	for i := range 1_001 {
		addrs = append(addrs, Address{IP: numbered(i)})
	}
	out := b.Learn(0, ep, "example.com", addrs)
	want(t, "entries of one name", len(out.Entries), 1_000)
	want(t, "refused", out.Refused, []Refusal{{Addr: numbered(1_000), Reason: ReasonNameLimit}})
	for i := 1_000; i < 10_000; i++ {
		b.Learn(0, ep, fmt.Sprintf("%d.example.com", i), []Address{{IP: numbered(i)}})
	}
	want(t, "entries of one pod", b.Len(), 10_000)
	out = b.Learn(0, ep, "new.example.com", []Address{{IP: numbered(10_000)}})
	want(t, "evicted", out.Evicted, []netip.Addr{numbered(1_000)})
	want(t, "entries of one pod", b.Len(), 10_000)
}

// N15.
func TestNameLimit(t *testing.T) {
	limited := usual
	limited.PerName = 2
	b := watching(limited, "a.example.com", "b.example.com")
	b.Learn(0, ep, "b.example.com", answers(0, "192.0.2.1"))
	b.Learn(1*s, ep, "a.example.com", answers(0, "192.0.2.1"))
	out := b.Learn(2*s, ep, "a.example.com", answers(0, "192.0.2.2"))
	want(t, "at the limit little is promised", out.ValidFor, crowded)
	b.Learn(3*s, ep, "a.example.com", answers(0, "192.0.2.1")) // now the younger one
	out = b.Learn(4*s, ep, "a.example.com", answers(0, "192.0.2.3"))
	want(t, "the longest unheard of goes", out.Evicted, []netip.Addr{addr("192.0.2.2")})
	out = b.Learn(5*s, ep, "a.example.com", answers(0, "192.0.2.4"))
	want(t, "an address that another name admits stays", out.Evicted, []netip.Addr{})
	want(t, "with fewer patterns", out.Entries, []Grant{
		grant("192.0.2.4", 95*s, "a.example.com"),
		grant("192.0.2.1", 90*s, "b.example.com"),
	})
	out = b.Learn(6*s, ep, "a.example.com", answers(0, "192.0.2.5", "192.0.2.6", "192.0.2.7"))
	want(t, "an answer does not push out its own", len(out.Entries), 2)
	want(t, "but is refused", out.Refused, []Refusal{{Addr: addr("192.0.2.7"), Reason: ReasonNameLimit}})
	want(t, "why", b.Why(7*s, ep, addr("192.0.2.7")),
		"not granted: 192.0.2.7 is over the limit of addresses of one name, answered 1 s ago for a.example.com")
	want(t, "why", b.Why(7*s, ep, addr("192.0.2.3")),
		"evicted 1 s ago for a.example.com: the limit of addresses was reached")
}

// N15.
func TestPodLimit(t *testing.T) {
	limited := usual
	limited.PerPod = 3
	b := watching(limited, "*.example.com", "example.com", "example.org")
	b.Learn(0, ep, "example.com", answers(0, "192.0.2.1"))
	b.Learn(1*s, ep, "a.example.com", answers(0, "192.0.2.2"))
	b.Learn(2*s, ep, "b.example.com", answers(0, "192.0.2.3"))
	out := b.Learn(3*s, ep, "c.example.com", answers(0, "192.0.2.4"))
	want(t, "the oldest wildcard goes first", out.Evicted, []netip.Addr{addr("192.0.2.2")})
	out = b.Learn(4*s, ep, "example.org", answers(0, "192.0.2.5", "192.0.2.6"))
	want(t, "exact names push out wildcards", out.Evicted, []netip.Addr{addr("192.0.2.3"), addr("192.0.2.4")})
	out = b.Learn(5*s, ep, "d.example.com", answers(0, "192.0.2.7"))
	want(t, "a wildcard pushes out no exact name", out.Refused, []Refusal{{Addr: addr("192.0.2.7"), Reason: ReasonPodLimit}})
	want(t, "and gets nothing", len(out.Entries), 0)
	out = b.Learn(6*s, ep, "example.org", answers(0, "192.0.2.8"))
	want(t, "exact names go last, the oldest first", out.Evicted, []netip.Addr{addr("192.0.2.1")})
	out = b.Learn(7*s, ep, "d.example.com", answers(0, "192.0.2.8"))
	want(t, "an address that is there needs no room", out.Entries, []Grant{grant("192.0.2.8", 96*s, "*.example.com", "example.org")})
	want(t, "entries", b.Len(), 3)
}

// N15: the oldest is the longest unheard of, not the first learnt.
func TestAnAnswerMakesYoung(t *testing.T) {
	limited := usual
	limited.PerPod = 2
	b := watching(limited, "*.example.com")
	b.Learn(0, ep, "a.example.com", answers(0, "192.0.2.1"))
	b.Learn(1*s, ep, "b.example.com", answers(0, "192.0.2.2"))
	b.Learn(2*s, ep, "a.example.com", answers(0, "192.0.2.1"))
	out := b.Learn(3*s, ep, "c.example.com", answers(0, "192.0.2.3"))
	want(t, "answered again", out.Evicted, []netip.Addr{addr("192.0.2.2")})
}

// N15: a pod exhausts only its own share.
func TestPodLimitIsOfOnePod(t *testing.T) {
	limited := usual
	limited.PerPod = 2
	b := NewBook(limited)
	b.Pods(0, wanted(map[policy.EndpointID][]string{1: {"*.example.com"}, 2: {"*.example.com"}}))
	b.Learn(0, 2, "a.example.com", answers(0, "192.0.2.1"))
	for i := range 100 {
		b.Learn(s, 1, fmt.Sprintf("%d.example.com", i), []Address{{IP: numbered(i)}})
	}
	want(t, "the flood", len(b.Grants(1)), 2)
	want(t, "its neighbour", len(b.Grants(2)), 1)
}

// N15: random names below a wildcard fill no memory, whether they lead to one
// address or to many, and cost no exact name its life.
func TestNamesAreBounded(t *testing.T) {
	limited := usual
	limited.PerPod = 100
	b := watching(limited, "*.example.com", "example.com")
	b.Learn(0, ep, "example.com", []Address{{IP: numbered(0), TTL: 1}})
	for i := range 5_000 {
		b.Learn(s, ep, fmt.Sprintf("%d.example.com", i), []Address{{IP: numbered(0)}})
	}
	p := b.pods[ep]
	want(t, "names of one address", len(p.names), namesPerAddress)
	want(t, "entry", b.Grants(ep), []Grant{{ep, numbered(0), []string{"*.example.com", "example.com"}, 90 * s, 0}})
	for i := range 50_000 {
		b.Learn(2*s, ep, fmt.Sprintf("x%d.example.com", i), []Address{{IP: numbered(i % 100)}})
	}
	if most := 2*limited.PerPod + limited.PerPod; p.links > most || len(p.names) > most {
		t.Errorf("got %d links, %d names, want at most %d", p.links, len(p.names), most)
	}
	want(t, "entries", b.Len(), 100)
}
