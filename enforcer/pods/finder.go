package pods

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// safety is how often everything is looked at again with no reason to.
	safety = time.Minute
	// firstRetry and safety bound how soon a pod that has an address and is
	// not found is looked for again; each time takes twice as long.
	firstRetry = 50 * time.Millisecond
	// pace bounds the rest after a look, which takes as long as the look did:
	// a storm of events costs half a core at most.
	pace = 50 * time.Millisecond
)

// Finder finds the interfaces of the node's pods. Its methods may be called
// from any goroutine, before and while Run.
type Finder struct {
	config Config
	safety time.Duration
	woken  chan struct{}
	// hurry cuts one rest short; capacity 1.
	hurry chan struct{}

	mu sync.Mutex
	// want replaces what was wanted, if new; letters are what else was said,
	// in order.
	want    []Pod
	renewed bool
	letters []func(*search)

	// memory outlives a Run, and is its goroutine's.
	memory *memory
}

// memory is what a search must not forget between two Runs.
type memory struct {
	told *attachments
	node []netip.Addr
	pods []*wanted
	// held has, by index, who had each interface at the last look.
	held map[int]claim
}

// New is a Finder that has not looked yet. The configuration's patterns must
// be good: see Patterns.
func New(config Config) *Finder {
	return &Finder{config: config.whole(), safety: safety, woken: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
}

// Want says which pods are to be found from now on, all of them: this node's
// with a network of their own that have not completed. The slice must not
// change afterwards.
func (f *Finder) Want(pods []Pod) {
	f.mu.Lock()
	f.want, f.renewed = pods, true
	f.mu.Unlock()
	f.wake()
}

// Told takes what the CNI chain tells of a new attachment. It is kept over a
// restart, until Forget or until its interface is gone.
func (f *Finder) Told(a Attachment) {
	f.post(func(s *search) {
		if err := s.told.add(told{Attachment: a, At: s.config.Now()}); err != nil {
			s.config.Log.Error("an attachment that the CNI chain told is not kept", "err", err)
		}
		// Its event may not have come yet, and what is not there is forgotten.
		if a.IfIndex == 0 {
			s.stale.add(news{what: someLink})
		} else {
			s.stale.add(news{links: map[int]bool{a.IfIndex: false}})
		}
	})
	select {
	case f.hurry <- struct{}{}: // a pod waits for it
	default:
	}
}

// Forget ends an attachment.
func (f *Finder) Forget(containerID string) {
	f.post(func(s *search) { s.told.forget(containerID) })
}

// Keep ends all attachments but these, as CNI's GC wants.
func (f *Finder) Keep(containerIDs []string) {
	f.post(func(s *search) {
		for id := range s.told.all {
			if !slices.Contains(containerIDs, id) {
				s.told.forget(id)
			}
		}
	})
}

// Node says what addresses the node's object has now: an interface that has
// one of them is no pod's.
func (f *Finder) Node(addresses []netip.Addr) {
	f.post(func(s *search) { s.node = addresses })
}

func (f *Finder) post(letter func(*search)) {
	f.mu.Lock()
	f.letters = append(f.letters, letter)
	f.mu.Unlock()
	f.wake()
}

func (f *Finder) wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// read gives the search what was said since the last time.
func (f *Finder) read(s *search) {
	f.mu.Lock()
	want, renewed, letters := f.want, f.renewed, f.letters
	f.renewed, f.letters = false, nil
	f.mu.Unlock()
	for _, letter := range letters {
		letter(s)
	}
	if renewed {
		s.renew(want)
	}
}

// Run finds, until ctx ends; then it returns nil. changed is called on the
// calling goroutine with the first Located, and with each one that differs.
// Run looks at the network namespace of the thread that calls it. It returns
// an error where the kernel, the CNI cache or the directory of attachments
// cannot be watched or first be read; then it can be called again, and still
// knows what it was told and who held which interface.
func (f *Finder) Run(ctx context.Context, changed func(*Located)) error {
	if f.memory == nil {
		told, err := openAttachments(f.config.Attachments, f.config.Log)
		if err != nil {
			return err
		}
		f.memory = &memory{told: told, node: f.config.NodeAddresses}
	}
	s, err := beginSearch(&f.config, f.memory)
	if err != nil {
		return err
	}
	defer s.close()
	var last *Located
	for {
		f.read(s)
		began := time.Now()
		now, err := s.look()
		switch {
		case err != nil && last == nil:
			return err
		case err != nil:
			s.config.Log.Error("the node's network cannot be looked at, and pods stay where they were", "err", err)
		case last == nil || !now.equal(last):
			last = now
			changed(now)
		}
		took := time.Since(began)
		timer := time.NewTimer(s.next(now, err, f.safety))
		if err, over := f.await(ctx, s, timer, began.Add(took+min(took, pace))); over {
			return err
		}
	}
}

// await returns when there is a reason for a look, or over.
func (f *Finder) await(ctx context.Context, s *search, timer *time.Timer, rested time.Time) (err error, over bool) {
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, true
		case err := <-s.events.ended:
			return fmt.Errorf("network events ended: %w", err), true
		case <-s.events.signal:
		case <-f.woken:
		case <-timer.C:
			s.expire(f.safety)
		case event := <-s.results.watcher.Events:
			if !s.results.happened(event) {
				continue
			}
		case err := <-s.results.watcher.Errors:
			// Events were lost; reading again finds what they told.
			s.config.Log.Warn("watching the CNI cache", "dir", s.results.dir, "err", err)
			s.results.refresh()
		}
		if rest := time.Until(rested); rest > 0 {
			select {
			case <-time.After(rest):
			case <-f.hurry:
			case <-ctx.Done():
			}
		}
		s.drain()
		return nil, false
	}
}
