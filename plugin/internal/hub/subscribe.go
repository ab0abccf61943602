package hub

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/names"
	"github.com/nameward/nameward/plugin/stream"
)

// subscribe applies a Subscription whole, or refuses it whole.
func (s *session) subscribe(sub *stream.Subscription) error {
	removed, err := stream.ParseAddresses(sub.GetRemoved())
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "Subscription.removed: %v", err)
	}
	watches := make([]*watch, 0, len(sub.GetWatches()))
	for i, m := range sub.GetWatches() {
		w, err := s.newWatch(m)
		if err != nil {
			return status.Errorf(codes.InvalidArgument, "Subscription.watches[%d]: %v", i, err)
		}
		watches = append(watches, w)
	}
	c := step{reset: sub.GetReset_(), removed: removed, watches: watches, more: sub.GetMore()}
	if err := s.hub.subscribe(s, c); err != nil {
		return err
	}
	s.unplayed = append(s.unplayed, watches...)
	if c.more {
		// A peer that repeats itself without an end must not pile up watches.
		s.unplayed = slices.DeleteFunc(s.unplayed, func(w *watch) bool { return !s.drafted(w) })
		return nil
	}
	s.queueReplay(s.unplayed)
	s.unplayed = nil
	return nil
}

// drafted reports whether w is part of the change that is not whole yet.
func (s *session) drafted(w *watch) bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return slices.ContainsFunc(w.addresses, func(addr netip.Addr) bool { return s.draft[addr] == w })
}

// step is one message of a change.
type step struct {
	reset   bool
	removed []netip.Addr
	watches []*watch
	more    bool // the change goes on
}

func (s *session) newWatch(m *stream.Watch) (*watch, error) {
	addrs, err := stream.ParseAddresses(m.GetAddresses())
	if err != nil {
		return nil, fmt.Errorf("addresses: %w", err)
	}
	if n := len(m.GetPatterns()); n > stream.MaxPatterns {
		return nil, fmt.Errorf("%d patterns; want at most %d", n, stream.MaxPatterns)
	}
	patterns, err := s.hub.sets.of(m.GetPatterns())
	if err != nil {
		return nil, fmt.Errorf("patterns: %w", err)
	}
	w := &watch{session: s, patterns: patterns, addresses: addrs, lockdown: lockdownOf(m.GetLockdown())}
	for _, text := range m.GetPatterns() {
		w.names.count, w.names.bytes = w.names.count+1, w.names.bytes+len(text)
	}
	return w, nil
}

// subscribe makes a change visible to queries, once it is whole.
func (h *Hub) subscribe(s *session, c step) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Whoever ended the session takes its watches away, before or after this.
	if s.hasEnded() {
		return s.cause
	}
	want := s.draft
	switch {
	case c.reset:
		want = make(map[netip.Addr]*watch)
	case want == nil:
		want = make(map[netip.Addr]*watch, len(s.watches))
		maps.Copy(want, s.watches)
		for addr, c := range s.unverified {
			want[addr] = c.watch
		}
	}
	for _, addr := range c.removed {
		delete(want, addr)
	}
	for _, w := range c.watches {
		for _, addr := range w.addresses {
			want[addr] = w
		}
	}
	if len(want) > stream.MaxWatched {
		return status.Errorf(codes.ResourceExhausted, "%d addresses watched; want at most %d", len(want), stream.MaxWatched)
	}
	if err := checkPatterns(want); err != nil {
		return err
	}
	if c.more {
		s.draft = want
		return nil
	}
	s.draft = nil
	granted, rest, doubt := s.sift(want)
	h.rewatch(s, granted, h.relieve(s, granted))
	if s.unverified = rest; doubt {
		notify(s.doubt)
	}
	return nil
}

// checkPatterns bounds what one session can have this process remember. Watches
// with the same patterns share them.
func checkPatterns(want map[netip.Addr]*watch) error {
	var all patternLoad
	seen := make(map[*names.Set]bool)
	for _, w := range want {
		if !seen[w.patterns] {
			seen[w.patterns] = true
			all.count, all.bytes = all.count+w.names.count, all.bytes+w.names.bytes
		}
	}
	if all.count > stream.MaxSessionPatterns || all.bytes > stream.MaxSessionPatternBytes {
		return status.Errorf(codes.ResourceExhausted, "%d patterns of %d bytes in all watches; want at most %d of %d",
			all.count, all.bytes, stream.MaxSessionPatterns, stream.MaxSessionPatternBytes)
	}
	return nil
}

// rewatch replaces the session's watches in one step for each address, so that
// no query falls between an old and a new watch, together with other changes
// that the caller has. The caller holds h.mu.
func (h *Hub) rewatch(s *session, want map[netip.Addr]*watch, changes []change) {
	h.oust(s, want)
	for addr, have := range s.watches {
		if want[addr] != have {
			changes = append(changes, change{addr: addr, old: have, new: want[addr]})
		}
	}
	for addr, w := range want {
		if s.watches[addr] == nil {
			changes = append(changes, change{addr: addr, new: w})
		}
	}
	h.directory.apply(changes)
	s.watches = want
	h.noteContests(changes)
}
