// Package grants knows which addresses each pod has learnt by name, for which
// of its patterns and for how long. It must not know the DNS, the kernel or any
// clock: answers and times are passed in, and what it returns is what others
// have to write down.
//
// What a pod learns counts for that pod alone. Two pods of one node, of one
// Deployment even, never share a grant (SEMANTICS N2); all state below a pod
// belongs to it and goes with it.
//
// # Several names, one address
//
// The kernel keeps one entry for each pod and address: a set of patterns and
// one expiry, which it enforces even when nobody is left to update it (N5). An
// address that a pod learnt under several names is admitted by the patterns of
// all of them, but each pattern only as long as a name lives that matches it:
//
//   - life(p) = the latest end, as the terms of the pattern p count, among the
//     names that match p;
//   - patterns = every p that is alive and that the guard lets have the address;
//   - expiry of the entry = the smallest life(p).
//
// So no entry ever admits a pattern beyond its time. Where the lives differ,
// the entry ends before its longest-lived pattern does, and the Book asks to
// be woken (Next) a Lead earlier, to replace it by one with fewer patterns and
// a later expiry: while the enforcer lives, no address is cut short. The price
// is that a pattern which shares its address with a longer-lived one ends up
// to one Lead before its time; Lead is small against any grace.
//
// # Terms
//
// How long a pattern lives after an answer, and which private ranges it may
// have, is said by the policies that have the pattern, and by the Settings
// where these say nothing (N5, N10). So one answer can end at different times,
// and be refused, for different patterns of the name. What is kept of answers
// is what was heard and not when it ends: a change of terms or settings takes
// effect at once, as if it had always been so, both ways. Only what has ended
// stays ended, and what was found in the kernel after a restart, whose answers
// nobody knows, ends as found.
//
// # Past its time
//
// An entry that has expired opens nothing. While connections live that the pod
// opened to its address it is held (N6): the kernel lets it vouch for their
// packets until Held, whatever becomes of the connections' own entries, and its
// patterns become those that admitted them. The Book asks for the connections of a
// pod (Due, Hold) shortly before one of its entries ends, and then every
// HoldInterval while any is held. In the meantime an entry that opens for a
// longer-lived name vouches by that name's patterns alone.
package grants

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

// Lead is how long before the end of a pattern an entry that goes on with
// fewer patterns is replaced. It covers the delay between a timer and the
// write to the kernel.
const Lead = 250 * time.Millisecond

// Limits where Settings has none (SEMANTICS N15).
const (
	DefaultPerName = 1_000
	DefaultPerPod  = 10_000
)

// Settings hold for all pods.
type Settings struct {
	// MinTTL is the shortest TTL that is believed. Zero and more.
	MinTTL time.Duration
	// Grace is added to every lifetime. Zero and more.
	Grace time.Duration
	// PerName is how many addresses of one name a pod can hold; zero or less
	// means DefaultPerName.
	PerName int
	// PerPod is how many addresses a pod can hold; zero or less means
	// DefaultPerPod.
	PerPod int
	Guard  Guard
}

// Book holds the grants of all pods of a node. It has one owner: it is not
// safe for concurrent use.
//
// Times are readings of one monotonic clock that never goes back; the same
// clock as the kernel's, where its entries are to be restored.
//
// The Book takes every change that it returns as made. Who cannot write one
// has to try again; Grants says the whole.
type Book struct {
	settings Settings
	pods     map[policy.EndpointID]*pod
	agenda   agenda
	// wanted are pods whose connections have to be asked for, and from when on.
	wanted map[policy.EndpointID]time.Duration
	turn   uint64 // counts answers, to tell apart what one answer brought
	shares []share
}

// Grant is one entry as the kernel should hold it.
type Grant struct {
	Endpoint policy.EndpointID
	// Addr is never an IPv4-mapped IPv6 address.
	Addr netip.Addr
	// Patterns are all patterns of the pod that admit the address, sorted and
	// never empty. Not to be changed.
	Patterns []string
	// Expires is until when the entry opens connections unless it is written
	// anew; zero where nobody knows any more.
	Expires time.Duration
	// Held is until when it vouches for connections that are open.
	Held time.Duration
}

// Revocation is an entry that the kernel should no longer hold.
type Revocation struct {
	Endpoint policy.EndpointID
	Addr     netip.Addr
	Cause    Cause
}

// Change is what has to become of the kernel's entries. No address is in both
// lists. Sorted by endpoint and address.
type Change struct {
	// Grants replace entries whose patterns or expiry changed.
	Grants  []Grant
	Revoked []Revocation
}

// NewBook returns a book without pods.
func NewBook(s Settings) *Book {
	b := &Book{pods: make(map[policy.EndpointID]*pod), wanted: make(map[policy.EndpointID]time.Duration)}
	b.settings = s.filled()
	return b
}

func (s Settings) filled() Settings {
	if s.PerName <= 0 {
		s.PerName = DefaultPerName
	}
	if s.PerPod <= 0 {
		s.PerPod = DefaultPerPod
	}
	s.MinTTL, s.Grace = max(s.MinTTL, 0), max(s.Grace, 0)
	return s
}

// Configure replaces the settings, for what has been learnt as well: lifetimes
// that run are worked out anew from what was heard; what the new guard refuses
// or the new PerPod has no room for is revoked. A lower PerName holds from the
// next answer on. To be called as well when Guard.Occupied has come to know new
// addresses of the cluster.
func (b *Book) Configure(now time.Duration, s Settings) Change {
	s = s.filled()
	lasting := s.MinTTL == b.settings.MinTTL && s.Grace == b.settings.Grace
	b.settings = s
	var c Change
	for _, p := range b.pods {
		for addr, e := range p.entries {
			was := e.open
			if e.open = b.open(addr); !lasting || !was || !e.open {
				b.weighAll(e, now, &c)
			}
		}
		for len(p.entries) > b.settings.PerPod {
			b.revoke(p.oldest(true), now, CauseEvicted, &c)
		}
	}
	return c.sorted()
}

// open says whether every pattern may have the address.
func (b *Book) open(addr netip.Addr) bool {
	_, refused := b.settings.Guard.Check(addr)
	return !refused
}

// Pods says which pods are watched from now on, and for what. Pods that are not
// there any more end, with all they learnt (N7, P16). Names learnt so far are
// matched against the new patterns, so that an address which another pattern
// admits as well goes on without a gap. New terms hold for what has been learnt
// too, as if they had always held: a shorter life ends sooner, and a range that
// is allowed no more is revoked.
func (b *Book) Pods(now time.Duration, watched map[policy.EndpointID]Watched) Change {
	var c Change
	for id, p := range b.pods {
		if len(watched[id].Patterns) == 0 {
			for _, e := range p.entries {
				b.revoke(e, now, CauseUnwanted, &c)
			}
			delete(b.pods, id)
			delete(b.wanted, id)
		}
	}
	for id, wanted := range watched {
		if len(wanted.Patterns) == 0 {
			continue
		}
		p := b.pods[id]
		if p == nil {
			p = newPod(id)
			b.pods[id] = p
		}
		if !p.watch(wanted) {
			continue
		}
		for _, e := range p.entries {
			b.weighAll(e, now, &c)
		}
	}
	return c.sorted()
}

// later returns t+d, at most the end of time. d is not negative.
func later(t, d time.Duration) time.Duration {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}

func (c Change) sorted() Change {
	slices.SortFunc(c.Grants, func(a, b Grant) int {
		return order(a.Endpoint, b.Endpoint, a.Addr, b.Addr)
	})
	slices.SortFunc(c.Revoked, func(a, b Revocation) int {
		return order(a.Endpoint, b.Endpoint, a.Addr, b.Addr)
	})
	return c
}

func order(ea, eb policy.EndpointID, a, b netip.Addr) int {
	switch {
	case ea < eb:
		return -1
	case ea > eb:
		return 1
	}
	return a.Compare(b)
}
