package main

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/policy"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// N3: the kernel is told before CoreDNS, and what to watch comes last of all.
func TestEverythingComesInOrder(t *testing.T) {
	inBubble(t, newMemory(), func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		b.wantEvents("granted", "apply", "subscribe")
		want := []dns.Watch{{Addresses: []netip.Addr{podAddr}, Patterns: []string{"example.com"}}}
		if len(b.watches) != 1 || !slices.Equal(b.watches[0].Patterns, want[0].Patterns) || !slices.Equal(b.watches[0].Addresses, want[0].Addresses) {
			t.Errorf("watches: got %v, want %v", b.watches, want)
		}
		b.learn(1, "example.com", web)
		b.wantEvents("grant", "ack 1")
		if got, want := b.acks[1], 90*time.Second; got != want {
			t.Errorf("valid for: got %v, want %v (TTL and grace)", got, want)
		}
		if !b.kernel.allows(web, 443) || b.kernel.allows(web, 80) || b.kernel.allows(other, 443) {
			t.Error("want the learnt address allowed on port 443 and nothing else")
		}
	})
}

// N9: CoreDNS hears of the lockdown of a pod without names too, and that it ends.
func TestLockdownIsSaid(t *testing.T) {
	inBubble(t, newMemory(), func(t *testing.T, b *bench) {
		d := draftOf()
		for _, audit := range []bool{false, true} {
			w := worldOf()
			w.Policies[0].Lockdown, w.Policies[0].Audit = true, audit
			locked := *d
			locked.compiled = policy.Compile(w)
			b.update(&locked)
			want := dns.LockdownOn
			if audit {
				want = dns.LockdownAudit
			}
			if len(b.watches) != 1 || b.watches[0].Lockdown != want || len(b.watches[0].Patterns) > 0 {
				t.Errorf("on trial %v: got %+v, want lockdown %d of every name", audit, b.watches, want)
			}
		}
		b.update(d)
		if len(b.watches) != 0 {
			t.Errorf("got %+v, want nothing", b.watches)
		}
	})
}

func TestWhatNobodyWantsIsAcknowledgedWithZero(t *testing.T) {
	inBubble(t, newMemory(), func(t *testing.T, b *bench) {
		b.learn(1, "example.com", web) // before any policy
		b.update(draftOf(named([]string{"example.com"})))
		b.learn(2, "other.example", web)
		b.learn(3, "example.com", netip.MustParseAddr("169.254.169.254")) // N10
		b.learn(4, "example.com")
		for seq := uint64(1); seq <= 4; seq++ {
			if valid, ok := b.acks[seq]; !ok || valid != 0 {
				t.Errorf("answer %d: got %v, %v, want an acknowledgement of nothing", seq, valid, ok)
			}
		}
		if len(b.kernel.held) != 0 {
			t.Errorf("got %v in the kernel, want nothing", b.kernel.held)
		}
	})
}

// D6, D7: a change elsewhere in the policy never takes a live grant or
// connection away, not for one packet.
func TestPolicyChangeKeepsGrantsAndConnections(t *testing.T) {
	changes := []struct {
		sentence string
		next     []policy.Rule
	}{
		{"a port is cut out of the ranges in use", []policy.Rule{named([]string{"example.com"}, 443, 8443)}},
		{"a rule comes before", []policy.Rule{named([]string{"*.example.org"}, 80), named([]string{"example.com"}, 443)}},
		{"a pattern goes that admitted the same address", []policy.Rule{named([]string{"example.com"}, 443)}},
		{"another pattern admits the same address too", []policy.Rule{named([]string{"*.example.net", "example.com", "www.example.net"}, 443)}},
		{"all ports are allowed now", []policy.Rule{named([]string{"example.com"})}},
	}
	for _, tt := range changes {
		t.Run(tt.sentence, func(t *testing.T) {
			m := newMemory()
			inBubble(t, m, func(t *testing.T, b *bench) {
				b.update(draftOf(named([]string{"example.com", "www.example.net"}, 443)))
				b.learn(1, "example.com", web)
				alone := m.held[web].Class
				b.learn(2, "www.example.net", web)
				m.watched = []probe{{peer: web, port: 443}, {peer: web, port: 443, class: alone}, {peer: web, port: 443, class: m.held[web].Class}}
				b.update(draftOf(tt.next...))
				if len(m.denied) > 0 {
					t.Errorf("denied meanwhile: %s", strings.Join(m.denied, "; "))
				}
			})
		})
	}
}

// N6: a connection outlives the grant that admitted it, also across changes.
func TestConnectionKeepsItsNameClassAfterExpiry(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		b.learn(1, "example.com", web)
		class := m.held[web].Class
		b.pass(2 * time.Minute)
		if len(m.held) != 0 {
			t.Fatalf("got %v after expiry, want nothing", m.held)
		}
		m.watched = []probe{{peer: web, port: 443, class: class}}
		b.update(draftOf(named([]string{"example.com"}, 443, 8443)))
		b.update(draftOf(named([]string{"example.com", "example.org"}, 443)))
		if len(m.denied) > 0 {
			t.Errorf("denied: %s", strings.Join(m.denied, "; "))
		}
	})
}

// N7: without its rule a grant ends at once, and so do its connections.
func TestRemovedRuleEndsGrantsAndConnections(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com", "example.org"}, 443)))
		b.learn(1, "example.com", web)
		b.learn(2, "example.org", other)
		class := m.held[web].Class
		b.update(draftOf(named([]string{"example.org"}, 443)))
		if _, held := m.held[web]; held || !b.kernel.allows(other, 443) {
			t.Errorf("got %v in the kernel, want the address of example.org alone", m.held)
		}
		for key := range m.tables.NameRows {
			if key.Peer == class {
				t.Errorf("row %v is still there, so connections of the removed rule live on", key)
			}
		}
	})
}

// D10: a policy that the kernel refuses is tried again, visibly, and a name
// learnt meanwhile has the rows of the old and of the new policy.
func TestRefusedPolicyIsTriedAgain(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		refused := &datapath.UpdateError{Table: "rows", Err: errors.New("out of memory")}
		m.failures["apply"] = []error{refused, refused, refused}
		next := draftOf(named([]string{"example.com"}, 443, 8443))
		b.update(next)
		if lacking := missing(b.node, nil); len(lacking) != 1 || !strings.Contains(lacking[0], "rows") {
			t.Errorf("readiness: got %q, want the table that refused", lacking)
		}
		b.learn(1, "example.com", web)
		if !b.kernel.allows(web, 443) || b.acks[1] == 0 {
			t.Error("want names learnt under the policy in force while the next one waits")
		}
		for key := range next.compiled.NameRows(podID, []string{"example.com"}) {
			if _, ok := m.names[key]; !ok {
				t.Errorf("row %v of the next policy is missing", key)
			}
		}
		m.watched = []probe{{peer: web, port: 443}}
		b.pass(time.Second)
		if lacking := missing(b.node, nil); len(lacking) != 0 || !b.kernel.allows(web, 8443) || len(m.denied) > 0 {
			t.Errorf("after a while: missing %q, denied %q, want the new policy in force", lacking, m.denied)
		}
	})
}

func TestPodWithoutItsInterfaceHindersNobody(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		gone := &datapath.InterfaceError{Pod: podRef, Interface: datapath.Interface{Name: "pod0"}, Err: errors.New("no such interface")}
		m.failures["apply"] = []error{errors.Join(gone)}
		b.update(draftOf(named([]string{"example.com"})))
		if lacking := missing(b.node, nil); len(lacking) != 0 {
			t.Errorf("readiness: got %q, want nothing missing", lacking)
		}
		if got := b.node.absent; len(got) != 1 || !strings.Contains(got[podID].reason, "pod0") {
			t.Errorf("absent: got %v, want the interface's name", got)
		}
	})
}

// D10, N3: CoreDNS is told only once the kernel knows.
func TestRefusedGrantIsTriedAgainAndThenAcknowledged(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		busy := &datapath.UpdateError{Table: "grants", Err: errors.New("busy")}
		m.failures["grant"] = []error{busy, busy}
		b.learn(1, "example.com", web)
		if _, acked := b.acks[1]; acked {
			t.Error("acknowledged before the kernel had it")
		}
		b.pass(time.Second)
		if !b.kernel.allows(web, 443) {
			t.Error("want it granted after a while, with its rows")
		}
		if got := b.acks[1]; got <= 89*time.Second || got >= 90*time.Second {
			t.Errorf("valid for: got %v, want a little less than 90 s", got)
		}
	})
}

// D10: a table without room grows with the next update, so one is asked for.
func TestFullTableAsksForAnUpdate(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		m.failures["grant"] = []error{&datapath.UpdateError{Table: "rows", Err: errors.New("argument list too long")}}
		b.learn(1, "example.com", web)
		select {
		case <-b.node.stale:
		default:
			t.Error("no update is asked for")
		}
	})
}

func TestRefusedRevocationIsTriedAgain(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		b.learn(1, "example.com", web)
		m.failures["revoke"] = []error{errors.New("busy"), errors.New("busy")}
		b.update(draftOf(named([]string{"example.org"}, 443)))
		b.pass(time.Second)
		if len(m.held) != 0 || len(b.node.debts) != 0 {
			t.Errorf("got %v held and %v in debt, want neither", m.held, b.node.debts)
		}
	})
}

func TestUpdateFromAnotherStateIsRefused(t *testing.T) {
	inBubble(t, newMemory(), func(t *testing.T, b *bench) {
		first, second := draftOf(named([]string{"example.com"})), draftOf(named([]string{"example.org"}))
		b.update(first)
		if b.offer(nil, second) {
			t.Error("an update from nothing was accepted though a policy is in force")
		}
		if !b.offer(first.compiled, second) {
			t.Error("an update from the policy in force was refused")
		}
	})
}

func TestWhyIsAnsweredByTheBook(t *testing.T) {
	inBubble(t, newMemory(), func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"})))
		b.learn(1, "example.com", web)
		b.pass(90*time.Second + 42*time.Second)
		got := b.node.why(t.Context(), podID, web)
		if !strings.Contains(got, "expired") || !strings.Contains(got, "example.com") { // S1
			t.Errorf("got %q, want when it expired and for which name", got)
		}
	})
}
