package main

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// kernel is what the node needs of the datapath.
type kernel interface {
	Apply(steps []*policy.Tables, interfaces map[policy.EndpointID]datapath.Interface) error
	Grant(ep policy.EndpointID, rows map[policy.RowKey]policy.Precedence, entries []datapath.Entry) error
	Revoke(ep policy.EndpointID, addrs []netip.Addr) error
	Granted() ([]datapath.Granted, error)
	Classes() (map[policy.EndpointID][]policy.ClassID, error)
	Connected(ep policy.EndpointID) ([]datapath.Connected, error)
	Guard(all []datapath.Interface, posture datapath.Posture) error
	ShutNext() (more bool, err error)
	Attached() map[policy.EndpointID]datapath.Interface
}

// node owns what the kernel is told: whoever brings an event takes the Book and
// makes every write that follows from it before the next one's turn, so that the
// order of writes is the order of events. Answers come on their sessions'
// goroutines, since a pod waits for each and another goroutine's turn takes its
// time; all else comes by run.
type node struct {
	kernel    kernel
	clock     func() time.Duration
	subscribe func([]dns.Watch)
	// inForce is told of each draft that has come into force, with the pods that
	// are not policed, and failed of each that the kernel refused, with those of
	// the one in force and why.
	inForce  func(*draft, map[policy.EndpointID]unpoliced)
	failed   func(*draft, map[policy.EndpointID]unpoliced, error)
	log      *slog.Logger
	meters   *meters
	refusals *tally[refusalShare, refusal]

	updates   chan *update
	questions chan question
	uses      chan chan []nameUse
	// stale asks the compiler for the same update again; capacity 1.
	stale chan struct{}
	// open says that interfaces are to be shut; capacity 1.
	open chan struct{}
	// applied is the policy in the kernel; nil before the first.
	applied atomic.Pointer[policy.Compiled]
	// trouble is why the newest policy is not in the kernel; nil if it is.
	trouble atomic.Pointer[error]
	// ajar is why interfaces without a pod are not under the start posture; nil if
	// they are.
	ajar atomic.Pointer[error]

	attached *attached

	retry *time.Timer
	wake  *time.Timer

	turn     sync.Mutex // guards the rest
	book     *grants.Book
	classes  nameClasses
	current  *draft                          // of applied
	absent   map[policy.EndpointID]unpoliced // as told last
	pending  *update
	attempts int // of pending
	pods     map[netip.Addr]policy.EndpointID
	debts    debts
	lateness int // attempts since there are debts
	// guarded look like pods' interfaces; guarding says that they were told.
	guarded      []datapath.Interface
	local        []netip.Addr // this node's own
	guarding     bool
	posture      policy.Verdict // of interfaces without a pod
	shutAttempts int
	answer       []grants.Address // scratch of learn
	entries      []datapath.Entry // scratch of grant
}

// unpoliced is a pod of this node without its interface.
type unpoliced struct {
	pod    policy.PodRef
	reason string
}

// question asks why an address is not granted.
type question struct {
	endpoint policy.EndpointID
	peer     netip.Addr
	answer   chan<- string
}

func newNode(k kernel, clock func() time.Duration, log *slog.Logger, m *meters) *node {
	return &node{
		kernel:    k,
		clock:     clock,
		subscribe: func([]dns.Watch) {},
		inForce:   func(*draft, map[policy.EndpointID]unpoliced) {},
		failed:    func(*draft, map[policy.EndpointID]unpoliced, error) {},
		posture:   policy.Deny,
		log:       log,
		meters:    m,
		refusals:  newTally[refusalShare, refusal](),
		updates:   make(chan *update),
		questions: make(chan question),
		uses:      make(chan chan []nameUse),
		stale:     make(chan struct{}, 1),
		open:      make(chan struct{}, 1),
		attached:  newAttached(),
		retry:     time.NewTimer(0),
		wake:      time.NewTimer(0),
		book:      grants.NewBook(grants.Settings{}),
		classes:   make(nameClasses),
		pods:      make(map[netip.Addr]policy.EndpointID),
		debts:     make(debts),
	}
}

// run handles all events but answers, until ctx ends. What is in the kernel then
// stays there.
func (n *node) run(ctx context.Context) {
	var shutting sync.WaitGroup
	defer shutting.Wait()
	shutting.Go(func() { n.keepShut(ctx) })
	defer n.retry.Stop()
	defer n.wake.Stop()
	report := time.NewTicker(reportInterval)
	defer report.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-n.updates:
			n.handle(func() { n.accept(u) })
		case q := <-n.questions:
			n.handle(func() { q.answer <- n.book.Why(n.clock(), q.endpoint, q.peer) })
		case reply := <-n.uses:
			n.handle(func() { reply <- n.trimmed() })
		case <-n.wake.C:
			n.handle(n.expire)
		case <-n.retry.C:
			if n.ajar.Load() != nil {
				wake(n.open)
			}
			n.handle(n.tryAgain)
		case <-report.C:
			n.handle(n.report)
		}
	}
}

// handle gives an event its turn.
func (n *node) handle(event func()) {
	n.turn.Lock()
	defer n.turn.Unlock()
	event()
	n.schedule()
}

// trimmed returns the name classes in use, and forgets all others.
func (n *node) trimmed() []nameUse {
	if n.current != nil {
		n.classes.trim(n.book.Grants, n.current.compiled.NameClass)
	}
	return n.classes.list()
}

func (n *node) report() {
	n.reportRefusals()
	n.meters.granted(n.book.Count())
}

// schedule sets the timer of the next expiry.
func (n *node) schedule() {
	if next, any := n.book.Next(); any {
		n.wake.Reset(max(next-n.clock(), 0))
	} else {
		n.wake.Stop()
	}
}

func (n *node) expire() {
	now := n.clock()
	n.write(n.book.Expire(now))
	for _, ep := range n.book.Due(now) {
		n.hold(ep)
	}
}

// learn takes one answer: the Book decides, the kernel is told, and only then
// CoreDNS, which may be holding the pod's copy of the answer (N3). Where the kernel
// could not be told yet, CoreDNS will be, once it was.
func (n *node) learn(l dns.Learned) (valid time.Duration, known bool) {
	ep, ours := n.pods[l.Client]
	if !ours {
		n.meters.learnedUnwanted.Inc()
		return 0, true
	}
	n.answer = n.answer[:0]
	for _, a := range l.Addresses {
		n.answer = append(n.answer, grants.Address(a))
	}
	now := n.clock()
	out := n.book.Learn(now, ep, l.Name, n.answer)
	if out.Unwanted {
		n.meters.learnedUnwanted.Inc()
		return 0, true
	}
	n.meters.learnedWanted.Inc()
	for _, r := range out.Refused {
		n.refuse(ep, l.Name, r)
	}
	if len(out.Evicted) > 0 {
		n.meters.evicted.Add(float64(len(out.Evicted)))
		n.revoke(ep, out.Evicted)
	}
	if len(out.Entries) > 0 && !n.grant(ep, out.Entries) {
		n.debts[ep].owe(l, now+out.ValidFor)
		return 0, false
	}
	return out.ValidFor, true
}

// why returns why an address is not granted, for people; "" when ctx ends.
func (n *node) why(ctx context.Context, ep policy.EndpointID, peer netip.Addr) string {
	answer := make(chan string, 1)
	select {
	case <-ctx.Done():
		return ""
	case n.questions <- question{ep, peer, answer}:
		return <-answer
	}
}

// nameUses returns the name classes in use; false when ctx ends.
func (n *node) nameUses(ctx context.Context) ([]nameUse, bool) {
	reply := make(chan []nameUse, 1)
	select {
	case <-ctx.Done():
		return nil, false
	case n.uses <- reply:
		return <-reply, true
	}
}

// deliver takes an answer as soon as it is its turn. It is the handler of every
// dns session.
func (n *node) deliver(ctx context.Context, l dns.Learned) (valid time.Duration, known bool) {
	if ctx.Err() != nil {
		return 0, false
	}
	n.turn.Lock()
	defer n.turn.Unlock()
	defer n.schedule()
	return n.learn(l)
}
