package hub

import (
	"net/netip"
	"slices"
)

// replay is what is left to tell of one watch's journal.
type replay struct {
	watch     *watch
	addresses []netip.Addr // not yet looked up
	client    netip.Addr   // of answers
	answers   []Answer
	names     []string // of the first of answers, not yet told
}

// queueReplay asks for the journal of new watches.
func (s *session) queueReplay(watches []*watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A watch that was replaced meanwhile wants nothing any more; without this
	// an enforcer could pile up work by repeating itself. It is done again when
	// the backlog has doubled, so that it costs each watch once.
	if len(s.backlog) > 2*s.settled {
		s.backlog = slices.DeleteFunc(s.backlog, func(w *watch) bool { return !w.current() })
		s.settled = len(s.backlog)
	}
	s.backlog = append(s.backlog, watches...)
	s.startSender()
}

func (s *session) nextReplay() *watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.backlog) == 0 {
		return nil
	}
	w := s.backlog[0]
	s.backlog[0] = nil
	if s.backlog = s.backlog[1:]; len(s.backlog) == 0 {
		s.backlog, s.settled = nil, 0
	}
	return w
}

// over reports whether the watch is done.
func (r *replay) over() bool {
	return len(r.names) == 0 && len(r.answers) == 0 && len(r.addresses) == 0
}

// next returns one message and nil where there is nothing more in all the
// backlog.
func (r *replay) next(s *session) *message {
	for len(r.names) == 0 {
		switch {
		case len(r.answers) > 1:
			r.answers = r.answers[1:]
			r.names = r.answers[0].Names
		case len(r.addresses) > 0:
			r.client, r.addresses = r.addresses[0], r.addresses[1:]
			r.answers = nil
			if !r.watch.covers(r.client) {
				continue // withdrawn, or not verified: then it must not be told
			}
			r.answers = s.hub.journal.replay(r.client, s.hub.now(), r.watch.patterns.Matches)
			if len(r.answers) > 0 {
				r.names = r.answers[0].Names
			}
		default:
			w := s.nextReplay()
			if w == nil {
				*r = replay{}
				return nil
			}
			*r = replay{watch: w, addresses: w.addresses}
		}
	}
	m := newMessage(r.watch, r.client, r.names[0], r.answers[0].Addresses)
	m.replayed = true
	if r.names = r.names[1:]; len(r.names) == 0 && len(r.answers) == 1 {
		r.answers = nil
	}
	return m
}

// current reports whether the watch still stands for one of its addresses.
func (w *watch) current() bool {
	return slices.ContainsFunc(w.addresses, w.covers)
}

func (w *watch) covers(addr netip.Addr) bool {
	return slices.Contains(w.session.hub.directory.lookup(addr), w)
}
