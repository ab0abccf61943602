package hub

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

const (
	// listingTimeout bounds one request for a node's pods, its queue included.
	listingTimeout = 15 * time.Second
	// listingTrust is how long a list of pods speaks for addresses that were not
	// watched yet: pods start in bursts, and addresses change hands.
	listingTrust = 5 * time.Second
	// What no pod has yet is looked for again, as a pod's address appears in the
	// API a moment after the pod has it; ever less often, as it may never.
	firstRetry, lastRetry = 250 * time.Millisecond, time.Minute
	// listingRest is the least time between two questions of one session. That
	// many sessions and much doubt cost the API server little, Pods sees to.
	listingRest = 50 * time.Millisecond
	// verifyEvery is how often the addresses that are watched are verified anew.
	verifyEvery = 10 * time.Minute
)

// claim is a watch that is not in force, because the API server knows no pod of
// the session's node with that address.
type claim struct {
	watch *watch
	since instant // of the wish
	told  bool    // it was counted
	// judged is what was watched and is not any more, as a list said. No pod that
	// awaits an address can be meant.
	judged bool
}

// sift parts what a session wants into what it may have now and what is to be
// verified first, and reports whether a listing is needed. What it has stays its
// own: only a listing takes it away. So does what is kept for its node: without a
// watch the lockdown would have a gap, and it was verified lately. Of the rest,
// what the last listing's pods vouch for is granted provisionally: the address of
// a pod that starts right after another one waits for no list.
// The caller holds hub.mu.
func (s *session) sift(want map[netip.Addr]*watch) (granted map[netip.Addr]*watch, rest map[netip.Addr]claim, doubt bool) {
	if s.pods == nil {
		return want, nil, false
	}
	var begins []netip.Addr
	kept := s.hub.keptOf(s.node)
	fresh := s.listed != nil && s.hub.now()-s.listedAt < listingTrust
	granted, rest = make(map[netip.Addr]*watch, len(want)), make(map[netip.Addr]claim)
	for addr, w := range want {
		_, known := s.listed[addr]
		if s.watches[addr] != nil || fresh && known {
			granted[addr] = w
			continue
		}
		doubt = true
		if kept[addr] != nil {
			granted[addr] = w
			continue
		}
		c, waits := s.unverified[addr]
		if !waits {
			c.since = s.hub.now()
			begins = append(begins, addr)
		}
		c.watch = w
		rest[addr] = c
	}
	for _, addr := range s.hub.vouch(s, begins) {
		granted[addr] = rest[addr].watch
		delete(rest, addr)
	}
	return granted, rest, doubt
}

// verify is the verifier: it asks for the node's pods whenever there is doubt
// about an address, and now and then where there is none.
func (s *session) verify() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.done
		cancel()
	}()
	again := time.NewTimer(soon(verifyEvery))
	defer again.Stop()
	for wait := firstRetry; ; {
		select {
		case <-ctx.Done():
			return
		case <-s.doubt:
			wait = firstRetry
		case <-again.C:
		}
		unsettled, err := s.verifyNow(ctx)
		if err != nil && ctx.Err() == nil {
			s.hub.stats.APIFailures.Lists.Add(1)
			s.hub.quiet.Errorf("cannot verify the addresses that node %s watches: %v; the plugin's account needs to list pods", s.node, err)
		}
		if unsettled == 0 && err == nil {
			again.Reset(soon(verifyEvery))
			wait = firstRetry
		} else {
			again.Reset(min(soon(wait), s.hub.nextEnd(s.node)))
			wait = min(2*wait, lastRetry)
		}
		// However often there is doubt, there is a rest.
		select {
		case <-ctx.Done():
			return
		case <-time.After(listingRest):
		}
	}
}

// soon spreads a wait, so that the nodes of a cluster do not ask in step.
func soon(d time.Duration) time.Duration { return d - rand.N(d/4) }

// verifyNow returns how many addresses are still in doubt. A failure takes
// nothing away: who was verified once goes on, who was not goes on waiting.
func (s *session) verifyNow(ctx context.Context) (unsettled int, err error) {
	bounded, cancel := context.WithTimeout(ctx, listingTimeout)
	defer cancel()
	pods, awaiting, err := s.pods.Pods(bounded, s.node)
	if err != nil {
		return 0, err
	}
	begun, unsettled := s.hub.settle(s, pods, awaiting)
	if len(begun) > 0 {
		s.queueReplay(begun)
	}
	return unsettled, nil
}

// settle puts in force what the listing confirms, provisionally what its pods
// vouch for, and nothing else.
func (h *Hub) settle(s *session, pods map[netip.Addr]struct{}, awaiting []string) (begun []*watch, unsettled int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.hasEnded() {
		return nil, 0
	}
	s.listed, s.listedAt = pods, h.now()
	h.recount(s.node, pods, awaiting)
	granted := make(map[netip.Addr]*watch, len(s.watches)+len(s.unverified))
	rest, begins := make(map[netip.Addr]claim), make(map[*watch]bool)
	for addr, w := range s.watches {
		if _, ok := pods[addr]; ok || h.provisional(s.node, addr) {
			granted[addr] = w
		} else {
			rest[addr] = h.doubt(s, addr, claim{watch: w, judged: true})
		}
	}
	for _, addr := range h.confirmed(s, pods) {
		granted[addr] = s.unverified[addr].watch
		begins[granted[addr]] = true
	}
	for addr, c := range s.unverified {
		if granted[addr] == nil {
			rest[addr] = h.doubt(s, addr, c)
		}
	}
	h.rewatch(s, granted, h.inherit(s, granted))
	s.unverified = rest
	return slices.Collect(maps.Keys(begins)), len(rest) + s.contested() + s.awaited()
}

// confirmed returns what waited and may be watched now, be it provisionally. The
// caller holds h.mu.
func (h *Hub) confirmed(s *session, pods map[netip.Addr]struct{}) (addrs []netip.Addr) {
	var hopeful []netip.Addr
	for addr, c := range s.unverified {
		if _, ok := pods[addr]; ok {
			addrs = append(addrs, addr)
		} else if !c.judged {
			hopeful = append(hopeful, addr)
		}
	}
	return append(addrs, h.vouch(s, hopeful)...)
}

// doubt counts and reports an address that is none of the node's, once.
func (h *Hub) doubt(s *session, addr netip.Addr, c claim) claim {
	if !c.told {
		h.stats.Unverified.Add(1)
		h.quiet.Warningf("node %s asks for the answers to %s, but no pod that runs there has this address (yet); left out until one has", s.node, addr)
	}
	c.told = true
	return c
}

// contested counts the session's addresses that another node watches too. The
// caller holds hub.mu.
func (s *session) contested() (n int) {
	for addr, w := range s.watches {
		for _, other := range s.hub.directory.lookup(addr) {
			if w.contests(other) {
				n++
				break
			}
		}
	}
	return n
}

// awaited counts the session's addresses that are still to be confirmed. The
// caller holds hub.mu.
func (s *session) awaited() (n int) {
	for addr := range s.watches {
		if s.hub.provisional(s.node, addr) {
			n++
		}
	}
	return n
}

// noteContests tells of addresses that begin to be watched while another node
// watches them. With verification on, both sides are verified anew, and
// whoever's pod is gone loses its claim; without, both are told.
func (h *Hub) noteContests(changes []change) {
	for _, c := range changes {
		if c.new == nil || c.old != nil {
			continue
		}
		for _, other := range h.directory.lookup(c.addr) {
			if !c.new.contests(other) {
				continue
			}
			h.stats.Contests.Add(1)
			h.quiet.Warningf("the nodes %s and %s both ask for the answers to %s: an address has one pod, on one node", other.session.node, c.new.session.node, c.addr)
			other.session.suspect()
			c.new.session.suspect()
		}
	}
}

func (s *session) suspect() {
	if s.pods != nil {
		notify(s.doubt)
	}
}
