package grants

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkLearn(b *testing.B) {
	b.Run("same answer again", func(b *testing.B) {
		book := watching(usual, "example.com", "*.example.com")
		addrs := answers(0, "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2")
		b.ReportAllocs()
		for now := time.Duration(0); b.Loop(); now += time.Millisecond {
			book.Learn(now, ep, "www.example.com", addrs)
		}
	})
	b.Run("new names of a full pod", func(b *testing.B) {
		book := watching(usual, "example.com", "*.example.com")
		var domains []string
		for i := range 20_000 {
			domains = append(domains, fmt.Sprintf("%d.example.com", i))
			book.Learn(0, ep, domains[i], []Address{{IP: numbered(i)}})
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i = (i + 1) % len(domains) {
			book.Learn(s, ep, domains[i], []Address{{IP: numbered(i)}})
		}
	})
	b.Run("address of 1000 names", func(b *testing.B) {
		var patterns []string
		for i := range 1_000 {
			patterns = append(patterns, fmt.Sprintf("%d.example.com", i))
		}
		book := watching(usual, patterns...)
		for i, name := range patterns {
			book.Learn(time.Duration(i), ep, name, answers(0, "192.0.2.1"))
		}
		b.ReportAllocs()
		for now := time.Duration(0); b.Loop(); now++ {
			book.Learn(now, ep, "0.example.com", answers(0, "192.0.2.1"))
		}
	})
}

func BenchmarkExpire10000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		book := watching(usual, "*.example.com")
		for i := range 10_000 {
			book.Learn(0, ep, fmt.Sprintf("%d.example.com", i), []Address{{IP: numbered(i)}})
		}
		b.StartTimer()
		book.over(1000 * s)
	}
}

func BenchmarkGuard(b *testing.B) {
	guard := Guard{Occupied: cluster, Allowed: prefixes("10.0.0.0/8")}
	for _, a := range []string{"192.0.2.1", "2001:db8::7", "64:ff9b::192.0.2.1"} {
		b.Run(a, func(b *testing.B) {
			b.ReportAllocs()
			at := addr(a)
			for b.Loop() {
				guard.Check(at)
			}
		})
	}
}

// A pod at its limit whose connections all live.
func BenchmarkHold10000(b *testing.B) {
	book := watching(usual, "*.example.com")
	var all []Live
	for i := range 10_000 {
		book.Learn(0, ep, fmt.Sprintf("%d.example.com", i), []Address{{IP: numbered(i)}})
		all = append(all, Live{Addr: numbered(i), Patterns: []string{"*.example.com"}, Connections: 10})
	}
	b.ReportAllocs()
	for now := 100 * s; b.Loop(); now += HoldInterval {
		book.Expire(now)
		if c := book.Hold(now, ep, all); len(c.Grants) != len(all) {
			b.Fatalf("got %d entries, want all held on", len(c.Grants))
		}
	}
}
