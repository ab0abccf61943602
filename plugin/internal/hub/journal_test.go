package hub

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func everything(string) bool { return true }

func journaled(limit int) *Hub {
	h := New(time.Now, discard{})
	h.SetJournal(limit)
	return h
}

func (j *journal) names(client netip.Addr, now instant) map[string]int {
	names := map[string]int{}
	for _, a := range j.replay(client, now, everything) {
		names[a.Names[0]] = len(a.Addresses)
	}
	return names
}

func TestJournalKeepsTheLatestNames(t *testing.T) {
	j := &journaled(3).journal
	for i := range 5 {
		j.record(pod, answer(fmt.Sprintf("n%d.example.org", i), 60, "192.0.2.1"), instant(i))
		j.record(pod, answer("steady.example.org", 60, "192.0.2.1"), instant(i))
	}
	got := fmt.Sprint(j.names(pod, 10))
	if want := "map[n3.example.org:1 n4.example.org:1 steady.example.org:1]"; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestJournalForgetsWhatNobodyWouldGrant(t *testing.T) {
	tests := []struct {
		name string
		ttl  uint32
		at   time.Duration
		want int
	}{
		{"a short TTL is kept for floor and grace", 1, 89 * time.Second, 1},
		{"and no longer", 1, 90 * time.Second, 0},
		{"a long TTL is kept for itself and grace", 300, 359 * time.Second, 1},
		{"and no longer, either", 300, 360 * time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := &journaled(16).journal
			j.record(pod, answer("example.org", tt.ttl, "192.0.2.1"), 0)
			if got := j.names(pod, tt.at)["example.org"]; got != tt.want {
				t.Errorf("got %d addresses, want %d", got, tt.want)
			}
		})
	}
}

func TestJournalNeverShortens(t *testing.T) {
	j := &journaled(16).journal
	j.record(pod, answer("example.org", 300, "192.0.2.1"), 0)
	j.record(pod, answer("example.org", 5, "192.0.2.1"), time.Second)
	if got := j.replay(pod, time.Second, everything)[0].Addresses[0].TTL; got != 299 {
		t.Errorf("got TTL %d, want 299", got)
	}
}

// TestJournalIsBounded proves the journal's share of N15 and D12: a client that
// learns without end pays with its own pages.
func TestJournalIsBounded(t *testing.T) {
	const limit = 256
	j := &journaled(limit).journal
	modest := netip.MustParseAddr("10.0.1.1")
	j.record(modest, answer("example.org", 60, "192.0.2.1"), 0)
	ip := netip.MustParseAddr("2001:db8::")
	greedy := modest
	for range 16 {
		for greedy = greedy.Next(); j.shard(greedy) != j.shard(modest); greedy = greedy.Next() {
		}
		for i := range 300 {
			a := Answer{Names: []string{fmt.Sprintf("n%d.example.org", i%200)}}
			for range 50 {
				ip = ip.Next()
				a.Addresses = append(a.Addresses, Address{IP: ip, TTL: 60})
			}
			j.record(greedy, a, instant(i))
		}
	}
	s := j.shard(modest)
	if s.weight > shardWeight(limit) {
		t.Errorf("the shard weighs %d, want at most %d", s.weight, shardWeight(limit))
	}
	total := 0
	for client, d := range s.diary {
		weight := diaryWeight
		pages := 0
		for p := d.latest; p != nil; p = p.older {
			weight += p.weight()
			pages++
		}
		if weight != d.weight || weight > clientWeight(limit) || pages != d.pages {
			t.Errorf("client %s weighs %d, accounted %d, want at most %d", client, weight, d.weight, clientWeight(limit))
		}
		total += weight
	}
	if total != s.weight {
		t.Errorf("the shard weighs %d, accounted %d", total, s.weight)
	}
	if len(j.names(modest, 0)) != 1 {
		t.Error("the modest client has lost its page")
	}
}

func TestJournalSweeps(t *testing.T) {
	j := &journaled(16).journal
	s := j.shard(pod)
	j.record(pod, answer("example.org", 60, "192.0.2.1"), 0)
	s.shrink(time.Hour, minShardWeight)
	if s.weight != 0 || len(s.diary) != 0 {
		t.Errorf("weight %d and %d clients are left", s.weight, len(s.diary))
	}
}

func TestJournalCanBeOff(t *testing.T) {
	h := journaled(16)
	h.journal.record(pod, answer("example.org", 60, "192.0.2.1"), 0)
	h.SetJournal(0)
	h.journal.record(pod, answer("example.org", 60, "192.0.2.1"), 0)
	if h.Journaled() != 0 || h.Interested(pod) {
		t.Errorf("%d clients in a journal that is off", h.Journaled())
	}
}

// TestRememberedIsBounded: what one pod makes the plugin remember has an end.
func TestRememberedIsBounded(t *testing.T) {
	w := &watch{}
	for i := range 2 * maxRemembered {
		m := &message{name: fmt.Sprintf("n%d.example.org", i), addresses: answer("", 60, "192.0.2.1").Addresses}
		w.remember(m, time.Hour)
	}
	total := 0
	for _, known := range w.acked {
		total += len(known.all)
	}
	if total != w.held || total > maxRemembered {
		t.Errorf("%d remembered, accounted %d, want at most %d", total, w.held, maxRemembered)
	}
}

// TestJournalReplaysWhatItWasTold: with room for all, any sequence of answers is
// replayed with the latest end of each address, as a plain map has it.
func TestJournalReplaysWhatItWasTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := &journaled(64).journal
		type key struct{ name, ip string }
		ends := map[key]instant{}
		var now instant
		names := rapid.IntRange(1, 40).Draw(t, "names")
		addresses := rapid.IntRange(1, 80).Draw(t, "addresses")
		for range rapid.IntRange(1, 50).Draw(t, "answers") {
			now += time.Duration(rapid.IntRange(0, 60).Draw(t, "pause")) * time.Second
			a := Answer{Names: []string{fmt.Sprintf("n%d.example", rapid.IntRange(1, names).Draw(t, "name"))}}
			for range rapid.IntRange(1, 40).Draw(t, "many") {
				ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(1, addresses).Draw(t, "ip"))})
				if rapid.Bool().Draw(t, "v6") {
					ip = netip.AddrFrom16([16]byte{0x20, 1, 15: ip.AsSlice()[3]})
				}
				ttl := rapid.Uint32Range(0, 300).Draw(t, "ttl")
				a.Addresses = append(a.Addresses, Address{IP: ip, TTL: ttl})
				k := key{a.Names[0], ip.String()}
				ends[k] = max(ends[k], now+seconds(ttl))
			}
			j.record(pod, a, now)
		}
		got := map[key]uint32{}
		for _, a := range j.replay(pod, now, everything) {
			for _, addr := range a.Addresses {
				got[key{a.Names[0], addr.IP.String()}] = addr.TTL
			}
		}
		for k, end := range ends {
			ttl, ok := got[k]
			if end > now && (!ok || ttl != uint32((end-now)/time.Second)) {
				t.Fatalf("%v: got TTL %d (%v), want %v", k, ttl, ok, end-now)
			}
			if ok && end <= now && ttl != 0 {
				t.Fatalf("%v: got TTL %d after its end", k, ttl)
			}
		}
		if s := j.shard(pod); s.weight != s.diary[pod].weight {
			t.Fatalf("the shard weighs %d, its only client %d", s.weight, s.diary[pod].weight)
		}
	})
}

// TestCyclingAllocatesNothing: a client that asks for more names than it may
// keep makes the journal forget and write at each answer, in the same memory.
func TestCyclingAllocatesNothing(t *testing.T) {
	j := &journaled(64).journal
	answers := make([]Answer, 512)
	for i := range answers {
		answers[i] = answer(fmt.Sprintf("n%d.example.org", i), 60, "192.0.2.1", "192.0.2.2", "2001:db8::1")
	}
	var now instant
	cycle := func() {
		for _, a := range answers {
			now++
			j.record(pod, a, now)
		}
	}
	cycle()
	if allocs := testing.AllocsPerRun(10, cycle); allocs > 0 {
		t.Errorf("%v allocations for %d answers, want none", allocs, len(answers))
	}
	if got := len(j.names(pod, now)); got != 64 {
		t.Errorf("%d names are left, want 64", got)
	}
}

// TestGrowingNameIsNotQuadratic: what an answer costs does not grow with what
// the name has answered before, be it thousands of addresses.
func TestGrowingNameIsNotQuadratic(t *testing.T) {
	work := func(addresses int) float64 {
		j := &journaled(4096).journal
		ip := netip.MustParseAddr("192.0.2.1")
		for i := range addresses / 4 {
			a := Answer{Names: []string{"example.org"}}
			for range 4 {
				a.Addresses = append(a.Addresses, Address{IP: ip, TTL: 60})
				ip = ip.Next()
			}
			j.record(pod, a, instant(i))
		}
		return float64(j.shard(pod).diary[pod].moved) / float64(addresses)
	}
	few, many := work(500), work(16000)
	if many > 2*few || many == 0 {
		t.Errorf("an address among 500 costs %.1f moves, among 16,000 %.1f", few, many)
	}
}

func BenchmarkRecord(b *testing.B) {
	j := &journaled(256).journal
	a := answer("example.org", 60, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
	b.ReportAllocs()
	for now := instant(0); b.Loop(); now++ {
		j.record(pod, a, now)
	}
}

// BenchmarkCycle measures a client that asks for more names than it may keep:
// each answer makes the journal forget one and write one.
func BenchmarkCycle(b *testing.B) {
	for _, count := range []int{200, 2000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			j := &journaled(256).journal
			answers := make([]Answer, count)
			for i := range answers {
				answers[i] = answer(fmt.Sprintf("n%d.example.org", i), 60, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				j.record(pod, answers[i%count], instant(i))
			}
		})
	}
}

// BenchmarkFull measures a new name in a journal that has no room left, and
// reports what a full journal takes.
func BenchmarkFull(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	j := &journaled(256).journal
	client := netip.MustParseAddr("10.0.0.0")
	fill := func(i int) {
		client = netip.AddrFrom4([4]byte{10, byte(i >> 16 & 3), byte(i >> 8), byte(i)})
		j.record(client, answer(fmt.Sprintf("n%d.example.org", i), 60, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"), instant(i))
	}
	for i := range 1 << 18 {
		fill(i)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		fill(i)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-full")
	runtime.KeepAlive(j)
}
