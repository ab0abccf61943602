package grants

import (
	"fmt"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
)

// N6, N10: what is past its time is held by those patterns alone that may still
// have the address.
func TestGuardEndsWhatItHolds(t *testing.T) {
	b := NewBook(usual)
	both := map[string]policy.Terms{"a.example.com": agreed("10.0.0.0/8"), "*.example.com": agreed("10.9.0.0/16")}
	agree(b, 0, both)
	b.Learn(0, ep, "a.example.com", answers(0, "10.9.9.9", "10.8.8.8"))
	uses := []Live{live("10.9.9.9", 2, "a.example.com", "*.example.com"), live("10.8.8.8", 1, "a.example.com", "*.example.com")}
	want(t, "each by the patterns that may have it", b.Hold(89*s, ep, uses), Change{Grants: []Grant{
		held("10.8.8.8", 90*s, 119*s, "a.example.com"),
		held("10.9.9.9", 90*s, 119*s, "*.example.com", "a.example.com"),
	}})
	b.Expire(90 * s)
	want(t, "one policy takes its range back", agree(b, 95*s, map[string]policy.Terms{"*.example.com": agreed("10.9.0.0/16")}, "a.example.com"), Change{
		Grants:  []Grant{held("10.9.9.9", 90*s, 119*s, "*.example.com")},
		Revoked: []Revocation{{ep, addr("10.8.8.8"), CauseGuarded}},
	})
	want(t, "why", b.Why(97*s, ep, addr("10.8.8.8")), "guarded address since 2 s ago, granted before for a.example.com")
	want(t, "a connection that no pattern admits holds nothing", b.Hold(99*s, ep, uses), Change{
		Grants: []Grant{held("10.9.9.9", 90*s, 129*s, "*.example.com")},
	})
	want(t, "the other policy follows", agree(b, 100*s, nil, "a.example.com", "*.example.com"),
		Change{Revoked: []Revocation{{ep, addr("10.9.9.9"), CauseGuarded}}})
	want(t, "nothing is left to hold", b.Hold(109*s, ep, uses), Change{})
	lax := usual
	lax.Guard.Allowed = prefixes("10.8.0.0/16")
	want(t, "the node allows one", b.Configure(110*s, lax), Change{})
	want(t, "for every pattern", b.Hold(119*s, ep, uses), Change{Grants: []Grant{held("10.8.8.8", 0, 149*s, "*.example.com", "a.example.com")}})
	want(t, "and takes it back", b.Configure(120*s, usual), Change{Revoked: []Revocation{{ep, addr("10.8.8.8"), CauseGuarded}}})
}

// N6, N7: what goes for want of a rule takes no other rule's connections along,
// though these were not named by the entry.
func TestConnectionsOfAnEntryThatARuleTook(t *testing.T) {
	b := NewBook(usual)
	short := map[string]policy.Terms{"a.example.com": agreed("", life(4*s, 0))}
	agree(b, 0, short, "*.example.com")
	b.Learn(0, ep, "a.example.com", answers(0, "192.0.2.1"))
	uses := []Live{live("192.0.2.1", 1, "a.example.com", "*.example.com")}
	b.Hold(s, ep, uses)
	want(t, "the short life ends", b.Expire(4*s-Lead), Change{Grants: []Grant{grant("192.0.2.1", 90*s, "*.example.com")}})
	want(t, "the rule of the longer one goes", agree(b, 5*s, short), Change{Revoked: []Revocation{{ep, addr("192.0.2.1"), CauseUnwanted}}})
	want(t, "nobody is asked twice in an interval", len(b.Due(5*s)), 0)
	want(t, "but as soon as it is over", fmt.Sprint(b.Next()), fmt.Sprint(s+HoldInterval, true))
	want(t, "the pod is", b.Due(11*s), []policy.EndpointID{ep})
	want(t, "the rule that is left holds", b.Hold(11*s, ep, uses), Change{Grants: []Grant{held("192.0.2.1", 0, 41*s, "a.example.com")}})
}

// N5, N6: terms that end an entry end no connection.
func TestShorterTermsHold(t *testing.T) {
	b := watching(usual, "example.com")
	b.Learn(0, ep, "example.com", answers(0, "192.0.2.1"))
	agree(b, 20*s, map[string]policy.Terms{"example.com": agreed("", life(5*s, 0))})
	want(t, "due", b.Due(20*s), []policy.EndpointID{ep})
	want(t, "it is held, and opens nothing", b.Hold(20*s, ep, []Live{live("192.0.2.1", 1, "example.com")}),
		Change{Grants: []Grant{held("192.0.2.1", 20*s, 50*s, "example.com")}})
	want(t, "why", b.Why(21*s, ep, addr("192.0.2.1")), "expired 16 s ago for example.com; held by 1 live connection, opens nothing new")
}

// N6, N10, D8: the guard of today judges what expired while nobody was there, and
// what never opened anything is not said to have expired.
func TestGuardOfWhatHasExpired(t *testing.T) {
	b := NewBook(usual)
	agree(b, 0, map[string]policy.Terms{"a.example.com": agreed("10.0.0.0/8")}, "*.example.com")
	want(t, "found", b.Restore(20*s, []Grant{
		held("10.0.0.9", 10*s, 30*s, "*.example.com", "a.example.com"), held("192.168.0.9", 10*s, 30*s, "a.example.com"),
		held("192.0.2.1", 0, 30*s, "a.example.com"),
	}), Change{
		Grants:  []Grant{held("10.0.0.9", 10*s, 30*s, "a.example.com")},
		Revoked: []Revocation{{ep, addr("192.168.0.9"), CauseGuarded}},
	})
	b.Hold(20*s, ep, []Live{live("192.0.2.1", 1, "a.example.com")})
	want(t, "why", b.Why(21*s, ep, addr("192.0.2.1")), "held by 1 live connection, opens nothing new")
}
