package dns

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/nameward/nameward/plugin/stream"
)

// S5: every bad target gets an error that says what would be right.
func TestParseTarget(t *testing.T) {
	tests := []struct{ sentence, in, want, err string }{
		{"a unix socket", "unix:///run/nameward/dns.sock", "unix:///run/nameward/dns.sock", ""},
		{"a unix path is cleaned", "unix:///run//nameward/../dns.sock", "unix:///run/dns.sock", ""},
		{"a host name", "tcp://dns.kube-system.svc:9153", "tcp://dns.kube-system.svc:9153", ""},
		{"an IPv6 address", "tcp://[2001:db8::1]:9153", "tcp://[2001:db8::1]:9153", ""},
		{"no scheme", "/run/dns.sock", "", "want unix:///path, tcp://host:port or service://namespace/name:port"},
		{"a Service", "service://nameward/nameward-dns-stream:7353", "service://nameward/nameward-dns-stream:7353", ""},
		{"a Service without a namespace", "service://dns:7353", "", "want service://namespace/name:port"},
		{"a Service that no API server takes", "service://kube-system/Dns:7353", "", "want service://namespace/name:port"},
		{"a Service without a port", "service://kube-system/dns", "", "want service://namespace/name:port"},
		{"a Service with a port too high", "service://kube-system/dns:70000", "", "1 to 65535"},
		{"a scheme nobody speaks", "http://dns:80", "", `unknown scheme "http"`},
		{"a relative socket", "unix://run/dns.sock", "", "want an absolute path"},
		{"a socket path that no kernel takes", "unix:///" + strings.Repeat("x", 107), "", "at most 107"},
		{"no port", "tcp://dns", "", "want tcp://host:port"},
		{"no host", "tcp://:53", "", "want tcp://host:port"},
		{"an IPv6 address without brackets", "tcp://2001:db8::1:9153", "", "in brackets"},
		{"port zero", "tcp://dns:0", "", "1 to 65535"},
		{"a port too high", "tcp://dns:65536", "", "1 to 65535"},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			got, err := ParseTarget(tt.in)
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got error %v, want one with %q", err, tt.err)
				}
			case err != nil || got.String() != tt.want:
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestInterestSince(t *testing.T) {
	a, b, c := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::3")
	watch := func(patterns string, addrs ...netip.Addr) Watch {
		return Watch{Addresses: addrs, Patterns: strings.Fields(patterns)}
	}
	locked := func(patterns string, addrs ...netip.Addr) Watch {
		w := watch(patterns, addrs...)
		w.Lockdown = LockdownOn
		return w
	}
	tests := []struct {
		sentence  string
		old, next []Watch
		want      string
	}{
		{"nothing changed, whatever the order", []Watch{watch("x y", a, c), watch("z", b)}, []Watch{watch("z", b), watch("y x", c, a)}, ""},
		{"a pod comes", nil, []Watch{watch("x", a)}, "+10.0.0.1=x"},
		{"a pod goes", []Watch{watch("x", a)}, nil, "-10.0.0.1"},
		{"a pattern comes", []Watch{watch("x", a)}, []Watch{watch("x y", a)}, "+10.0.0.1=x,y"},
		{"the last pattern goes", []Watch{watch("x", a)}, []Watch{watch("", a)}, "-10.0.0.1"},
		{"a pod gets a second address", []Watch{watch("x", a)}, []Watch{watch("x", a, c)}, "+10.0.0.1+2001:db8::3=x"},
		{"a pod loses an address", []Watch{watch("x", a, c)}, []Watch{watch("x", a)}, "-2001:db8::3 +10.0.0.1=x"},
		{"an address moves to a new pod: replaced, not removed", []Watch{watch("x", a)}, []Watch{watch("y", a)}, "+10.0.0.1=y"},
		{"a lockdown comes", []Watch{watch("x", a)}, []Watch{locked("x", a)}, "+10.0.0.1=x!ON"},
		{"a lockdown goes", []Watch{locked("x", a)}, []Watch{watch("x", a)}, "+10.0.0.1=x"},
		{"a pod without names is locked down", nil, []Watch{locked("", a)}, "+10.0.0.1=!ON"},
		{"the last pattern of a pod that is locked down goes", []Watch{locked("x", a)}, []Watch{locked("", a)}, "+10.0.0.1=!ON"},
		{"answers are taken otherwise: told anew", []Watch{watch("x", a)}, []Watch{{Addresses: []netip.Addr{a}, Patterns: []string{"x"}, Revision: 1}}, "+10.0.0.1=x"},
		{"a mapped IPv4 address is that IPv4 address", []Watch{watch("x", a)}, []Watch{watch("x", netip.AddrFrom16(a.As16()))}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			if got := render(interestIn(t, tt.next).since(interestIn(t, tt.old))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func interestIn(tb testing.TB, watches []Watch) *interest {
	tb.Helper()
	in, refused := newInterest(watches)
	if len(refused) > 0 {
		tb.Fatalf("got %d watches refused, want none", len(refused))
	}
	return in
}

func TestWatchOverTheLimitIsRefusedAlone(t *testing.T) {
	big := Watch{Addresses: []netip.Addr{pod1}, Patterns: make([]string, stream.MaxPatterns+1)}
	in, refused := newInterest([]Watch{big, {Addresses: []netip.Addr{pod2}, Patterns: []string{"x"}}})
	if len(refused) != 1 || len(in.watches) != 1 {
		t.Errorf("got %d refused and %d kept, want 1 and 1", len(refused), len(in.watches))
	}
	// N9: what cannot be said in full is said strictly.
	big.Lockdown = LockdownOn
	in, refused = newInterest([]Watch{big})
	if got := render(in.full()); len(refused) != 1 || got != "+"+pod1.String()+"=!ON" {
		t.Errorf("locked down: got %d refused and %q, want 1 and a lockdown of every name", len(refused), got)
	}
}

// What one pod too many asks for is refused at home: at the plugin it would cost
// all pods of the node the session.
func TestSumOfPatternsIsBoundedAtHome(t *testing.T) {
	many := make([]string, stream.MaxPatterns)
	for i := range many {
		many[i] = fmt.Sprintf("p%d.example", i)
	}
	var same, own []Watch
	for i := range stream.MaxSessionPatterns/stream.MaxPatterns + 1 {
		addrs := []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}
		same = append(same, Watch{Addresses: addrs, Patterns: many})
		patterns := append([]string{fmt.Sprintf("own%d.example", i)}, many[1:]...)
		own = append(own, Watch{Addresses: addrs, Patterns: patterns})
	}
	in, refused := newInterest(own)
	if len(refused) != 1 || len(in.watches) != len(own)-1 {
		t.Errorf("got %d refused and %d kept, want those over the limit refused", len(refused), len(in.watches))
	}
	own[len(own)-1].Lockdown = LockdownOn
	if in, refused = newInterest(own); len(refused) != 1 || len(in.watches) != len(own) {
		t.Errorf("locked down: got %d refused and %d kept, want 1 and its lockdown", len(refused), len(in.watches))
	}
	if in, refused = newInterest(same); len(refused) != 0 || len(in.watches) != len(same) {
		t.Errorf("pods of the same rules: got %d refused and %d kept, want all kept", len(refused), len(in.watches))
	}
}

func render(chunks []*stream.Subscription) string {
	var words []string
	for _, c := range chunks {
		for _, r := range c.GetRemoved() {
			addr, _ := netip.AddrFromSlice(r)
			words = append(words, "-"+addr.String())
		}
		for _, w := range c.GetWatches() {
			word := ""
			for _, b := range w.GetAddresses() {
				addr, _ := netip.AddrFromSlice(b)
				word += "+" + addr.String()
			}
			word += "=" + strings.Join(w.GetPatterns(), ",")
			if w.GetLockdown() != stream.Watch_OFF {
				word += "!" + w.GetLockdown().String()
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

func TestFullInterestStaysUnderTheMessageLimit(t *testing.T) {
	watches := make([]Watch, 600)
	for i := range watches {
		watches[i].Addresses = []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}
		for p := range 300 {
			watches[i].Patterns = append(watches[i].Patterns, fmt.Sprintf("name-%d-of-pod-%d.%s.example.com", p, i, strings.Repeat("x", 60)))
		}
	}
	chunks := interestIn(t, watches).full()
	total := 0
	for i, c := range chunks {
		if n := proto.Size(c); n > stream.MaxMessage {
			t.Errorf("chunk %d: got %d bytes, want at most %d", i, n, stream.MaxMessage)
		}
		if c.GetReset_() != (i == 0) {
			t.Errorf("chunk %d: got reset %v, want it on the first only", i, c.GetReset_())
		}
		if c.GetMore() != (i < len(chunks)-1) {
			t.Errorf("chunk %d: got more %v, want it on all but the last", i, c.GetMore())
		}
		total += len(c.GetWatches())
	}
	if total != len(watches) || len(chunks) < 2 {
		t.Errorf("got %d watches in %d chunks, want %d in several", total, len(chunks), len(watches))
	}
}

func TestDelayGrowsToItsBoundAndNeverPast(t *testing.T) {
	for attempt := range 100 {
		if d := delay(attempt); d < firstDelay/2 || d > lastDelay {
			t.Errorf("attempt %d: got %v, want %v to %v", attempt, d, firstDelay/2, lastDelay)
		}
	}
	// N13: a replica that returns, after however long, has its enforcers back
	// within a second.
	if lastDelay >= time.Second {
		t.Errorf("longest delay: got %v, want less than 1s", lastDelay)
	}
	if d := delay(0); d > firstDelay {
		t.Errorf("first attempt: got %v, want at most %v", d, firstDelay)
	}
}

func TestOneFamily(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	if got := oneFamily([]netip.Addr{v6, netip.AddrFrom16(v4.As16())}); len(got) != 1 || got[0] != v4 {
		t.Errorf("both families: got %v, want %v", got, v4)
	}
	if got := oneFamily([]netip.Addr{v6}); len(got) != 1 || got[0] != v6 {
		t.Errorf("IPv6 alone: got %v, want %v", got, v6)
	}
}
