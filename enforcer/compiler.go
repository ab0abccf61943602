package main

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/nameward/nameward/enforcer/settings"
)

// compiler turns the newest view and surroundings into updates for the
// node. Its goroutine may take its time: learnt names never wait for it.
type compiler struct {
	name string
	base settings.Settings
	node *node
	log  *slog.Logger

	mu      sync.Mutex
	known   knowledge
	changed chan struct{} // signals a change of it; capacity 1
}

func newCompiler(name string, base settings.Settings, n *node, log *slog.Logger) *compiler {
	return &compiler{name: name, base: base, node: n, log: log, known: knowledge{found: new(locations)}, changed: make(chan struct{}, 1)}
}

// setView replaces what is known of the cluster.
func (c *compiler) setView(v view) {
	c.mu.Lock()
	c.known.view = v
	c.mu.Unlock()
	wake(c.changed)
}

// setSurroundings replaces the surroundings.
func (c *compiler) setSurroundings(s *surroundings) {
	c.mu.Lock()
	c.known.around = s
	c.mu.Unlock()
	wake(c.changed)
}

// setLocations replaces where this node's pods are.
func (c *compiler) setLocations(l *locations) {
	c.mu.Lock()
	c.known.found = l
	c.mu.Unlock()
	wake(c.changed)
}

// wake sets a signal of capacity 1; once is enough for who has not looked yet.
func wake(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

// run makes an update of every change, the newest where several come quickly.
func (c *compiler) run(ctx context.Context) {
	var last *draft
	rest := time.NewTimer(quiet)
	var busy time.Time // since when, zero after a rest
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
			giveBack()
			busy = time.Time{}
			continue
		case <-c.changed:
		case <-c.node.stale:
		}
		c.mu.Lock()
		known := c.known
		c.mu.Unlock()
		if known.view == nil || known.around == nil {
			continue
		}
		d := newDraft(c.name, c.base, known, last)
		c.tell(d, last)
		last = d
		if !c.deliver(ctx, d) {
			return
		}
		if busy.IsZero() {
			busy = time.Now()
		}
		rest.Reset(min(quiet, max(0, unrest-time.Since(busy))))
	}
}

// deliver prepares the way from what is in the kernel to d, again if that
// changes meanwhile. It returns false when ctx has ended.
func (c *compiler) deliver(ctx context.Context, d *draft) bool {
	for {
		uses, ok := c.node.nameUses(ctx)
		if !ok {
			return false
		}
		u := newUpdate(c.node.applied.Load(), d)
		for _, use := range uses {
			u.cover(use)
		}
		select {
		case <-ctx.Done():
			return false
		case c.node.updates <- u:
		}
		select {
		case <-ctx.Done():
			return false
		case accepted := <-u.accepted:
			if accepted {
				return true
			}
		}
	}
}

// tell logs what is wrong with the policies and was not before.
func (c *compiler) tell(d, last *draft) {
	var known []string
	if last != nil {
		known = last.problems
	}
	for _, p := range d.problems {
		if !slices.Contains(known, p) {
			c.log.Warn("part of a policy is closed", "problem", p)
		}
	}
}

// localAddresses are this node's own, as far as they are known.
func (c *compiler) localAddresses() []netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known.around == nil {
		return nil
	}
	return c.known.around.addresses
}
