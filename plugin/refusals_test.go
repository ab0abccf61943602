package nameward

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/hub"
)

// TestRefusalsAreTold proves N9: each client has a line in a period, with a
// count and some names, however much it asks.
func TestRefusalsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		b := &blotter{log: func(v ...any) { lines = append(lines, fmt.Sprint(v...)) }}
		one, other := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
		for i := range 10_000 {
			b.note(one, question(fmt.Sprintf("%d.evil.com.", i), dns.TypeTXT), hub.LockdownOn)
		}
		b.note(other, question("a.org.", dns.TypeA), hub.LockdownAudit)
		b.note(other, question("a.org.", dns.TypeA), hub.LockdownAudit)
		time.Sleep(refusalsEvery)
		synctest.Wait()
		b.note(one, question(strings.Repeat(strings.Repeat("x", 60)+".", 3)+"evil.com.", dns.TypeNULL), hub.LockdownOn)
		b.note(one, new(dns.Msg).SetNotify("evil.com."), hub.LockdownOn)
		time.Sleep(3 * refusalsEvery)
		synctest.Wait()
		want := []string{
			"lockdown: refused 10000 queries of 10.0.0.1 in 10s, such as 0.evil.com. TXT, 1.evil.com. TXT, 2.evil.com. TXT",
			"lockdown: would refuse 2 queries of 10.0.0.2 in 10s, such as a.org. A",
			"lockdown: refused 2 queries of 10.0.0.1 in 10s, such as …xxxxxxxxx." + strings.Repeat("x", 60) + ".evil.com. NULL, NOTIFY evil.com.",
		}
		if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

// TestRefusalsAreBounded: many clients cost no more memory and no more lines.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		b := &blotter{log: func(v ...any) { lines = append(lines, fmt.Sprint(v...)) }}
		for i := range 1000 {
			b.note(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), question("a.org.", dns.TypeA), hub.LockdownOn)
		}
		b.mu.Lock()
		if got := len(b.offenders); got != maxOffenders {
			t.Errorf("%d clients are remembered, want %d", got, maxOffenders)
		}
		b.mu.Unlock()
		time.Sleep(refusalsEvery)
		synctest.Wait()
		if want := "lockdown: 744 more queries of other clients in 10s"; len(lines) != maxOffenders+1 || lines[maxOffenders] != want {
			t.Errorf("got %d lines, the last %q; want %d and %q", len(lines), lines[len(lines)-1], maxOffenders+1, want)
		}
	})
}
