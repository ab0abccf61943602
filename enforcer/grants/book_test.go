package grants

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

const (
	s  = time.Second
	ep = policy.EndpointID(1)
)

// usual are the defaults of the enforcer.
var usual = Settings{MinTTL: 30 * s, Grace: 60 * s}

// wanted has patterns without terms of their own.
func wanted(patterns map[policy.EndpointID][]string) map[policy.EndpointID]Watched {
	out := make(map[policy.EndpointID]Watched)
	for ep, of := range patterns {
		out[ep] = Watched{Patterns: of}
	}
	return out
}

// watching returns a book in which pod ep has the patterns.
func watching(settings Settings, patterns ...string) *Book {
	b := NewBook(settings)
	b.Pods(0, wanted(map[policy.EndpointID][]string{ep: patterns}))
	return b
}

func answers(ttl time.Duration, addrs ...string) (out []Address) {
	for _, a := range addrs {
		out = append(out, Address{IP: addr(a), TTL: ttl})
	}
	return out
}

func grant(a string, expires time.Duration, patterns ...string) Grant {
	return Grant{Endpoint: ep, Addr: addr(a), Patterns: patterns, Expires: expires}
}

// want compares what is printed: every type here prints in full, and no list
// is the same as an empty one.
func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got, want := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("%s:\ngot  %s\nwant %s", what, got, want)
	}
}

// N5.
func TestLifetime(t *testing.T) {
	for _, row := range []struct {
		sentence string
		ttl      time.Duration
		want     time.Duration
	}{
		{"a long TTL counts, plus grace", 300 * s, 360 * s},
		{"a short TTL is lifted to the minimum", 5 * s, 90 * s},
		{"TTL zero is lifted to the minimum", 0, 90 * s},
		{"a negative TTL counts as zero", -5 * s, 90 * s},
		{"the longest TTL of the DNS does not overflow", 4294967295 * s, 4294967355 * s},
		{"a lifetime beyond all time is cut", 1<<63 - 1, 1<<63 - 1},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			b := watching(usual, "example.com")
			out := b.Learn(0, ep, "example.com", answers(row.ttl, "192.0.2.1"))
			want(t, "entries", out.Entries, []Grant{grant("192.0.2.1", row.want, "example.com")})
			want(t, "valid for", out.ValidFor, row.want)
		})
	}
}

// N5.
func TestExtendsNeverShortens(t *testing.T) {
	b := watching(usual, "example.com")
	b.Learn(0, ep, "example.com", answers(300*s, "192.0.2.1"))
	out := b.Learn(10*s, ep, "example.com", answers(5*s, "192.0.2.1"))
	want(t, "a shorter answer", out.Entries, []Grant{grant("192.0.2.1", 360*s, "example.com")})
	want(t, "is valid as long as the longer one", out.ValidFor, 350*s)
	out = b.Learn(300*s, ep, "example.com", answers(5*s, "192.0.2.1"))
	want(t, "a later end", out.Entries, []Grant{grant("192.0.2.1", 390*s, "example.com")})
	if at, ok := b.Next(); !ok || at != 390*s-HoldLead {
		t.Errorf("Next: got %v, %v, want a lead before 390s", at, ok)
	}
	want(t, "a moment before", b.Expire(390*s-1), Change{})
	want(t, "the end", b.over(390*s), Change{Revoked: []Revocation{{ep, addr("192.0.2.1"), CauseExpired}}})
	if _, ok := b.Next(); ok || b.Len() != 0 {
		t.Errorf("after the end: %d entries", b.Len())
	}
}

func TestZeroLifetimeGrantsNothing(t *testing.T) {
	out := watching(Settings{}, "example.com").Learn(7*s, ep, "example.com", answers(0, "192.0.2.1"))
	want(t, "outcome", out, Outcome{})
}

func TestLearnReadsNames(t *testing.T) {
	for _, row := range []struct {
		sentence, name string
		unwanted       bool
	}{
		{"the name of a rule", "example.com", false},
		{"any case and a trailing dot", "EXAMPLE.com.", false},
		{"a name below a wildcard", "a.b.example.org", false},
		{"the apex of a wildcard", "example.org", true},
		{"a stranger", "evilexample.com", true},
		{"an escaped dot", `evil\.example.org`, true},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			b := watching(usual, "example.com", "*.example.org")
			out := b.Learn(0, ep, row.name, answers(0, "192.0.2.1"))
			if out.Unwanted != row.unwanted || len(out.Entries) == 1 == row.unwanted || out.ValidFor == 0 != row.unwanted {
				t.Errorf("Learn(%q): got %+v", row.name, out)
			}
		})
	}
}

// N2.
func TestGrantsAreOfOnePod(t *testing.T) {
	b := NewBook(usual)
	b.Pods(0, wanted(map[policy.EndpointID][]string{1: {"example.com"}, 2: {"example.com"}}))
	b.Learn(0, 1, "example.com", answers(0, "192.0.2.1"))
	want(t, "the pod that asked", len(b.Grants(1)), 1)
	want(t, "its neighbour", len(b.Grants(2)), 0)
	want(t, "why", b.Why(s, 2, addr("192.0.2.1")), "resolved by another pod only")
	want(t, "a pod that nobody watches", b.Learn(0, 3, "example.com", answers(0, "192.0.2.1")), Outcome{Unwanted: true})
}

func TestMappedAddressesAreIPv4(t *testing.T) {
	b := watching(usual, "example.com")
	out := b.Learn(0, ep, "example.com", answers(0, "::ffff:192.0.2.1", "192.0.2.1"))
	want(t, "entries", out.Entries, []Grant{grant("192.0.2.1", 90*s, "example.com")})
}

// N5: no pattern outlives its name, and no address is cut short.
func TestSharedAddress(t *testing.T) {
	b := watching(usual, "*.example.com", "a.example.com", "b.example.com")
	b.Learn(0, ep, "a.example.com", answers(100*s, "192.0.2.1"))
	out := b.Learn(0, ep, "b.example.com", answers(200*s, "192.0.2.1"))
	all := []string{"*.example.com", "a.example.com", "b.example.com"}
	want(t, "the entry ends with the first name", out.Entries, []Grant{grant("192.0.2.1", 160*s, all...)})
	want(t, "but the answer is valid to its own end", out.ValidFor, 260*s)
	if at, _ := b.Next(); at != 160*s-Lead {
		t.Errorf("Next: got %v, want a lead before 160s", at)
	}
	want(t, "it is replaced in time", b.Expire(160*s-Lead), Change{
		Grants: []Grant{grant("192.0.2.1", 260*s, "*.example.com", "b.example.com")},
	})
	out = b.Learn(160*s-1, ep, "a.example.com", answers(10*s, "192.0.2.1"))
	want(t, "the first name comes back", out.Entries, []Grant{grant("192.0.2.1", 250*s-1, all...)})
}

func TestCoveredNamesDoNotShorten(t *testing.T) {
	b := watching(usual, "*.example.com")
	b.Learn(0, ep, "a.example.com", answers(100*s, "192.0.2.1"))
	out := b.Learn(0, ep, "b.example.com", answers(200*s, "192.0.2.1"))
	want(t, "entries", out.Entries, []Grant{grant("192.0.2.1", 260*s, "*.example.com")})
	out = b.Learn(0, ep, "c.example.com", answers(10*s, "192.0.2.1"))
	want(t, "entries", out.Entries, []Grant{grant("192.0.2.1", 260*s, "*.example.com")})
}

// N7.
func TestPodsEndsWhatNoPatternWants(t *testing.T) {
	b := watching(usual, "*.example.com", "a.example.com", "example.org")
	b.Learn(0, ep, "a.example.com", answers(0, "192.0.2.1"))
	b.Learn(0, ep, "b.example.com", answers(0, "192.0.2.2"))
	b.Learn(0, ep, "example.org", answers(0, "192.0.2.3", "192.0.2.1"))
	same := []string{"example.org", "a.example.com", "*.example.com", "example.org"}
	want(t, "the same patterns", b.Pods(s, wanted(map[policy.EndpointID][]string{ep: same})), Change{})
	want(t, "a removed pattern", b.Pods(s, wanted(map[policy.EndpointID][]string{ep: {"a.example.com", "example.org"}})), Change{
		Grants:  []Grant{grant("192.0.2.1", 90*s, "a.example.com", "example.org")},
		Revoked: []Revocation{{ep, addr("192.0.2.2"), CauseUnwanted}},
	})
	want(t, "a wider pattern takes over", b.Pods(2*s, wanted(map[policy.EndpointID][]string{ep: {"*.example.com"}})), Change{
		Grants:  []Grant{grant("192.0.2.1", 90*s, "*.example.com")},
		Revoked: []Revocation{{ep, addr("192.0.2.3"), CauseUnwanted}},
	})
	want(t, "why", b.Why(5*s, ep, addr("192.0.2.3")), "the last rule for example.org went 3 s ago")
	want(t, "the pod goes", b.Pods(3*s, nil), Change{Revoked: []Revocation{{ep, addr("192.0.2.1"), CauseUnwanted}}})
	want(t, "entries", b.Len(), 0)
	want(t, "why", b.Why(5*s, ep, addr("192.0.2.3")), "the pod has no name rules")
}

// N10.
func TestLearnAsksTheGuard(t *testing.T) {
	b := watching(usual, "example.com")
	out := b.Learn(0, ep, "example.com", answers(0, "169.254.169.254", "192.0.2.1", "::ffff:127.0.0.1"))
	want(t, "entries", out.Entries, []Grant{grant("192.0.2.1", 90*s, "example.com")})
	want(t, "refused", out.Refused, []Refusal{
		{Addr: addr("169.254.169.254"), Reason: ReasonMetadata},
		{Addr: addr("127.0.0.1"), Reason: ReasonLoopback},
	})
	want(t, "valid for", out.ValidFor, 90*s)
	want(t, "all refused", b.Learn(0, ep, "example.com", answers(0, "10.0.0.1")).ValidFor, 0*s)
	want(t, "why", b.Why(4*s, ep, addr("169.254.169.254")),
		"guarded address: 169.254.169.254 is a cloud metadata address, answered 4 s ago for example.com")
}

func TestConfigure(t *testing.T) {
	settings := usual
	settings.Guard.Allowed = prefixes("10.0.0.0/8")
	b := watching(settings, "example.com", "*.example.com")
	b.Learn(0, ep, "example.com", answers(0, "10.0.0.1", "192.0.2.1"))
	b.Learn(0, ep, "a.example.com", answers(0, "192.0.2.2"))
	want(t, "a stricter guard", b.Configure(s, usual), Change{Revoked: []Revocation{{ep, addr("10.0.0.1"), CauseGuarded}}})
	want(t, "why", b.Why(3*s, ep, addr("10.0.0.1")), "guarded address since 2 s ago, granted before for example.com")
	settings.PerPod = 1
	want(t, "less room", b.Configure(s, settings), Change{Revoked: []Revocation{{ep, addr("192.0.2.2"), CauseEvicted}}})
	out := b.Learn(s, ep, "example.com", answers(0, "10.0.0.1"))
	want(t, "a laxer guard", out.Entries, []Grant{{ep, addr("10.0.0.1"), []string{"example.com"}, 91 * s, 0}})
	want(t, "makes room", out.Evicted, []netip.Addr{addr("192.0.2.1")})
}

func TestRestore(t *testing.T) {
	b := watching(usual, "*.example.com", "example.com")
	found := []Grant{
		grant("192.0.2.1", 50*s, "*.example.com"),
		grant("192.0.2.2", 60*s, "example.com", "gone.example"),
		grant("192.0.2.3", 70*s, "gone.example"),
		grant("192.0.2.4", 10*s, "example.com"),
		grant("127.0.0.1", 70*s, "example.com"),
		{Endpoint: 9, Addr: addr("192.0.2.5"), Patterns: []string{"example.com"}, Expires: 70 * s},
	}
	want(t, "changes", b.Restore(10*s, found), Change{
		Grants: []Grant{grant("192.0.2.2", 60*s, "example.com")},
		Revoked: []Revocation{
			{ep, addr("127.0.0.1"), CauseGuarded},
			{ep, addr("192.0.2.3"), CauseUnwanted},
			{9, addr("192.0.2.5"), CauseUnwanted},
		},
	})
	want(t, "why", b.Why(20*s, ep, addr("192.0.2.1")), "granted for a name learnt before the enforcer started (30 s left)")
	out := b.Learn(20*s, ep, "example.com", answers(0, "192.0.2.1"))
	want(t, "a new name joins", out.Entries, []Grant{grant("192.0.2.1", 50*s, "*.example.com", "example.com")})
	want(t, "the old one goes", b.Expire(50*s-Lead), Change{Grants: []Grant{grant("192.0.2.1", 110*s, "example.com")}})
	want(t, "N7 holds for the nameless", b.Pods(51*s, wanted(map[policy.EndpointID][]string{ep: {"*.example.com"}})), Change{
		Revoked: []Revocation{{ep, addr("192.0.2.1"), CauseUnwanted}, {ep, addr("192.0.2.2"), CauseUnwanted},
			{ep, addr("192.0.2.4"), CauseUnwanted}},
	})
}

func TestRestoreKeepsToTheLimit(t *testing.T) {
	b := watching(Settings{PerPod: 2}, "*.example.com", "example.com")
	got := b.Restore(0, []Grant{
		grant("192.0.2.1", 10*s, "example.com", "gone.example"),
		grant("192.0.2.2", 30*s, "*.example.com", "gone.example"),
		grant("192.0.2.3", 20*s, "*.example.com"),
		grant("192.0.2.4", 40*s, "*.example.com"),
	})
	want(t, "wildcards go first, the soonest to expire among them", got, Change{
		Grants:  []Grant{grant("192.0.2.1", 10*s, "example.com")},
		Revoked: []Revocation{{ep, addr("192.0.2.2"), CauseEvicted}, {ep, addr("192.0.2.3"), CauseEvicted}},
	})
	b = watching(Settings{PerPod: 1}, "*.example.com", "example.com")
	got = b.Restore(0, []Grant{grant("192.0.2.1", 10*s, "example.com"), grant("192.0.2.2", 30*s, "*.example.com")})
	want(t, "a wildcard finds no room", got, Change{Revoked: []Revocation{{ep, addr("192.0.2.2"), CauseEvicted}}})
}

// numbered returns the i-th public address.
func numbered(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)})
}
