package hub

import (
	"net/netip"
	"slices"
)

// queueReplay asks for the journal of new watches.
func (s *session) queueReplay(watches []*watch) {
	s.mu.Lock()
	// A watch that was replaced meanwhile wants nothing any more; without this
	// an enforcer could pile up work by repeating itself.
	s.backlog = slices.DeleteFunc(s.backlog, func(w *watch) bool { return !w.current() })
	s.backlog = append(s.backlog, watches...)
	s.mu.Unlock()
	notify(s.wake)
}

// replay is the replayer. It waits for the sender, so that however much there is
// to tell, only one message at a time exists.
func (s *session) replay() {
	for {
		select {
		case <-s.done:
			return
		case <-s.wake:
		}
		for w := s.nextReplay(); w != nil; w = s.nextReplay() {
			if !s.replayWatch(w) {
				return
			}
		}
	}
}

func (s *session) nextReplay() *watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.backlog) == 0 {
		return nil
	}
	w := s.backlog[0]
	s.backlog = s.backlog[1:]
	return w
}

// replayWatch reports whether the session goes on.
func (s *session) replayWatch(w *watch) bool {
	for _, client := range w.addresses {
		for _, a := range s.hub.journal.replay(client, s.hub.now(), w.patterns.Matches) {
			for _, name := range a.Names {
				m := newMessage(w, client, name, a.Addresses)
				m.replayed = true
				select {
				case s.replays <- m:
				case <-s.done:
					return false
				}
			}
		}
	}
	return true
}

// current reports whether the watch still stands for one of its addresses.
func (w *watch) current() bool {
	return slices.ContainsFunc(w.addresses, func(addr netip.Addr) bool {
		return slices.Contains(w.session.hub.directory.lookup(addr), w)
	})
}
