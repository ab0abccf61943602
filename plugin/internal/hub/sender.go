package hub

import (
	"net/netip"

	"github.com/nameward/nameward/plugin/stream"
)

const (
	// podMessages and podBytes bound what of one pod is told and not acknowledged,
	// to a fraction of what ends the session: a pod that asks faster than its
	// enforcer learns must not cost the others of its node their stream (N15).
	podMessages = 256
	podBytes    = 1 << 20
)

// publish never blocks. It reports false where the pod has used up its share: the
// enforcer is not told then, and will be of the pod's next answer. A queue
// without room ends the session, which releases every answer that it held.
func (s *session) publish(m *message) bool {
	if !s.charge(m) {
		return false
	}
	if !s.sendAtOnce(m) && !s.queue(m) {
		s.endSlow("it does not read: more than %d messages or %d bytes wait", liveQueue, maxLoad)
	}
	return true
}

// charge takes m from its pod's share.
func (s *session) charge(m *message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := m.watch
	if w.owed > 0 && (w.owed == podMessages || w.owedBytes+m.weight() > podBytes) {
		return false
	}
	w.owed++
	w.owedBytes += m.weight()
	return true
}

// refund gives back what was taken for m. The caller holds s.mu.
func (s *session) refund(m *message) {
	if !m.replayed {
		m.watch.owed--
		m.watch.owedBytes -= m.weight()
	}
}

// queue leaves m to the sender. It reports false where too much waits.
func (s *session) queue(m *message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.live) == liveQueue || s.weight+s.waiting+m.weight() > maxLoad {
		return false
	}
	s.live = append(s.live, m)
	s.waiting += m.weight()
	s.startSender()
	return true
}

// sendAtOnce spares the way through the sender where nobody is before m. Sending
// must not block the client's query: gRPC takes 64 KiB for a stream before it
// does, and what is acknowledged has left it.
func (s *session) sendAtOnce(m *message) bool {
	if !s.sending.TryLock() {
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

func (s *session) hasRoom(m *message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended && len(s.live) == 0 && s.weight+m.weight() <= directBytes
}

// startSender makes a sender where there is work for one: thousands of sessions
// have nothing to say most of the time. The caller holds s.mu.
func (s *session) startSender() {
	if s.sender || !s.hasWork() {
		return
	}
	s.sender = true
	go s.send()
}

// hasWork reports whether a sender could send. The caller holds s.mu.
func (s *session) hasWork() bool {
	if s.ended {
		return false
	}
	if len(s.live) > 0 {
		return true
	}
	return len(s.pending) < replayWindow && s.weight < maxLoad/2 && (len(s.backlog) > 0 || !s.replay.over())
}

// send is the sender. One that cannot send has ended the session and has no
// successor.
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

// next returns what is to be sent next; nil is the sender's end.
func (s *session) next() *message {
	for {
		m, goes := s.first()
		if m != nil || !goes {
			return m
		}
		// However much there is to replay, only one message of it exists.
		if m := s.replay.next(s); m != nil {
			return m
		}
	}
}

// first takes the first live message: these come before the journal, which waits
// while too many are unacknowledged. It reports false where the sender is done.
func (s *session) first() (m *message, goes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasWork() {
		s.sender = false
		return nil, false
	}
	if len(s.live) == 0 {
		return nil, true
	}
	m = s.live[0]
	s.live[0] = nil
	s.waiting -= m.weight()
	if s.live = s.live[1:]; len(s.live) == 0 {
		s.live = nil // what a burst took
	}
	return m, true
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
