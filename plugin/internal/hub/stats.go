package hub

import "sync/atomic"

// Stats are the hub's counters since the process started.
type Stats struct {
	Live         atomic.Uint64 // messages about answers on their way to a client
	Replayed     atomic.Uint64 // messages from the journal
	Refused      atomic.Uint64 // peers that were turned away before a session
	SlowSessions atomic.Uint64 // sessions ended because the enforcer did not keep up
}

// Stats returns the counters; they are live.
func (h *Hub) Stats() *Stats { return &h.stats }

// Sessions returns the number of connected enforcers.
func (h *Hub) Sessions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}

// Watched returns the number of client addresses that somebody watches.
func (h *Hub) Watched() int { return h.directory.watched() }

// Journaled returns the number of client addresses the journal knows.
func (h *Hub) Journaled() int { return h.journal.clients() }
