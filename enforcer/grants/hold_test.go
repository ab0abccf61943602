package grants

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

// held is an entry past its time.
func held(a string, expires, until time.Duration, patterns ...string) Grant {
	g := grant(a, expires, patterns...)
	g.Held = until
	return g
}

func live(a string, connections int, patterns ...string) Live {
	return Live{Addr: addr(a), Patterns: patterns, Connections: connections}
}

// N6, S1.
func TestHold(t *testing.T) {
	b := watching(usual, "example.com")
	b.Learn(0, ep, "example.com", answers(0, "192.0.2.1", "192.0.2.2"))
	if at, ok := b.Next(); !ok || at != 90*s-HoldLead {
		t.Errorf("Next: got %v, %v, want a lead before the end", at, ok)
	}
	want(t, "nobody is asked for earlier", fmt.Sprint(b.Expire(80*s), b.Due(80*s)), "{[] []} []")
	want(t, "a lead before the end nothing changes", b.Expire(89*s), Change{})
	if at, _ := b.Next(); at > 89*s {
		t.Errorf("Next: got %v, want now", at)
	}
	want(t, "but the pod is asked for", b.Due(89*s), []policy.EndpointID{ep})
	want(t, "once", b.Due(89*s), []policy.EndpointID(nil))
	uses := []Live{live("::ffff:192.0.2.1", 2, "example.com")}
	want(t, "what is in use is held", b.Hold(89*s, ep, uses), Change{Grants: []Grant{held("192.0.2.1", 90*s, 119*s, "example.com")}})
	want(t, "what opens is not said to be held", b.Why(89*s, ep, addr("192.0.2.1")), "granted for example.com (1 s left)")
	want(t, "its end is no news to the kernel", b.Expire(90*s), Change{})
	want(t, "why", b.Why(132*s, ep, addr("192.0.2.1")), "expired 42 s ago for example.com; held by 2 live connections, opens nothing new")
	want(t, "why the other is not", b.Why(132*s, ep, addr("192.0.2.2")), "expired 42 s ago for example.com")
	open, past := b.Count()
	want(t, "open and held", []int{open, past}, []int{0, 1})
	want(t, "the next question comes an interval later", fmt.Sprint(b.Expire(99*s), b.Due(99*s)), "{[] []} [1]")
	uses[0].Connections = 1
	want(t, "it goes on, the other ends", b.Hold(99*s, ep, uses), Change{
		Grants:  []Grant{held("192.0.2.1", 90*s, 129*s, "example.com")},
		Revoked: []Revocation{{ep, addr("192.0.2.2"), CauseExpired}},
	})
	want(t, "why", b.Why(100*s, ep, addr("192.0.2.1")), "expired 10 s ago for example.com; held by 1 live connection, opens nothing new")
	want(t, "the last connection ends", b.Hold(109*s, ep, nil), Change{Revoked: []Revocation{{ep, addr("192.0.2.1"), CauseExpired}}})
	if _, ok := b.Next(); ok || b.Len() != 0 {
		t.Errorf("got %d entries at the end, want none and nothing due", b.Len())
	}
	want(t, "a stranger", b.Hold(109*s, 9, uses), Change{})
}

// N6: a new answer makes a held entry open connections again.
func TestAnswerOpensWhatIsHeld(t *testing.T) {
	b := watching(usual, "example.com", "*.example.com")
	b.Learn(0, ep, "example.com", answers(0, "192.0.2.1"))
	b.Hold(89*s, ep, []Live{live("192.0.2.1", 1, "example.com")})
	b.Expire(90 * s)
	out := b.Learn(95*s, ep, "a.example.com", answers(0, "192.0.2.1"))
	want(t, "entries", out.Entries, []Grant{grant("192.0.2.1", 185*s, "*.example.com")})
	want(t, "why", b.Why(95*s, ep, addr("192.0.2.1")), "granted for a.example.com (90 s left); expired 5 s ago for example.com")
	want(t, "at its end all that live are spoken for", b.Hold(184*s, ep, []Live{live("192.0.2.1", 2, "*.example.com", "example.com")}),
		Change{Grants: []Grant{held("192.0.2.1", 185*s, 214*s, "*.example.com")}})
	want(t, "once it opens nothing more", b.Expire(185*s), Change{Grants: []Grant{held("192.0.2.1", 185*s, 214*s, "*.example.com", "example.com")}})
}

// N7: a rule that goes takes what it holds along, at once.
func TestRuleEndsWhatItHolds(t *testing.T) {
	b := watching(usual, "example.com", "example.org")
	b.Learn(0, ep, "example.com", answers(0, "192.0.2.1"))
	b.Hold(89*s, ep, []Live{live("192.0.2.1", 1, "example.com")})
	b.Expire(90 * s)
	want(t, "the rule goes", b.Pods(100*s, wanted(map[policy.EndpointID][]string{ep: {"example.org"}})),
		Change{Revoked: []Revocation{{ep, addr("192.0.2.1"), CauseUnwanted}}})
	want(t, "why", b.Why(103*s, ep, addr("192.0.2.1")), "the last rule for example.com went 3 s ago")
	want(t, "a connection that is still to be cut holds nothing", b.Hold(110*s, ep, []Live{live("192.0.2.1", 1, "example.com")}), Change{})
}

// N6: where an entry was lost, a connection whose patterns are known has one.
func TestConnectionWithoutEntry(t *testing.T) {
	limited := usual
	limited.PerPod = 1
	b := watching(limited, "example.com")
	want(t, "it is held, and opens nothing", b.Hold(10*s, ep, []Live{live("192.0.2.1", 1, "gone.example", "example.com")}),
		Change{Grants: []Grant{held("192.0.2.1", 0, 40*s, "example.com")}})
	want(t, "why", b.Why(10*s, ep, addr("192.0.2.1")), "held by 1 live connection, opens nothing new")
	more := []Live{live("192.0.2.1", 1, "example.com"), live("192.0.2.2", 1, "example.com"), live("127.0.0.1", 1, "example.com")}
	want(t, "not over the limit, and not past the guard", b.Hold(20*s, ep, more),
		Change{Grants: []Grant{held("192.0.2.1", 0, 50*s, "example.com")}})
}

// N15: what opens nothing goes first when room is needed.
func TestHeldGoesFirst(t *testing.T) {
	limited := usual
	limited.PerPod = 2
	b := watching(limited, "*.example.com", "example.com")
	b.Learn(0, ep, "example.com", answers(0, "192.0.2.1"))
	b.Hold(89*s, ep, []Live{live("192.0.2.1", 1, "example.com")})
	b.Expire(90 * s)
	b.Learn(91*s, ep, "a.example.com", answers(0, "192.0.2.2"))
	out := b.Learn(92*s, ep, "b.example.com", answers(0, "192.0.2.3"))
	want(t, "evicted", out.Evicted, []netip.Addr{addr("192.0.2.1")})
	want(t, "why", b.Why(93*s, ep, addr("192.0.2.1")), "evicted 1 s ago for example.com: the limit of addresses was reached")
}

// N6, D8: what expired while nobody was there stays until it is known whether
// connections live.
func TestRestoreOfWhatHasExpired(t *testing.T) {
	b := watching(usual, "example.com")
	found := []Grant{grant("192.0.2.1", 10*s, "example.com"), held("192.0.2.2", 10*s, 30*s, "example.com"), grant("192.0.2.3", 10*s, "gone.example")}
	want(t, "found", b.Restore(20*s, found), Change{Revoked: []Revocation{{ep, addr("192.0.2.3"), CauseUnwanted}}})
	want(t, "due", b.Due(20*s), []policy.EndpointID{ep})
	want(t, "held again", b.Hold(20*s, ep, []Live{live("192.0.2.1", 1, "example.com")}), Change{
		Grants:  []Grant{held("192.0.2.1", 10*s, 50*s, "example.com")},
		Revoked: []Revocation{{ep, addr("192.0.2.2"), CauseExpired}},
	})
	want(t, "why", b.Why(52*s, ep, addr("192.0.2.1")),
		"expired 42 s ago for a name learnt before the enforcer started; held by 1 live connection, opens nothing new")
}

// A question that brings no answer is asked again, an interval later.
func TestQuestionWithoutAnswer(t *testing.T) {
	b := watching(usual, "example.com")
	b.Learn(0, ep, "example.com", answers(0, "192.0.2.1"))
	b.Expire(89 * s)
	b.Due(89 * s)
	b.Expire(90 * s)
	for at := 90 * s; at < 200*s; at += HoldInterval {
		want(t, "due", len(b.Due(at)), 1)
		want(t, "next", fmt.Sprint(b.Next()), fmt.Sprint(at+HoldInterval, true))
		want(t, "nothing is lost for that", b.Expire(at+HoldInterval), Change{})
	}
}
