package nameward

import (
	"errors"
	"fmt"
	"sync"

	"github.com/coredns/caddy"

	"github.com/nameward/nameward/plugin/internal/apiserver"
	"github.com/nameward/nameward/plugin/internal/hub"
)

// instance is what one load of the Corefile needs of the hub: all its blocks
// together, whatever their number. Its life is that of the caddy instance.
type instance struct {
	hub       *hub.Hub
	endpoints []endpoint
	journal   int // -1: no block says

	restarting bool   // a successor is being started
	mark       uint64 // of the hub, when the successor's start began

	mu     sync.Mutex
	leases []*hub.Lease // guarded by mu, as the ready plugin asks at any time
}

type endpoint struct {
	hub.Endpoint
	terms  terms
	access *hub.Access       // nil on a unix socket
	api    *apiserver.Client // nil where access asks no API server
}

// terms are what two blocks must say alike of an endpoint that both have.
type terms struct {
	tls          [3]string
	authenticate authentication
	verifyPods   bool
	kubeconfig   string
}

type instanceKey struct{}

// instanceOf returns the instance that the controller's Corefile belongs to.
func instanceOf(c *caddy.Controller) *instance {
	if i, ok := c.Get(instanceKey{}).(*instance); ok {
		return i
	}
	i := &instance{hub: process, journal: -1}
	c.Set(instanceKey{}, i)
	c.OnStartup(i.start)
	c.OnRestart(i.restart)
	c.OnRestartFailed(i.restartFailed)
	c.OnShutdown(i.shutdown)
	c.OnFinalShutdown(i.stop)
	return i
}

// add joins one block's settings. CoreDNS hands over the same block once for
// each of its zones, so repetition is no conflict.
func (i *instance) add(s *settings) error {
	if s.journal >= 0 {
		if i.journal >= 0 && i.journal != s.journal {
			return fmt.Errorf("journal %d here and %d in another block; all blocks share one journal", s.journal, i.journal)
		}
		i.journal = s.journal
	}
	for _, e := range s.listen {
		added := endpoint{Endpoint: e}
		if e.Network == "tcp" {
			added.terms = terms{s.tls, s.authenticate, s.verifyPods, s.kubeconfig}
			added.terms.authenticate.said = false // the default may be said
			added.access, added.api = s.access(), s.api
		}
		if err := i.addEndpoint(added); err != nil {
			return err
		}
	}
	return nil
}

func (i *instance) addEndpoint(added endpoint) error {
	for _, have := range i.endpoints {
		if have.Endpoint != added.Endpoint {
			continue
		}
		switch {
		case have.terms.tls != added.terms.tls:
			return fmt.Errorf("listen %s has other tls files in another block; want the same", added)
		case have.terms != added.terms:
			return fmt.Errorf("listen %s has another authenticate, verify_pods or kubeconfig in another block; want the same", added)
		}
		return nil
	}
	i.endpoints = append(i.endpoints, added)
	return nil
}

// start opens every endpoint or none.
func (i *instance) start() error {
	if len(i.endpoints) == 0 {
		return errors.New("plugin/nameward: no block has a listen line; want listen unix:///PATH or listen tcp://ADDRESS:PORT in one of them")
	}
	i.setJournal()
	for _, e := range i.endpoints {
		lease, err := i.hub.Open(e.Endpoint, e.access)
		if err != nil {
			i.release()
			return fmt.Errorf("plugin/%s: %w", pluginName, err)
		}
		i.mu.Lock()
		i.leases = append(i.leases, lease)
		i.mu.Unlock()
	}
	return nil
}

func (i *instance) setJournal() {
	if i.journal < 0 {
		i.hub.SetJournal(defaultJournal)
		return
	}
	i.hub.SetJournal(i.journal)
}

// restart: a successor is about to start while this instance still answers.
func (i *instance) restart() error {
	i.restarting = true
	i.mark = i.hub.Mark()
	return nil
}

// restartFailed: the successor did not come to life, and caddy tells only us.
func (i *instance) restartFailed() error {
	i.restarting = false
	i.hub.ReleaseSince(i.mark)
	i.setJournal()
	return nil
}

// shutdown runs when a successor has taken over, and again at the end of the
// process, but there before the lame duck time of the health plugin, in which
// clients still ask: then the streams must stay until stop.
func (i *instance) shutdown() error {
	if i.restarting {
		i.release()
	}
	return nil
}

func (i *instance) stop() error {
	i.release()
	return nil
}

func (i *instance) release() {
	i.mu.Lock()
	leases := i.leases
	i.leases = nil
	i.mu.Unlock()
	for _, lease := range leases {
		lease.Release()
	}
	for _, e := range i.endpoints {
		if e.api != nil {
			e.api.Close()
		}
	}
}

// serving reports whether enforcers can connect to every endpoint.
func (i *instance) serving() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, lease := range i.leases {
		if !lease.Serving() {
			return false
		}
	}
	return len(i.leases) > 0
}
