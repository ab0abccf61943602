package kube

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// State is how it stands with the API server.
type State struct {
	// Connected says that every kind is followed as it changes, or known to be
	// lacking. While it is not, what was known stays in force.
	Connected bool
	// Since is when Connected last changed, or when the Source was made.
	Since time.Time
	// Synced says that everything was read once, so that Snapshots are handed
	// out.
	Synced bool
	// Troubles are what is not followed, sorted by resource.
	Troubles []Trouble
}

// Err joins the troubles, nil where there are none.
func (s State) Err() error {
	var all []error
	for _, t := range s.Troubles {
		all = append(all, t.Err)
	}
	return errors.Join(all...)
}

// Trouble is a kind that is not followed.
type Trouble struct {
	Resource string
	Since    time.Time
	Err      error
}

// errNotYet is the trouble of a kind that nobody has asked for yet.
var errNotYet = errors.New("not read yet")

// health is what feeds tell of themselves. It logs changes.
type health struct {
	clock func() time.Time
	log   *slog.Logger

	mu        sync.Mutex // guards all below
	kinds     map[kind]*condition
	connected bool
	since     time.Time
}

type condition struct {
	read  bool
	since time.Time
	err   error
}

func newHealth(clock func() time.Time, log *slog.Logger) *health {
	return &health{clock: clock, log: log, kinds: map[kind]*condition{}, since: clock()}
}

// expect counts a kind in, which is to be read before anything is handed out.
func (h *health) expect(k kind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kinds[k] = &condition{since: h.clock(), err: errNotYet}
}

// read says that all objects of a kind are there, or that the cluster lacks the
// kind. It says whether it is the first time.
func (h *health) read(k kind) (first bool) {
	h.mu.Lock()
	first = !h.kinds[k].read
	h.mu.Unlock()
	h.note(k, nil, true)
	return first
}

// up says that the server answers.
func (h *health) up(k kind) {
	h.mu.Lock()
	read := h.kinds[k].read
	h.mu.Unlock()
	if read {
		h.note(k, nil, true)
	}
}

// down says why the kind is not followed.
func (h *health) down(k kind, err error) { h.note(k, err, false) }

func (h *health) note(k kind, err error, read bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.kinds[k]
	c.read = c.read || read
	if (c.err == nil) != (err == nil) || errors.Is(c.err, errNotYet) {
		c.since = h.clock()
	}
	told := c.err
	c.err = err
	h.reconsider()
	if err == nil || told != nil && told.Error() == err.Error() {
		return
	}
	switch forbidden := (*ForbiddenError)(nil); {
	case errors.As(err, &forbidden):
		h.log.Error("the API server refuses", "error", err)
	case told == nil || errors.Is(told, errNotYet):
		h.log.Warn("the API server cannot be followed, what is known stays in force", "resource", k, "error", err)
	}
}

// reconsider tells once when the connection of all kinds is lost or there again.
func (h *health) reconsider() {
	connected := true
	for _, c := range h.kinds {
		connected = connected && c.err == nil
	}
	if connected == h.connected {
		return
	}
	before := h.since
	h.connected, h.since = connected, h.clock()
	if connected {
		h.log.Info("the API server is followed", "after", h.since.Sub(before).Round(time.Millisecond))
	}
}

// ready says whether all kinds have been read once.
func (h *health) ready() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.kinds {
		if !c.read {
			return false
		}
	}
	return true
}

func (h *health) state() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := State{Connected: h.connected, Since: h.since, Synced: true}
	for k, c := range h.kinds {
		s.Synced = s.Synced && c.read
		if c.err != nil {
			s.Troubles = append(s.Troubles, Trouble{k.String(), c.since, fmt.Errorf("%s: %w", k, c.err)})
		}
	}
	slices.SortFunc(s.Troubles, func(a, b Trouble) int { return strings.Compare(a.Resource, b.Resource) })
	return s
}
