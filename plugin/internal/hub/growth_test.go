package hub

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// acknowledging is a watch whose session settles everything at once, without a
// stream in between.
func acknowledging(h *Hub, patterns []string) *watch {
	set, err := h.sets.of(patterns)
	if err != nil {
		panic(err)
	}
	w := &watch{session: newSession(h, "node-a"), patterns: set, addresses: []netip.Addr{pod}}
	h.directory.apply([]change{{addr: pod, new: w}})
	return w
}

// BenchmarkPatterns measures an acknowledged answer to a pod of ever more
// patterns: it costs by the labels of the name.
func BenchmarkPatterns(b *testing.B) {
	for _, count := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			h := journaled(256)
			patterns := make([]string, count)
			for i := range patterns {
				patterns[i] = fmt.Sprintf("*.n%d.example.org", i)
			}
			w := acknowledging(h, patterns)
			a := answer("www.n7.example.org", 60, "192.0.2.1", "192.0.2.2")
			w.remember(newMessage(w, pod, a.Names[0], a.Addresses), time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				if outcome, _ := h.Answer(b.Context(), pod, a, time.Second); outcome != Known {
					b.Fatal(outcome)
				}
			}
		})
	}
}

// BenchmarkManyAddresses measures an answer of four addresses for a name that
// has ever more of them, as object stores do: recording, needing, remembering.
func BenchmarkManyAddresses(b *testing.B) {
	for _, count := range []int{40, 400, 4000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			h := journaled(1024)
			w := acknowledging(h, []string{"example.org"})
			ips := make([]netip.Addr, count)
			ip := netip.MustParseAddr("192.0.2.1")
			for i := range ips {
				ips[i], ip = ip, ip.Next()
			}
			a := Answer{Names: []string{"example.org"}, Addresses: make([]Address, 4)}
			b.ReportAllocs()
			for i := 0; b.Loop(); i += 4 {
				for k := range a.Addresses {
					a.Addresses[k] = Address{IP: ips[(i+k)%count], TTL: 5}
				}
				now := h.now()
				h.journal.record(pod, a, now)
				if w.needs("example.org", a.Addresses, now) != needNothing {
					m := newMessage(w, pod, "example.org", a.Addresses)
					m.sent = now
					w.remember(m, time.Hour)
				}
			}
		})
	}
}

// TestAnswerAllocatesNothing: what is acknowledged costs no memory, be the pod's
// patterns ten or ten thousand and the name's addresses four or four thousand.
func TestAnswerAllocatesNothing(t *testing.T) {
	for _, size := range []int{4, 4000} {
		h := journaled(1024)
		patterns := make([]string, 0, 3*size)
		for i := range cap(patterns) {
			patterns = append(patterns, fmt.Sprintf("n%d.example.org", i))
		}
		w := acknowledging(h, patterns)
		a := Answer{Names: []string{"n0.example.org"}}
		ip := netip.MustParseAddr("192.0.2.1")
		for range size {
			a.Addresses = append(a.Addresses, Address{IP: ip, TTL: 60})
			ip = ip.Next()
		}
		w.remember(newMessage(w, pod, a.Names[0], a.Addresses), time.Hour)
		ask := func() {
			if outcome, _ := h.Answer(t.Context(), pod, a, time.Second); outcome != Known {
				t.Fatalf("got outcome %d, want %d", outcome, Known)
			}
		}
		ask()
		if got := testing.AllocsPerRun(10, ask); got > 0 {
			t.Errorf("%v allocations for an answer of %d addresses, want none", got, size)
		}
	}
}

// TestRepeatedWatchesPileUpNothing: an enforcer that repeats itself while nothing
// can be replayed makes the hub keep its newest watch, not all of them.
func TestRepeatedWatchesPileUpNothing(t *testing.T) {
	h := journaled(16)
	s := newSession(h, "node-a")
	s.sender = true // as one that waits for its peer to read
	for range 1000 {
		w := &watch{session: s, addresses: []netip.Addr{pod}}
		if err := h.subscribe(s, step{watches: []*watch{w}}); err != nil {
			t.Fatal(err)
		}
		s.queueReplay([]*watch{w})
	}
	if got := len(s.backlog); got > 4 {
		t.Errorf("%d watches wait for their replay, want few", got)
	}
}
