package hub

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPromisesAreThoseOfAMap: whatever their number, and whatever has run out,
// promises are found as in a plain map of the latest ends.
func TestPromisesAreThoseOfAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &promises{}
		want := map[address]instant{}
		var now instant
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += time.Second
			if rapid.IntRange(0, 40).Draw(t, "expire") == 0 {
				p.expire(now)
				for ip, until := range want {
					if until <= now {
						delete(want, ip)
					}
				}
			}
			ip := addressOf(netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(0, 60).Draw(t, "ip"))}))
			until := now + time.Duration(rapid.IntRange(0, 100).Draw(t, "valid"))*time.Second
			p.add(promise{ip: ip, until: until}, rapid.IntRange(0, 60).Draw(t, "likely"))
			want[ip] = max(want[ip], until)
		}
		if len(p.all) != len(want) {
			t.Fatalf("%d promises, want %d", len(p.all), len(want))
		}
		for ip, until := range want {
			if got := p.find(ip, 0); got == nil || got.until != until {
				t.Fatalf("%v: got %v, want %v", ip.addr(), got, until)
			}
		}
	})
}
