package grants

import (
	"net/netip"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

// agreed are the terms of policies that all have one pattern.
func agreed(private string, lives ...policy.Life) policy.Terms {
	t := policy.Terms{Lives: lives}
	if len(lives) == 0 {
		t.Lives = []policy.Life{{}}
	}
	if private != "" {
		t.Private = prefixes(private)
	}
	return t
}

func life(minTTL, grace time.Duration) policy.Life {
	return policy.Life{MinTTL: policy.Fixed(minTTL), Grace: policy.Fixed(grace)}
}

// agree gives pod ep patterns and their terms.
func agree(b *Book, now time.Duration, terms map[string]policy.Terms, others ...string) Change {
	w := Watched{Patterns: others, Terms: terms}
	for p := range terms {
		w.Patterns = append(w.Patterns, p)
	}
	return b.Pods(now, map[policy.EndpointID]Watched{ep: w})
}

// N5: terms take the place of the node's settings, of which those of usual are
// 30 s at least and 60 s more.
func TestLifetimeByTerms(t *testing.T) {
	for _, row := range []struct {
		sentence string
		lives    []policy.Life
		ttl      time.Duration
		want     time.Duration // zero: nothing is granted
	}{
		{"nothing said leaves it to the node", []policy.Life{{}}, 0, 90 * s},
		{"a shortest TTL of its own, the node's grace", []policy.Life{{MinTTL: policy.Fixed(5 * s)}}, 0, 65 * s},
		{"a grace of its own, the node's shortest TTL", []policy.Life{{Grace: policy.Fixed(5 * s)}}, 0, 35 * s},
		{"both, under a longer TTL", []policy.Life{life(5*s, 5*s)}, 300 * s, 305 * s},
		{"nothing beyond the TTL", []policy.Life{life(0, 0)}, 7 * s, 7 * s},
		{"nothing at all of a TTL of zero", []policy.Life{life(0, 0)}, 0, 0},
		{"of two policies the longer life", []policy.Life{life(5*s, 5*s), life(200*s, 0)}, 0, 200 * s},
		{"which is the other one's under another TTL", []policy.Life{life(5*s, 5*s), life(200*s, 0)}, 300 * s, 305 * s},
		{"and the node's where that is longer", []policy.Life{{}, life(0, 0)}, 300 * s, 360 * s},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			b := NewBook(usual)
			agree(b, 0, map[string]policy.Terms{"example.com": agreed("", row.lives...)})
			out := b.Learn(0, ep, "example.com", answers(row.ttl, "192.0.2.1"))
			if row.want == 0 {
				want(t, "granted", len(out.Entries), 0)
				return
			}
			want(t, "granted", out.Entries, []Grant{grant("192.0.2.1", row.want, "example.com")})
			want(t, "valid for", out.ValidFor, row.want)
		})
	}
}

// N5: one answer ends at different times for different patterns of the name,
// and no more is promised than the first of them holds.
func TestPatternsOfOneNameEndByTheirTerms(t *testing.T) {
	b := NewBook(usual)
	agree(b, 0, map[string]policy.Terms{"a.example.com": agreed("", life(10*s, 0)), "*.example.com": agreed("", life(0, 0))})
	out := b.Learn(0, ep, "a.example.com", answers(4*s, "192.0.2.1"))
	want(t, "until the first ends", out.Entries, []Grant{grant("192.0.2.1", 4*s, "*.example.com", "a.example.com")})
	want(t, "promised", out.ValidFor, 4*s)
	want(t, "the other goes on", b.Expire(4*s-Lead), Change{Grants: []Grant{grant("192.0.2.1", 10*s, "a.example.com")}})
	out = b.Learn(5*s, ep, "a.example.com", answers(0, "192.0.2.1"))
	want(t, "nothing of no TTL for the one", out.Entries, []Grant{grant("192.0.2.1", 15*s, "a.example.com")})
	want(t, "nothing promised, for the next may have one", out.ValidFor, time.Duration(0))
	want(t, "and both end", b.over(15*s), Change{Revoked: []Revocation{{ep, addr("192.0.2.1"), CauseExpired}}})
	want(t, "why", b.Why(20*s, ep, addr("192.0.2.1")), "expired 5 s ago for a.example.com")
}

// N5: a change of terms holds for what has been learnt, as if it had always
// been so.
func TestTermsChange(t *testing.T) {
	terms := func(l policy.Life) map[string]policy.Terms {
		return map[string]policy.Terms{"example.com": agreed("", l)}
	}
	b := watching(usual, "example.com")
	b.Learn(0, ep, "example.com", answers(100*s, "192.0.2.1"))
	b.Learn(10*s, ep, "example.com", answers(0, "192.0.2.1"))
	want(t, "shorter: from the longest TTL heard", agree(b, 20*s, terms(life(0, 5*s))), Change{Grants: []Grant{grant("192.0.2.1", 105*s, "example.com")}})
	want(t, "longer: from the last answer", agree(b, 20*s, terms(life(300*s, 0))), Change{Grants: []Grant{grant("192.0.2.1", 310*s, "example.com")}})
	want(t, "the same again", agree(b, 30*s, terms(life(300*s, 0))), Change{})
	want(t, "the node's again", agree(b, 40*s, nil, "example.com"), Change{Grants: []Grant{grant("192.0.2.1", 160*s, "example.com")}})
	shorter := Settings{MinTTL: 0, Grace: 20 * s}
	want(t, "the settings change", b.Configure(50*s, shorter), Change{Grants: []Grant{grant("192.0.2.1", 120*s, "example.com")}})
	want(t, "so short that it is over: it opens nothing from now on", agree(b, 110*s, terms(life(0, 0))),
		Change{Grants: []Grant{grant("192.0.2.1", 110*s, "example.com")}})
	want(t, "what is over does not come back", agree(b, 110*s, terms(life(300*s, 300*s))), Change{})
	want(t, "and ends without connections", b.over(110*s), Change{Revoked: []Revocation{{ep, addr("192.0.2.1"), CauseExpired}}})
	want(t, "why", b.Why(112*s, ep, addr("192.0.2.1")), "expired 12 s ago for example.com")
}

// N5: what was found in the kernel ends as found, whatever the terms are now.
func TestTermsOfWhatWasFound(t *testing.T) {
	b := NewBook(usual)
	agree(b, 0, map[string]policy.Terms{"example.com": agreed("10.0.0.0/8", life(0, 0))}, "*.example.com")
	found := []Grant{grant("192.0.2.1", 50*s, "example.com"), grant("10.0.0.9", 50*s, "*.example.com", "example.com"), grant("192.168.0.9", 50*s, "example.com")}
	want(t, "only what the guard refuses changes", b.Restore(0, found), Change{
		Grants:  []Grant{grant("10.0.0.9", 50*s, "example.com")},
		Revoked: []Revocation{{ep, addr("192.168.0.9"), CauseGuarded}},
	})
	want(t, "and under other terms", agree(b, s, map[string]policy.Terms{"example.com": agreed("10.0.0.0/8", life(300*s, 0))}, "*.example.com"), Change{})
}

// N10: an address is granted for the patterns whose policies or whose node
// allow it, and refused, in words, for the others.
func TestPrivateByTerms(t *testing.T) {
	b := NewBook(Settings{MinTTL: 30 * s, Grace: 60 * s, Guard: Guard{Occupied: cluster}})
	terms := map[string]policy.Terms{"a.example.com": agreed("10.0.0.0/8")}
	agree(b, 0, terms, "*.example.com", "b.example.com")
	out := b.Learn(0, ep, "a.example.com", answers(0, "10.9.9.9", "192.168.0.9", "198.51.100.7", "10.1.0.2", "64:ff9b::10.9.9.9"))
	want(t, "granted", out.Entries, []Grant{
		grant("10.9.9.9", 90*s, "a.example.com"),
		grant("198.51.100.7", 90*s, "*.example.com", "a.example.com"),
		grant("64:ff9b::10.9.9.9", 90*s, "a.example.com"),
	})
	want(t, "refused", out.Refused, []Refusal{
		{Addr: addr("10.9.9.9"), Reason: ReasonPrivate, Patterns: "*.example.com"},
		{Addr: addr("192.168.0.9"), Reason: ReasonPrivate},
		{Addr: addr("10.1.0.2"), Reason: ReasonPod},
		{Addr: addr("64:ff9b::10.9.9.9"), Reason: ReasonPrivate, Embedded: addr("10.9.9.9"), Patterns: "*.example.com"},
	})
	want(t, "in words", out.Refused[0].String(), "10.9.9.9 is a private address (RFC 1918), not allowed for *.example.com")
	want(t, "another name has no share in it", len(b.Learn(0, ep, "b.example.com", answers(0, "10.9.9.9")).Entries), 0)
	want(t, "why", b.Why(s, ep, addr("10.9.9.9")), "granted for a.example.com (89 s left); "+
		"guarded address: 10.9.9.9 is a private address (RFC 1918), answered 1 s ago for b.example.com")
	everything := map[string]policy.Terms{"a.example.com": agreed("0.0.0.0/0")}
	for _, a := range []string{"127.0.0.1", "169.254.169.254", "100.100.100.200", "224.0.0.1", "10.0.0.1", "10.1.0.2", "10.2.0.3", "::ffff:169.254.169.254"} {
		agree(b, 0, everything)
		want(t, a+" is nobody's to allow", len(b.Learn(0, ep, "a.example.com", answers(0, a)).Entries), 0)
	}
}

// N7, N10: ranges that come and go, and addresses that pods come to have.
func TestPrivateTermsChange(t *testing.T) {
	b := NewBook(usual)
	open := map[string]policy.Terms{"a.example.com": agreed("10.0.0.0/8"), "*.example.com": agreed("10.9.0.0/16")}
	agree(b, 0, open)
	b.Learn(0, ep, "a.example.com", answers(0, "10.9.9.9", "10.8.8.8"))
	want(t, "one policy takes it back", agree(b, s, map[string]policy.Terms{"*.example.com": agreed("10.9.0.0/16")}, "a.example.com"), Change{
		Grants:  []Grant{grant("10.9.9.9", 90*s, "*.example.com")},
		Revoked: []Revocation{{ep, addr("10.8.8.8"), CauseGuarded}},
	})
	want(t, "why", b.Why(2*s, ep, addr("10.8.8.8")), "guarded address since 1 s ago, granted before for a.example.com")
	lax := usual
	lax.Guard.Allowed = prefixes("10.0.0.0/8")
	want(t, "the node allows it", b.Configure(3*s, lax), Change{Grants: []Grant{grant("10.9.9.9", 90*s, "*.example.com", "a.example.com")}})
	lax.Guard.Occupied = func(a netip.Addr) (Reason, bool) { return ReasonPod, a == addr("10.9.9.9") }
	want(t, "a pod gets the address", b.Configure(4*s, lax), Change{Revoked: []Revocation{{ep, addr("10.9.9.9"), CauseGuarded}}})
}

// N15: an address that only a wildcard may have counts as learnt by a wildcard,
// though the name has an exact pattern too.
func TestRankByTerms(t *testing.T) {
	limited := usual
	limited.PerPod = 1
	b := NewBook(limited)
	agree(b, 0, map[string]policy.Terms{"*.example.com": agreed("10.0.0.0/8")}, "a.example.com", "example.org")
	b.Learn(0, ep, "example.org", answers(0, "192.0.2.1"))
	out := b.Learn(0, ep, "a.example.com", answers(0, "10.0.0.9"))
	want(t, "it pushes out no exact name", essence(out), essence(Outcome{Refused: []Refusal{
		{Addr: addr("10.0.0.9"), Reason: ReasonPrivate, Patterns: "a.example.com"}, {Addr: addr("10.0.0.9"), Reason: ReasonPodLimit},
	}}))
}

// essence leaves out what the test is not about.
func essence(out Outcome) []any { return []any{len(out.Entries), len(out.Evicted), out.Refused} }
