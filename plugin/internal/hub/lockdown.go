package hub

import (
	"net/netip"
	"time"

	"github.com/nameward/nameward/plugin/stream"
)

// lockdownKept is how long the lockdown of a node's pods outlives the node's
// session: long enough for an enforcer's restart or update, in which nobody may
// open a tunnel, and short enough that an address of a node that is gone for
// good does not haunt the pod that gets it next.
const lockdownKept = 10 * time.Minute

// Lockdown says what becomes of a query for a name that the client's rules do
// not name (SEMANTICS N9). The stricter is the greater.
type Lockdown uint8

const (
	// LockdownOff lets it pass.
	LockdownOff Lockdown = iota
	// LockdownAudit lets it pass and has it counted.
	LockdownAudit
	// LockdownOn has it refused.
	LockdownOn
)

// lockdownOf takes what it does not know for the strictest.
func lockdownOf(l stream.Watch_Lockdown) Lockdown {
	switch l {
	case stream.Watch_OFF:
		return LockdownOff
	case stream.Watch_AUDIT:
		return LockdownAudit
	default:
		return LockdownOn
	}
}

// Lockdown judges a query of client for name, in canonical form: LockdownOff
// where none concerns the client or its patterns name the name. Where several
// sessions watch the client, each of those that lock it down must name it.
func (h *Hub) Lockdown(client netip.Addr, name string) Lockdown {
	ruling := LockdownOff
	for _, w := range h.directory.lookup(client) {
		if w.lockdown <= ruling || w.kept() && w.until <= h.now() || w.session.aheadOf(client) {
			continue
		}
		if !w.patterns.Matches(name) {
			ruling = w.lockdown
		}
	}
	return ruling
}

// LockedDown returns the strictest lockdown of the client, whatever it asks.
func (h *Hub) LockedDown(client netip.Addr) Lockdown { return h.Lockdown(client, "") }

// legacy is what is kept of a node's sessions that ended: the watches of pods
// that are locked down. A later word for the node ends it.
type legacy struct {
	word    uint64 // the session's last
	until   instant
	watches map[netip.Addr]*watch
}

// keep makes the legacy of a session that ends. There is none of a session that
// never said what it wants, nor where another one of the node has spoken since,
// be it gone or not. The caller holds h.mu.
func (h *Hub) keep(s *session) []change {
	changes := h.expire()
	if have := h.kept[s.node]; s.word == 0 || have != nil && have.word > s.word {
		return changes
	}
	for other := range h.sessions {
		if other.node == s.node && other.word > s.word {
			return changes
		}
	}
	left := &legacy{word: s.word, until: h.now() + lockdownKept, watches: make(map[netip.Addr]*watch)}
	for addr, w := range s.watches {
		if w.lockdown == LockdownOff || s.aheadOf(addr) {
			continue
		}
		k := &watch{session: s, patterns: w.patterns, lockdown: w.lockdown, until: left.until}
		left.watches[addr] = k
		changes = append(changes, change{addr: addr, new: k})
	}
	if len(left.watches) > 0 {
		h.kept[s.node] = left
		h.log.Warningf("the enforcer of node %s is away: the lockdown of %d addresses stays until it is back, at most %v",
			s.node, len(left.watches), lockdownKept)
	}
	return changes
}

// relieve ends what is kept where a session speaks: all of its node's, and of
// another node's the addresses that are now its pods'. The caller holds h.mu.
func (h *Hub) relieve(s *session, want map[netip.Addr]*watch) []change {
	changes := h.expire()
	h.words++
	s.word = h.words
	changes = append(changes, h.drop(s.node)...)
	return append(changes, h.inherit(s, want)...)
}

// inherit ends what is kept of other nodes' addresses that are now s's to watch.
// The caller holds h.mu.
func (h *Hub) inherit(s *session, want map[netip.Addr]*watch) (changes []change) {
	for addr := range want {
		for _, w := range h.directory.lookup(addr) {
			if left := h.kept[w.session.node]; w.kept() && left != nil && w.session.node != s.node {
				delete(left.watches, addr)
				changes = append(changes, change{addr: addr, old: w})
			}
		}
	}
	return changes
}

// expire ends what has been kept for long enough. The caller holds h.mu.
func (h *Hub) expire() []change {
	var changes []change
	now := h.now()
	for node, left := range h.kept {
		if left.until > now {
			continue
		}
		h.log.Warningf("the enforcer of node %s has not come back within %v: the lockdown of %d addresses has ended",
			node, lockdownKept, len(left.watches))
		changes = append(changes, h.drop(node)...)
	}
	return changes
}

func (h *Hub) drop(node string) []change {
	left := h.kept[node]
	if left == nil {
		return nil
	}
	delete(h.kept, node)
	var changes []change
	for addr, w := range left.watches {
		changes = append(changes, change{addr: addr, old: w})
	}
	return changes
}

// keptOf returns what is kept of a node, by address. The caller holds h.mu.
func (h *Hub) keptOf(node string) map[netip.Addr]*watch {
	if left := h.kept[node]; left != nil {
		return left.watches
	}
	return nil
}

// Kept returns the number of client addresses whose lockdown stands although
// their enforcer is away.
func (h *Hub) Kept() int {
	now := h.now()
	return h.directory.count(func(w *watch) bool { return w.kept() && w.until > now })
}
