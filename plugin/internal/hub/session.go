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
	// directBytes bounds what may be unacknowledged for a query's goroutine to
	// send its own message: half of what gRPC takes without blocking.
	directBytes = 32 << 10
)

// session is one connected enforcer. The receiver goroutine applies what comes,
// the replayer feeds the sender goroutine from the journal, and whoever holds an
// answer sends its message, or leaves it to the sender.
type session struct {
	hub  *Hub
	node string

	out     stream.Names_SessionServer // set before anything is published
	sending sync.Mutex                 // held by whoever uses out
	seq     uint64                     // of the last message sent; guarded by sending

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
	weight   int                 // of pending, in bytes; guarded by mu
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
	if s.sendAtOnce(m) {
		return
	}
	select {
	case s.live <- m:
	default:
		s.endSlow("it does not read: %d messages wait", liveQueue)
	}
}

// sendAtOnce spares the way through the sender where nobody is before m. Sending
// must not block the client's query: gRPC takes 64 KiB for a stream before it
// does, and what is acknowledged has left it.
func (s *session) sendAtOnce(m *message) bool {
	if len(s.live) > 0 || !s.sending.TryLock() {
		return false
	}
	defer s.sending.Unlock()
	if !s.hasRoom(m) {
		return false
	}
	s.transmit(m)
	return true
}

// transmit numbers and sends. The caller holds s.sending, so the order of
// messages is that of their numbers.
func (s *session) transmit(m *message) bool {
	s.seq++
	if !s.track(s.seq, m) {
		s.endSlow("%d messages are not acknowledged", maxPending)
		return false
	}
	if err := s.out.Send(m.encode(s.seq)); err != nil {
		s.end(err)
		return false
	}
	return true
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

// send is the sender.
func (s *session) send() {
	for m := s.next(); m != nil; m = s.next() {
		s.sending.Lock()
		ok := s.transmit(m)
		s.sending.Unlock()
		if !ok {
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

func (s *session) hasRoom(m *message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended && s.weight+m.weight() <= directBytes
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
	}
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

// weight is at least what m takes on the wire, in bytes.
func (m *message) weight() int { return 64 + len(m.name) + 28*len(m.addresses) }

// envelope is the parts of a ServerMessage, to be allocated at once.
type envelope struct {
	message stream.ServerMessage
	oneof   stream.ServerMessage_Learned
	learned stream.Learned
}

func (m *message) encode(seq uint64) *stream.ServerMessage {
	e := new(envelope)
	e.message.Message = &e.oneof
	e.oneof.Learned = &e.learned
	e.learned.Seq = seq
	e.learned.Name = m.name
	e.learned.Replayed = m.replayed
	e.learned.Addresses = make([]*stream.Address, len(m.addresses))
	addresses := make([]stream.Address, len(m.addresses))
	raw := make([]byte, 0, 16*(1+len(m.addresses)))
	raw, e.learned.Client = appendAddress(raw, m.client)
	for i, a := range m.addresses {
		raw, addresses[i].Ip = appendAddress(raw, a.IP)
		addresses[i].Ttl = a.TTL
		e.learned.Addresses[i] = &addresses[i]
	}
	stats := &m.watch.session.hub.stats
	if m.replayed {
		stats.Replayed.Add(1)
	} else {
		stats.Live.Add(1)
	}
	return &e.message
}

// appendAddress returns the extended slice and the address in it, 4 or 16 bytes.
func appendAddress(raw []byte, ip netip.Addr) (all, own []byte) {
	from := len(raw)
	if ip.Is4() {
		b := ip.As4()
		raw = append(raw, b[:]...)
	} else {
		b := ip.As16()
		raw = append(raw, b[:]...)
	}
	return raw, raw[from:len(raw):len(raw)]
}

// notify sets a signal of capacity one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
