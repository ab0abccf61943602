// Package dns is the enforcer's side of the stream that CoreDNS serves. It
// knows how to reach every replica, to keep a session with each and to tell
// them all which pods' answers are wanted. It must not know policies, grants
// or the kernel: what is learnt goes to a handler, which says what became of
// it.
package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/nameward/nameward/plugin/stream"
)

// Config is what a Client needs. Targets, Node and Learned are required.
type Config struct {
	Targets []Target
	// Node is the name of this node, told to CoreDNS.
	Node string
	// NodeAddresses returns this node's own addresses, so that CoreDNS can
	// tell a query that lost its pod's identity (SEMANTICS N14). May be nil.
	// TCP targets are not told beside a unix target.
	NodeAddresses func() []netip.Addr
	// Credentials are used for every TCP target and required there.
	Credentials Credentials
	// Learned gets every learnt answer, on the goroutine of the session that
	// brought it. While it blocks, that session delivers nothing more. It returns
	// how long the kernel knows the addresses, zero if nothing was granted, or that
	// this is not known yet and Ack will tell.
	Learned func(Learned) (valid time.Duration, known bool)
	Log     *slog.Logger
	// Lookup resolves host names; nil means the node's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Endpoints are the addresses behind a Service of the cluster; required where
	// a target is one. See Moved.
	Endpoints func(namespace, service string) ([]netip.Addr, error)
	// Refresh is how often host names are resolved again, 5 s if zero.
	Refresh time.Duration

	renewal, handover time.Duration // of tests; zero means what is right
}

// nodeAddresses are those to tell the target. Where CoreDNS runs on the node, as
// a cache in front of the cluster's, what that forwards reaches the cluster's
// from the node's own address, and no identity is lost: the cache knew the pod.
// So only the node's own CoreDNS is told, else each miss of its cache would count.
func (c *Config) nodeAddresses(of Target) []netip.Addr {
	if !of.Unix() && slices.ContainsFunc(c.Targets, Target.Unix) {
		return nil
	}
	return c.NodeAddresses()
}

// Learned is one answer that a watched pod is about to get, or got before.
type Learned struct {
	// Client is the address that the pod asked from.
	Client netip.Addr
	// Name is what matched a pattern, in canonical form.
	Name      string
	Addresses []Address
	// Replayed answers have no client that waits.
	Replayed bool

	// Session is whom Ack tells; nil where nobody asks.
	Session Acknowledger
	// Seq is what the session calls this answer.
	Seq uint64
}

// Acknowledger takes what became of an answer. It never blocks.
type Acknowledger interface {
	Acknowledge(seq uint64, valid time.Duration)
}

// Address is one address of an answer.
type Address struct {
	IP netip.Addr
	// TTL is how long the client may use it from now on.
	TTL time.Duration
}

// Ack tells the CoreDNS replica that the kernel knows the addresses for the
// given time, or, with zero, that nothing was granted. It is for answers of which
// the handler did not know that yet. It never blocks and may be called once, from
// any goroutine.
func (l Learned) Ack(valid time.Duration) {
	if l.Session != nil {
		l.Session.Acknowledge(l.Seq, valid)
	}
}

// Client keeps one session with every CoreDNS replica behind its targets.
type Client struct {
	cfg Config

	mu       sync.Mutex
	current  *interest     // nil before the first Subscribe
	changed  chan struct{} // closed when current is replaced
	sessions map[*session]struct{}
	lookups  map[Target]error // last failure of targets that have no session
	moved    chan struct{}    // closed when endpoints may have changed, and replaced
}

// errNoCluster is a Service where nobody knows of Services.
var errNoCluster = errors.New("a service target needs the cluster as source")

var errNoCredentials = errors.New("tcp needs a CA, and a certificate with its key or a token")

// New checks the configuration. Nothing is dialled before Run.
func New(cfg Config) (*Client, error) {
	for _, t := range cfg.Targets {
		if c := cfg.Credentials; !t.Unix() && (c.CA == "" || c.Cert == "" && c.Token == "") {
			return nil, errNoCredentials
		}
		if t.Service() && cfg.Endpoints == nil {
			return nil, fmt.Errorf("%s: %w", t, errNoCluster)
		}
	}
	if cfg.Lookup == nil {
		cfg.Lookup = lookup
	}
	if cfg.Refresh == 0 {
		cfg.Refresh = 5 * time.Second
	}
	if cfg.handover == 0 {
		cfg.handover = handover
	}
	if cfg.NodeAddresses == nil {
		cfg.NodeAddresses = func() []netip.Addr { return nil }
	}
	return &Client{
		cfg:      cfg,
		changed:  make(chan struct{}),
		sessions: make(map[*session]struct{}),
		lookups:  make(map[Target]error),
		moved:    make(chan struct{}),
	}, nil
}

// Run keeps the sessions until ctx ends; then all of its goroutines have
// ended too.
func (c *Client) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, t := range c.cfg.Targets {
		all.Go(func() { c.follow(ctx, t) })
	}
	all.Wait()
}

// Subscribe replaces what is wanted, on every session. It never blocks;
// sessions send the difference, and only the newest one where several come
// quickly. Before the first call they say nothing: CoreDNS keeps the lockdown of
// this node's pods from an earlier session until then, which a word of somebody
// who does not know the policies yet would end.
func (c *Client) Subscribe(watches []Watch) {
	next, refused := newInterest(watches)
	for _, w := range refused {
		c.cfg.Log.Error("pod asks for more names than a session carries, or has room for beside the other pods: none of them is learnt, and under lockdown none is answered",
			"addresses", w.Addresses, "patterns", len(w.Patterns), "limit", stream.MaxPatterns, "limit of all pods", stream.MaxSessionPatterns)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = next
	close(c.changed)
	c.changed = make(chan struct{})
}

// Moved says that the endpoints of a Service may have changed. It never blocks.
func (c *Client) Moved() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.moved)
	c.moved = make(chan struct{})
}

// move returns a channel that closes at the next Moved.
func (c *Client) move() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moved
}

// wanted returns what to subscribe to, nil where that is not known yet, and a
// channel that closes when it is out of date.
func (c *Client) wanted() (*interest, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current, c.changed
}

func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
