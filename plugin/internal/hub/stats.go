package hub

import "sync/atomic"

// Stats are the hub's counters since the process started.
type Stats struct {
	Live            atomic.Uint64 // messages about answers on their way to a client
	Replayed        atomic.Uint64 // messages from the journal
	Refused         Refusals      // peers that were turned away before a session
	SlowSessions    atomic.Uint64 // sessions ended because the enforcer did not keep up
	Superseded      atomic.Uint64 // sessions ended because the node has newer ones
	Unverified      atomic.Uint64 // addresses left out of a watch because no pod of the node has them
	Provisional     atomic.Uint64 // addresses watched before the API server had them
	ProvisionalLost atomic.Uint64 // those of them that it never had, or another node claimed
	Contests        atomic.Uint64 // addresses watched while another node watched them
	APIFailures     APIFailures
}

// APIFailures count requests to the API server that failed.
type APIFailures struct {
	Reviews atomic.Uint64 // of tokens
	Lists   atomic.Uint64 // of pods
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

// Contested returns the number of client addresses that several nodes watch.
func (h *Hub) Contested() int { return h.directory.contested() }

// Waiting returns the number of client addresses that enforcers want to watch
// and that no pod of their node is known to have.
func (h *Hub) Waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for s := range h.sessions {
		n += len(s.unverified)
	}
	return n
}

// Journaled returns the number of client addresses the journal knows.
func (h *Hub) Journaled() int { return h.journal.clients() }
