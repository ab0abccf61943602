package hub

import (
	"net/netip"
	"sync"
	"time"

	"github.com/nameward/nameward/plugin/names"
)

// maxRemembered bounds the addresses whose acknowledgement one watch remembers.
// What is forgotten costs one more round trip and nothing else.
const maxRemembered = 16384

// watch is one session's interest in one pod, its mark on a node's own
// addresses, or what is kept of a pod's lockdown after the session. It ends when
// it is replaced; all but its memory is immutable.
type watch struct {
	session   *session
	node      bool       // a node's own addresses: nobody's pod
	patterns  *names.Set // nil if node
	addresses []netip.Addr
	lockdown  Lockdown
	until     instant // when what is kept ends; zero while the session lives
	names     patternLoad

	reportOnce sync.Once

	mu    sync.Mutex
	acked map[string]*promises // by name; guarded by mu
	held  int                  // promises in acked; guarded by mu

	owed, owedBytes int // told of the pod, and not acknowledged; guarded by session.mu
}

// kept reports whether the watch stands in for one of a session that ended.
func (w *watch) kept() bool { return w.until > 0 }

// living reports whether the watch is a session's interest in a pod.
func (w *watch) living() bool { return !w.node && !w.kept() }

// patternLoad is what a watch's patterns cost.
type patternLoad struct{ count, bytes int }

// contests reports whether another node watches what w watches.
func (w *watch) contests(other *watch) bool {
	return w.living() && other.living() && w.session.node != other.session.node
}

// need says what an answer requires of the enforcer.
type need uint8

const (
	needUnknown need = iota
	needNothing      // all addresses are in the kernel for long enough
	needMore         // they are there, and their time runs short
	needAll          // at least one may not be there
)

// tell publishes the answer if the enforcer has to know. The message is nil if
// it need not. What is acknowledged matched a pattern before.
func (w *watch) tell(client netip.Addr, name string, addrs []Address, now instant, hold bool) (*message, Outcome) {
	n := w.needs(name, addrs, now)
	if n == needNothing {
		return nil, Known
	}
	if !w.patterns.Matches(name) {
		return nil, Unwanted
	}
	m := newMessage(w, client, name, addrs)
	if n == needAll && hold {
		m.acked = make(chan struct{})
	}
	if !w.session.publish(m) && n == needAll {
		return nil, Crowded
	}
	return m, Published
}

// needs compares an answer with what the enforcer has acknowledged for this pod.
func (w *watch) needs(name string, addrs []Address, now instant) need {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.acked[name]
	if known == nil {
		return needAll
	}
	result := needNothing
	for i, a := range addrs {
		p := known.find(addressOf(a.IP), i)
		if p == nil || p.until <= now {
			return needAll
		}
		// Half of the slack may be used up before the time is extended, so that a
		// name asked for all the time costs a message now and then, not each time.
		if p.until-now < seconds(a.TTL)+p.slack/2 {
			result = needMore
		}
	}
	return result
}

// remember notes that the message's addresses hold for valid after it was sent.
// Counted from the sending and not from the acknowledgement, it errs early.
func (w *watch) remember(m *message, valid time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.acked == nil {
		w.acked = make(map[string]*promises)
	}
	known := w.acked[m.name]
	if known == nil {
		known = &promises{all: make([]promise, 0, len(m.addresses))}
		w.acked[m.name] = known
	}
	before := len(known.all)
	for i, a := range m.addresses {
		known.add(promise{
			ip:    addressOf(a.IP),
			until: m.sent + valid,
			slack: max(0, valid-seconds(a.TTL)),
		}, i)
	}
	w.held += len(known.all) - before
	if w.held > maxRemembered {
		w.forget(m.sent)
	}
}

// forget makes room: first what has run out, then whole names, whichever.
func (w *watch) forget(now instant) {
	for name, known := range w.acked {
		w.held -= known.expire(now)
		if len(known.all) == 0 {
			delete(w.acked, name)
		}
	}
	for name, known := range w.acked {
		if w.held <= maxRemembered/2 {
			return
		}
		w.held -= len(known.all)
		delete(w.acked, name)
	}
}

// reportLostIdentity warns once for each session: the counter tells how often.
func (w *watch) reportLostIdentity(client netip.Addr) {
	w.reportOnce.Do(func() {
		w.session.hub.log.Warningf("query from %s, an address of node %s and of no pod: "+
			"a cache or proxy in between hides which pod asks", client, w.session.node)
	})
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }
