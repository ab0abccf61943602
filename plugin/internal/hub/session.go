package hub

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/stream"
)

const (
	// liveQueue bounds the messages about held answers that wait to be sent.
	// Whoever lets it fill up does not read, and loses the session.
	liveQueue = 1024
	// maxPending bounds the messages that wait to be acknowledged.
	maxPending = 8192
	// maxLoad bounds the bytes of all of those: one answer may have thousands of
	// addresses, and what a peer does not read must not pile up here.
	maxLoad = 8 << 20
	// replayWindow is how many may wait before the replay pauses, so that a
	// long journal never stands in the way of an answer on hold.
	replayWindow = 256
	// stallAfter is how long an enforcer may go without acknowledging anything
	// while answers wait. Then the session ends, and with it the waiting.
	stallAfter = 5 * time.Second
	// directBytes bounds what may be unacknowledged for a query's goroutine to
	// send its own message: half of what gRPC takes without blocking.
	directBytes = 32 << 10
)

// session is one connected enforcer. The receiver goroutine applies what comes.
// Whoever holds an answer sends its message, or leaves it to the sender, a
// goroutine that lives while there is something to send, see sender.go.
type session struct {
	hub      *Hub
	node     string
	identity identity

	out     stream.Names_SessionServer // set before anything is published
	sending sync.Mutex                 // held by whoever uses out
	seq     uint64                     // of the last message sent; guarded by sending

	done  chan struct{} // closed when the session ends
	cause error         // why; valid once done is closed

	mark     *watch                // on the node's own addresses; set once
	watches  map[netip.Addr]*watch // guarded by hub.mu
	draft    map[netip.Addr]*watch // a change that is not whole yet, or nil; guarded by hub.mu
	word     uint64                // number of its last whole change, 0 before the first; guarded by hub.mu
	unplayed []*watch              // of the draft; the receiver's own

	// Of a session whose addresses are verified:
	pods       Pods                                // nil: they are taken on trust
	doubt      chan struct{}                       // signals that something is to be verified; capacity 1
	unverified map[netip.Addr]claim                // wanted, and left out; guarded by hub.mu
	listed     map[netip.Addr]struct{}             // the node's pods when last asked for; guarded by hub.mu
	listedAt   instant                             // guarded by hub.mu
	ahead      atomic.Pointer[map[netip.Addr]bool] // watched provisionally; immutable
	pace       pace                                // of Subscriptions; the receiver's

	mu       sync.Mutex
	ended    bool                // guarded by mu
	sender   bool                // whether the sender lives; guarded by mu
	live     []*message          // to be sent, of answers on hold; guarded by mu
	pending  map[uint64]*message // sent, not acknowledged; guarded by mu
	weight   int                 // of pending, in bytes; guarded by mu
	waiting  int                 // of live, in bytes; guarded by mu
	progress instant             // of the last acknowledgement, or of the first pending; guarded by mu
	backlog  []*watch            // to be replayed; guarded by mu
	settled  int                 // length of backlog when it was last cleared up; guarded by mu
	replay   replay              // of the first of them; the sender's, if it lives, or guarded by mu
}

// message is one Learned on its way.
type message struct {
	watch     *watch
	client    netip.Addr
	name      string
	addresses []Address // own copy
	replayed  bool
	sent      instant       // set by the sender
	acked     chan struct{} // closed at the acknowledgement; nil if nobody waits
}

func newMessage(w *watch, client netip.Addr, name string, addrs []Address) *message {
	return &message{
		watch:     w,
		client:    client,
		name:      strings.Clone(name),
		addresses: append([]Address(nil), addrs...),
	}
}

func newSession(h *Hub, node string) *session {
	return &session{
		hub:     h,
		node:    node,
		done:    make(chan struct{}),
		doubt:   make(chan struct{}, 1),
		watches: make(map[netip.Addr]*watch),
		pending: make(map[uint64]*message),
	}
}

// end closes the session once; the first cause stands.
func (s *session) end(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.cause = true, cause
	close(s.done)
}

func (s *session) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *session) endSlow(format string, v ...any) {
	if !s.hasEnded() {
		s.hub.stats.SlowSessions.Add(1)
	}
	s.end(status.Errorf(codes.ResourceExhausted, "enforcer does not keep up: "+format, v...))
}

func (s *session) track(seq uint64, m *message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) >= maxPending {
		return false
	}
	m.sent = s.hub.now()
	if len(s.pending) == 0 {
		s.progress = m.sent
	}
	s.pending[seq] = m
	s.weight += m.weight()
	return true
}

// acknowledge settles one message. An unknown number is ignored: the enforcer
// may repeat itself.
func (s *session) acknowledge(seq uint64, valid time.Duration) {
	s.mu.Lock()
	m := s.pending[seq]
	if m != nil {
		delete(s.pending, seq)
		s.weight -= m.weight()
		s.refund(m)
	}
	s.progress = s.hub.now()
	if len(s.pending) <= replayWindow/2 {
		s.startSender()
	}
	s.mu.Unlock()
	if m == nil {
		return
	}
	if valid > 0 {
		m.watch.remember(m, valid)
	}
	if m.acked != nil {
		close(m.acked)
	}
}

// checkProgress ends a session that has acknowledged nothing for too long.
// Called when a held answer ran into its bound.
func (s *session) checkProgress(now instant) {
	s.mu.Lock()
	stalled := len(s.pending) > 0 && now-s.progress > stallAfter
	s.mu.Unlock()
	if stalled {
		s.endSlow("no acknowledgement for %v", stallAfter)
	}
}

// notify sets a signal of capacity one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
