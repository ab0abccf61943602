// Package hub joins what CoreDNS answers with who wants to know: it keeps the
// enforcers' sessions, what each of them watches, what they have acknowledged,
// and a journal of recent answers for those who come late.
//
// One Hub serves the process and outlives the plugin's instances, because a
// Corefile reload must not end a stream or forget an answer. It knows addresses,
// names and the stream; it must not know DNS messages, CoreDNS or Corefiles.
package hub

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/nameward/nameward/plugin/stream"
)

// instant is a time on the hub's clock: the time since the hub was made.
type instant = time.Duration

// Logger takes the few events that an operator should read.
type Logger interface {
	Infof(format string, v ...any)
	Warningf(format string, v ...any)
	Errorf(format string, v ...any)
}

// Hub is safe for concurrent use.
type Hub struct {
	stream.UnimplementedNamesServer

	clock func() time.Time
	epoch time.Time
	log   Logger
	quiet *quietLog // for what strangers cause
	stats Stats

	directory directory
	journal   journal
	sets      sets

	mu         sync.Mutex                // serialises every change of what follows, and of directory
	sessions   map[*session]bool         // open sessions
	nodes      map[string][]*session     // the same by node, oldest first
	listeners  map[string]*listener      // by Endpoint.String
	leases     uint64                    // number of the newest lease
	words      uint64                    // number of the newest whole change of any session
	kept       map[string]*legacy        // by node
	ledgers    map[string]*ledger        // by node; of those with pods that await addresses
	provisions map[netip.Addr]*provision // all that are in ledgers
}

// New makes a hub that listens nowhere yet and keeps no journal.
func New(clock func() time.Time, log Logger) *Hub {
	return &Hub{
		clock:      clock,
		epoch:      clock(),
		log:        log,
		quiet:      &quietLog{clock: clock, log: log},
		sessions:   make(map[*session]bool),
		nodes:      make(map[string][]*session),
		listeners:  make(map[string]*listener),
		kept:       make(map[string]*legacy),
		ledgers:    make(map[string]*ledger),
		provisions: make(map[netip.Addr]*provision),
	}
}

func (h *Hub) now() instant { return h.clock().Sub(h.epoch) }

// Address is one address of an answer.
type Address struct {
	IP  netip.Addr
	TTL uint32 // seconds
}

// Answer is what one client is about to get.
type Answer struct {
	// Names are those that a pattern may match, canonical, the question first.
	Names []string
	// Addresses that the client may use under any of Names.
	Addresses []Address
}

// Outcome says what became of an answer.
type Outcome uint8

const (
	OutcomeUnknown Outcome = iota
	Unwatched              // nobody watches that client
	Unwanted               // no pattern of the client's watch matches
	IdentityLost           // the client's address is a node's own
	Known                  // acknowledged before; nothing was sent
	Published              // sent; the answer need not wait
	Crowded                // not sent: too much of the pod is unacknowledged
	Acknowledged           // sent, and every watching enforcer has acknowledged
	TimedOut               // sent, and not acknowledged within the bound
	Disconnected           // the stream ended while the answer was held
	Abandoned              // the client's request was cancelled while the answer was held
)

// Held reports whether the answer had to wait.
func (o Outcome) Held() bool { return o >= Acknowledged }

// Interested reports whether an answer to client is worth extracting at all.
func (h *Hub) Interested(client netip.Addr) bool {
	return h.journal.enabled() || h.directory.lookup(client) != nil
}

// Answer records an answer, tells the enforcers that watch the client and waits
// for them at most hold. It returns when the client may have the answer, and how
// long that took; with a hold of zero it never waits. The hub keeps no reference
// to a.
//
// Preconditions: a has at least one name and one address.
func (h *Hub) Answer(ctx context.Context, client netip.Addr, a Answer, hold time.Duration) (Outcome, time.Duration) {
	now := h.now()
	// The journal comes before the look-up, as a new watch comes before its
	// replay: whichever way the two cross, the enforcer hears of the answer.
	h.journal.record(client, a, now)
	watches := h.directory.lookup(client)
	if watches == nil {
		return Unwatched, 0
	}
	outcome := Unwanted
	var held []*message
	for _, w := range watches {
		if w.kept() {
			continue // nobody is there to be told
		}
		if w.node {
			w.reportLostIdentity(client)
			outcome = max(outcome, IdentityLost)
			continue
		}
		for _, name := range a.Names {
			m, result := w.tell(client, name, a.Addresses, now, hold > 0)
			if m != nil && m.acked != nil {
				held = append(held, m)
			}
			outcome = max(outcome, result)
		}
	}
	if len(held) == 0 {
		return outcome, 0
	}
	crowded := outcome == Crowded
	if outcome = h.wait(ctx, held, hold); crowded && outcome == Acknowledged {
		outcome = Crowded
	}
	return outcome, h.now() - now
}

// wait returns once every message is acknowledged, or when waiting is no longer
// of use. One ended stream does not release what another enforcer must confirm.
func (h *Hub) wait(ctx context.Context, held []*message, hold time.Duration) Outcome {
	bound := time.NewTimer(hold)
	defer bound.Stop()
	outcome := Acknowledged
	for _, m := range held {
		select {
		case <-m.acked:
		case <-m.watch.session.done:
			outcome = Disconnected
		case <-ctx.Done():
			return Abandoned
		case <-bound.C:
			m.watch.session.checkProgress(h.now())
			return TimedOut
		}
	}
	return outcome
}
