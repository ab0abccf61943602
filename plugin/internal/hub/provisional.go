package hub

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// The kubelet writes a pod's addresses to the API about a second after the pod
// has started, and the pod may ask for a name before. So a pod that awaits an
// address vouches for one address of each family: what its node's enforcer asks
// for is watched provisionally, until the API server has it.
//
// The threat: a broken node can hear the answers to addresses that nobody else
// asks for, the recent ones included. It is bounded: by the pods that are bound
// to it, which it cannot make; to one address of each family for each of them,
// ever; to provisionalFor; and to hearing: a provisional watch refuses nobody's
// queries. Which pod has which address nobody knows yet, so only their number
// counts, and who vouches for what may change.

// provisionalFor is how long an address may be watched before a list has it.
// Only a list ends it: while the API server does not answer nothing can be
// confirmed, and nothing speaks against a pod that started just before (N18).
const provisionalFor = time.Minute

// provision is an address that a node watches provisionally.
type provision struct {
	node  string
	addr  netip.Addr
	pod   string // whose voucher it has
	since instant
	// lost is one that another node asked for too. It is neither's until the API
	// server has it; so nobody hears a pod whose own node speaks.
	lost bool
}

// voucher is what a pod that awaits addresses is good for.
type voucher struct {
	pod string
	v4  bool
}

// ledger is what the pods of one node vouch for.
type ledger struct {
	awaiting   []string // pods
	at         instant  // when they were listed
	spent      map[voucher]bool
	provisions map[netip.Addr]*provision
}

// free returns a voucher for the address that is not spent.
func (l *ledger) free(addr netip.Addr) (voucher, bool) {
	for _, pod := range l.awaiting {
		if v := (voucher{pod, addr.Is4()}); !l.spent[v] {
			return v, true
		}
	}
	return voucher{}, false
}

// vouch returns those of the addresses that the session may watch provisionally.
// The latest come first: who has waited for longer was no pod all that time. The
// caller holds h.mu, and puts them in force.
func (h *Hub) vouch(s *session, addrs []netip.Addr) (granted []netip.Addr) {
	l := h.ledgers[s.node]
	if l == nil || len(addrs) == 0 {
		return nil
	}
	slices.SortFunc(addrs, func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(s.unverified[b].since, s.unverified[a].since), a.Compare(b))
	})
	for _, addr := range addrs {
		if h.provide(s.node, l, addr) {
			granted = append(granted, addr)
		}
	}
	h.publish(s.node)
	return granted
}

// provide reports whether the node may watch the address provisionally. The
// caller holds h.mu.
func (h *Hub) provide(node string, l *ledger, addr netip.Addr) bool {
	have := h.provisions[addr]
	if have != nil && have.node == node {
		return !have.lost // another session's of the node, or the one before this
	}
	v, ok := l.free(addr)
	if !ok || h.now()-l.at >= listingTrust || h.taken(node, addr) {
		return false
	}
	l.spent[v] = true
	if have != nil {
		h.lose(have, "node "+node+" asks for them too")
		return false
	}
	p := &provision{node: node, addr: addr, pod: v.pod, since: h.now()}
	h.provisions[addr], l.provisions[addr] = p, p
	h.stats.Provisional.Add(1)
	return true
}

// taken reports whether another node watches the address, has it for its own, or
// has left its lockdown; what that one watches provisionally itself does not
// count. The caller holds h.mu.
func (h *Hub) taken(node string, addr netip.Addr) bool {
	return slices.ContainsFunc(h.directory.lookup(addr), func(w *watch) bool {
		switch {
		case w.session.node == node:
			return false
		case w.kept():
			return w.until > h.now()
		default:
			return !h.provisional(w.session.node, addr)
		}
	})
}

func (h *Hub) provisional(node string, addr netip.Addr) bool {
	p := h.provisions[addr]
	return p != nil && p.node == node && !p.lost
}

// recount compares what a node's pods vouch for with a list: what has its address
// is confirmed, and of what remains each needs a pod that still awaits one. Where
// there are too few the oldest go, whose pod should have its address by now.
// The caller holds h.mu.
func (h *Hub) recount(node string, addresses map[netip.Addr]struct{}, awaiting []string) {
	l := h.ledgers[node]
	if l == nil && len(awaiting) == 0 {
		return
	}
	if l == nil {
		l = &ledger{spent: make(map[voucher]bool), provisions: make(map[netip.Addr]*provision)}
		h.ledgers[node] = l
	}
	l.awaiting, l.at = awaiting, h.now()
	for addr, p := range l.provisions {
		if _, ok := addresses[addr]; ok {
			delete(l.spent, voucher{p.pod, addr.Is4()}) // it was somebody else's
			h.strike(p)
		}
	}
	maps.DeleteFunc(l.spent, func(v voucher, _ bool) bool { return !slices.Contains(awaiting, v.pod) })
	latestFirst := slices.SortedFunc(maps.Values(l.provisions), func(a, b *provision) int {
		return cmp.Or(cmp.Compare(b.since, a.since), a.addr.Compare(b.addr))
	})
	for _, p := range latestFirst {
		h.renew(l, p)
	}
	if len(l.awaiting)+len(l.provisions) == 0 {
		delete(h.ledgers, node)
	}
	h.publish(node)
}

// renew ends a provision that has had its time, or for which no pod of the list
// vouches. The caller holds h.mu.
func (h *Hub) renew(l *ledger, p *provision) {
	if h.now()-p.since >= provisionalFor {
		h.lose(p, "no pod there got the address in time")
		h.strike(p)
		return
	}
	if slices.Contains(l.awaiting, p.pod) {
		return
	}
	// What was withdrawn must not take the voucher of a pod that is yet to come.
	if v, ok := l.free(p.addr); ok && !p.lost && h.wanted(p) {
		p.pod, l.spent[v] = v.pod, true
		return
	}
	h.lose(p, "no pod there awaits an address any more")
	h.strike(p)
}

// wanted reports whether a session watches what its node may.
func (h *Hub) wanted(p *provision) bool {
	return slices.ContainsFunc(h.nodes[p.node], func(s *session) bool { return s.watches[p.addr] != nil })
}

// lose takes a provisional address from its node's sessions, and tells of it
// once. The caller holds h.mu.
func (h *Hub) lose(p *provision, why string) {
	p.lost = true
	var changes []change
	for _, s := range h.nodes[p.node] {
		w := s.watches[p.addr]
		if w == nil || s.pods == nil {
			continue
		}
		delete(s.watches, p.addr)
		s.unverified[p.addr] = claim{watch: w, told: true, judged: true}
		changes = append(changes, change{addr: p.addr, old: w})
		s.suspect()
	}
	if len(changes) == 0 {
		return
	}
	h.directory.apply(changes)
	h.stats.ProvisionalLost.Add(1)
	h.stats.Unverified.Add(1)
	h.quiet.Warningf("node %s has asked for the answers to %s in advance, and hears them no more: %s", p.node, p.addr, why)
}

// oust takes provisional addresses from other nodes where a session begins to
// watch them: what was granted before is that of a pod which is known. The
// caller holds h.mu.
func (h *Hub) oust(s *session, want map[netip.Addr]*watch) {
	for addr := range want {
		if p := h.provisions[addr]; p != nil && !p.lost && p.node != s.node && s.watches[addr] == nil {
			h.lose(p, "it is watched by node "+s.node)
		}
	}
}

func (h *Hub) strike(p *provision) {
	delete(h.provisions, p.addr)
	delete(h.ledgers[p.node].provisions, p.addr)
}

// sweep forgets the ledgers of nodes that are gone. The caller holds h.mu.
func (h *Hub) sweep() {
	for node, l := range h.ledgers {
		if h.nodes[node] != nil || h.now()-l.at < provisionalFor {
			continue
		}
		for addr := range l.provisions {
			delete(h.provisions, addr)
		}
		delete(h.ledgers, node)
	}
}

// publish tells those who take no lock what the node's sessions watch only
// provisionally. The caller holds h.mu.
func (h *Hub) publish(node string) {
	set := make(map[netip.Addr]bool)
	if l := h.ledgers[node]; l != nil {
		for addr, p := range l.provisions {
			set[addr] = !p.lost
		}
	}
	for _, s := range h.nodes[node] {
		if s.pods != nil {
			s.ahead.Store(&set)
		}
	}
}

// aheadOf reports whether the session watches the address only provisionally.
// Then it may hear its answers, and refuse it none: an address that nobody has
// verified is nobody's to lock down.
func (s *session) aheadOf(addr netip.Addr) bool {
	set := s.ahead.Load()
	return set != nil && (*set)[addr]
}

// nextEnd is how long it is at most until a provision of the node has had its
// time.
func (h *Hub) nextEnd(node string) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := verifyEvery
	if l := h.ledgers[node]; l != nil {
		for _, p := range l.provisions {
			// One that has outlived its time has no list that would say so.
			if left := p.since + provisionalFor - h.now(); left > 0 {
				next = min(next, left)
			}
		}
	}
	return next
}
