package grants

import (
	"fmt"
	"testing"
)

// S1.
func TestWhy(t *testing.T) {
	b := watching(usual, "example.com", "*.example.org")
	a := addr("192.0.2.1")
	want(t, "at first", b.Why(0, ep, a), "never resolved")
	b.Learn(0, ep, "example.com", answers(0, "192.0.2.1"))
	b.Learn(0, ep, "a.example.org", answers(100*s, "192.0.2.1"))
	want(t, "alive", b.Why(10*s, ep, a), "granted for a.example.org (150 s left), example.com (80 s left)")
	half := "granted for a.example.org (58 s left); expired 12 s ago for example.com"
	want(t, "half expired, not yet seen", b.Why(102*s, ep, a), half)
	b.over(102 * s)
	want(t, "half expired", b.Why(102*s, ep, a), half)
	b.over(200 * s)
	want(t, "expired", b.Why(202*s+s/2, ep, addr("::ffff:192.0.2.1")), "expired 42 s ago for a.example.org")
	want(t, "unknown pod", b.Why(0, 9, a), "the pod has no name rules")
	for i := range 7 {
		b.Learn(300*s, ep, fmt.Sprintf("%d.example.org", i), answers(0, "192.0.2.2"))
	}
	want(t, "many names", b.Why(300*s, ep, addr("192.0.2.2")), "granted for 0.example.org (90 s left), 1.example.org (90 s left), "+
		"2.example.org (90 s left), 3.example.org (90 s left), 4.example.org (90 s left), 2 more")
}

func TestWhyTellsOfTheLastToExpire(t *testing.T) {
	for _, order := range [][]string{{"long.example.org", "short.example.org"}, {"short.example.org", "long.example.org"}} {
		b := watching(usual, "*.example.org")
		for _, name := range order {
			ttl := 100 * s
			if name == "short.example.org" {
				ttl = 0
			}
			b.Learn(0, ep, name, answers(ttl, "192.0.2.1"))
		}
		unseen := b.Why(170*s, ep, addr("192.0.2.1"))
		b.over(170 * s)
		want(t, "after Expire", b.Why(170*s, ep, addr("192.0.2.1")), "expired 10 s ago for long.example.org")
		want(t, "before Expire", unseen, "expired 10 s ago for long.example.org")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	b := watching(usual, "*.example.com")
	for i := range 2 * remembered {
		name := fmt.Sprintf("%d.example.com", i)
		b.Learn(0, ep, name, []Address{{IP: numbered(i)}})
		b.Learn(0, ep, name, answers(0, fmt.Sprintf("127.0.%d.%d", i/256, i%256)))
	}
	b.over(1000 * s)
	p := b.pods[ep]
	want(t, "endings", p.past.order.Len(), remembered)
	want(t, "endings by address", len(p.past.last), remembered)
	want(t, "names", len(p.names), 0)
	want(t, "why", b.Why(1000*s, ep, addr("192.0.2.1")), "not among the last 512 addresses that the pod resolved and lost")
}

func TestHoldings(t *testing.T) {
	b := watching(usual, "*.example.com", "b.example.com")
	b.Learn(0, ep, "b.example.com", answers(100*s, "192.0.2.2", "192.0.2.1"))
	b.Learn(0, ep, "a.example.com", answers(0, "192.0.2.2", "192.0.2.3"))
	both := []string{"*.example.com", "b.example.com"}
	want(t, "holdings", b.Holdings(s, ep), []Holding{
		{grant("192.0.2.1", 160*s, both...), []Name{{"b.example.com", 160 * s}}, 0},
		{grant("192.0.2.2", 160*s, both...), []Name{{"a.example.com", 90 * s}, {"b.example.com", 160 * s}}, 0},
		{grant("192.0.2.3", 90*s, "*.example.com"), []Name{{"a.example.com", 90 * s}}, 0},
	})
	want(t, "what has expired is not held", len(b.Holdings(90*s, ep)), 2)
	want(t, "sets", b.Sets(ep), [][]string{{"*.example.com"}, both})
	want(t, "a stranger holds nothing", len(b.Holdings(s, 9))+len(b.Grants(9))+len(b.Sets(9)), 0)
}

func TestCausesHaveWords(t *testing.T) {
	seen := make(map[string]bool)
	for c := CauseUnknown; c <= CauseGuarded; c++ {
		if c.String() == "" || seen[c.String()] {
			t.Errorf("cause %d: label %q", c, c)
		}
		seen[c.String()] = true
	}
}
