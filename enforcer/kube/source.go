package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// Config is what a Source is made of.
type Config struct {
	// REST says how to reach the API server; see Load.
	REST *REST
	// Node is the name of this node.
	Node string
	// Namespace is the own one, which has the ConfigMap of settings.
	Namespace string
	// ClusterDNS names the Services by which pods ask the cluster's DNS. Their
	// addresses, as they are at the time, are those of settings.ClusterDNS where
	// neither the base of the settings nor the ConfigMap says which (N8).
	ClusterDNS []types.NamespacedName
	// Log gets what nobody else is told of.
	Log *slog.Logger
	// Clock is time.Now where it is nil.
	Clock func() time.Time
	// Invalid, if set, is told once of a ConfigMap whose settings cannot be
	// used, and with no faults when they can again, or it is gone. It is called
	// from the goroutine of Run.
	Invalid func(Invalid)
}

// Source follows an API server. It is made by New and used by Run; its other
// methods are safe for concurrent use.
type Source struct {
	config Config
	http   *http.Client
	model  *model
	health *health
	feeds  []*feed
}

// New prepares a Source; nothing is asked yet.
func New(c Config) (*Source, error) {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	shared, err := rest.HTTPClientFor(c.REST)
	if err != nil {
		return nil, fmt.Errorf("prepare the API client: %w", err)
	}
	s := &Source{config: c, http: shared, model: newModel(c.Node, c.Log), health: newHealth(c.Clock, c.Log)}
	m := s.model
	for _, n := range c.ClusterDNS {
		m.dns = append(m.dns, key{n.Namespace, n.Name})
	}
	shelves := []struct {
		kind  kind
		shelf shelf
	}{
		{podKind, m.pods}, {namespaceKind, m.namespaces}, {nodeKind, m.nodes},
		{serviceKind, m.services}, {sliceKind, m.backends}, {settingsKind(c.Namespace), m.configuration},
	}
	for _, p := range m.policies {
		shelves = append(shelves, struct {
			kind  kind
			shelf shelf
		}{p.kind, p})
	}
	for _, of := range shelves {
		client, err := newClient(c.REST, shared, of.kind)
		if err != nil {
			return nil, err
		}
		f := newFeed(client, of.shelf, m, s.health, c.Log)
		f.crowd = m.crowd
		s.feeds = append(s.feeds, f)
	}
	return s, nil
}

// Run follows the API server until ctx ends; then it returns nil. It calls use
// with a Snapshot once everything has been read, and with a newer one after
// something has changed: at once after the first change, and with the newest
// when use has taken the one before. use is called from the goroutine of Run.
func (s *Source) Run(ctx context.Context, use func(*Snapshot)) error {
	var feeds sync.WaitGroup
	defer func() {
		feeds.Wait()
		utilnet.CloseIdleConnectionsFor(s.http.Transport)
	}()
	for _, f := range s.feeds {
		feeds.Go(func() { f.run(ctx) })
	}
	var last *Snapshot
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.model.changed:
		}
		s.gather(ctx)
		if news, fresh := s.model.news(); fresh && s.config.Invalid != nil {
			s.config.Invalid(news)
		}
		if !s.health.ready() {
			continue
		}
		began := s.config.Clock()
		last = s.snapshot(last)
		taken := s.config.Clock().Sub(began)
		use(last)
		// Of a burst no more snapshots are made than a fifth of a processor
		// makes.
		wait(ctx, min(4*taken, shortPause))
	}
}

// gather waits for pods that slices name already. Whoever writes slices may name
// what there is not, so it is no longer than the pause between snapshots.
func (s *Source) gather(ctx context.Context) {
	late := time.NewTimer(shortPause)
	defer late.Stop()
	for s.health.ready() && s.model.early() {
		select {
		case <-ctx.Done():
			return
		case <-late.C:
			return
		case <-s.model.changed:
		}
	}
}

func (s *Source) snapshot(last *Snapshot) *Snapshot {
	revisions := make(map[string]string, len(s.feeds))
	for _, f := range s.feeds { // first: what comes later is in the snapshot too
		if r := f.revision(); r != "" {
			revisions[f.kind.String()] = r
		}
	}
	next := s.model.snapshot(s.config.Node, last)
	next.revisions = revisions
	return next
}

// State tells how it stands with the API server.
func (s *Source) State() State { return s.health.state() }

// errUnread is a question that comes before everything was read.
var errUnread = errors.New("the API server has not been read yet")

// Endpoints are the addresses behind a Service to which connections may be
// sent, sorted. They may change with each Snapshot.
func (s *Source) Endpoints(namespace, service string) ([]netip.Addr, error) {
	if !s.health.ready() {
		return nil, errUnread
	}
	s.model.mu.Lock()
	defer s.model.mu.Unlock()
	k := key{namespace, service}
	if s.model.services.all[k] == nil {
		return nil, fmt.Errorf("there is no Service %s", k)
	}
	return s.model.services.addresses(k), nil
}

// crowd is how many nodes there are.
func (m *model) crowd() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.nodes.all)
}
