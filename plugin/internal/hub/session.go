package hub

import (
	"net/netip"
	"strings"
	"sync"
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
	// replayWindow is how many may wait before the replay pauses, so that a
	// long journal never stands in the way of an answer on hold.
	replayWindow = 256
	// stallAfter is how long an enforcer may go without acknowledging anything
	// while answers wait. Then the session ends, and with it the waiting.
	stallAfter = 5 * time.Second
)

// session is one connected enforcer. The sender goroutine numbers and sends,
// the receiver goroutine applies what comes, the replayer feeds the sender from
// the journal.
type session struct {
	hub  *Hub
	node string

	live    chan *message
	replays chan *message
	room    chan struct{} // signals that pending has shrunk; capacity 1

	done  chan struct{} // closed when the session ends
	cause error         // why; valid once done is closed

	mark     *watch                // on the node's own addresses; set once
	watches  map[netip.Addr]*watch // guarded by hub.mu
	draft    map[netip.Addr]*watch // a change that is not whole yet, or nil; guarded by hub.mu
	word     uint64                // number of its last whole change, 0 before the first; guarded by hub.mu
	unplayed []*watch              // of the draft; the receiver's own

	mu       sync.Mutex
	ended    bool                // guarded by mu
	pending  map[uint64]*message // sent, not acknowledged; guarded by mu
	progress instant             // of the last acknowledgement, or of the first pending; guarded by mu
	backlog  []*watch            // to be replayed; guarded by mu
	wake     chan struct{}       // signals a backlog; capacity 1
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
		live:    make(chan *message, liveQueue),
		replays: make(chan *message),
		room:    make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		watches: make(map[netip.Addr]*watch),
		pending: make(map[uint64]*message),
	}
}

// publish never blocks. A queue without room ends the session, which releases
// every answer that it held.
func (s *session) publish(m *message) {
	select {
	case s.live <- m:
	default:
		s.endSlow("it does not read: %d messages wait", liveQueue)
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

// send is the sender: it alone numbers messages, so their order is that of the
// numbers.
func (s *session) send(out stream.Names_SessionServer) {
	for seq := uint64(1); ; seq++ {
		m := s.next()
		if m == nil {
			return
		}
		if !s.track(seq, m) {
			s.endSlow("%d messages are not acknowledged", maxPending)
			return
		}
		if err := out.Send(m.encode(seq)); err != nil {
			s.end(err)
			return
		}
	}
}

// next waits for a message; live ones come first. It returns nil at the end.
func (s *session) next() *message {
	for {
		select {
		case m := <-s.live:
			return m
		default:
		}
		replays := s.replays
		if s.unacknowledged() >= replayWindow {
			replays = nil
		}
		select {
		case <-s.done:
			return nil
		case m := <-s.live:
			return m
		case m := <-replays:
			return m
		case <-s.room:
		}
	}
}

func (s *session) unacknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
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
	return true
}

// acknowledge settles one message. An unknown number is ignored: the enforcer
// may repeat itself.
func (s *session) acknowledge(seq uint64, valid time.Duration) {
	s.mu.Lock()
	m := s.pending[seq]
	delete(s.pending, seq)
	s.progress = s.hub.now()
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
	notify(s.room)
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

func (m *message) encode(seq uint64) *stream.ServerMessage {
	learned := &stream.Learned{
		Seq:       seq,
		Client:    m.client.AsSlice(),
		Name:      m.name,
		Addresses: make([]*stream.Address, len(m.addresses)),
		Replayed:  m.replayed,
	}
	for i, a := range m.addresses {
		learned.Addresses[i] = &stream.Address{Ip: a.IP.AsSlice(), Ttl: a.TTL}
	}
	stats := &m.watch.session.hub.stats
	if m.replayed {
		stats.Replayed.Add(1)
	} else {
		stats.Live.Add(1)
	}
	return &stream.ServerMessage{Message: &stream.ServerMessage_Learned{Learned: learned}}
}

// notify sets a signal of capacity one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
