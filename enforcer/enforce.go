package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/manifests"
	"github.com/nameward/nameward/enforcer/settings"
)

// enforce is the daemon: it returns nil when ctx ends, with the filters still
// on, and an error when it cannot go on.
func enforce(ctx context.Context, c config) error {
	// What can be wrong with files and addresses is found out before the
	// kernel is touched.
	if c.cluster == nil {
		if _, err := manifests.Load(c.manifests); err != nil {
			return usageError{fmt.Errorf("--manifests: %w", err)}
		}
	} else {
		kube.LogTo(c.log)
	}
	listener, err := c.listen()
	if err != nil {
		return err
	}
	if listener != nil {
		defer listener.Close()
	}
	kernel, err := datapath.Open(datapath.Config{Pin: c.pin, ConnectionsPerPod: c.connections, GrantsPerPod: grantsFor(c.perPod), Log: c.log})
	if errors.Is(err, fs.ErrPermission) && !errors.Is(err, datapath.ErrPrivilege) {
		err = fmt.Errorf("%w: %w", err, datapath.ErrPrivilege)
	}
	if err != nil {
		return fmt.Errorf("open the datapath: %w", err)
	}
	defer kernel.Close()
	return c.run(ctx, kernel, listener)
}

func (c config) listen() (net.Listener, error) {
	if c.metrics == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", c.metrics)
	if err != nil {
		return nil, usageError{fmt.Errorf("--metrics: %w", err)}
	}
	return l, nil
}

// run wires the planes together and waits for all of them.
func (c config) run(ctx context.Context, kernel *datapath.Datapath, listener net.Listener) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	b := readBuild()
	n := newNode(kernel, datapath.Now, c.log, newMeters(registry, b))
	comp := newCompiler(c.node, c.settings(), n, c.log)
	var here *residence // nil for a folder
	from, err := c.source(func(news kube.Invalid) {
		if here != nil {
			here.tellSettings(c.namespace, news)
		}
	})
	if err != nil {
		return err
	}
	if c.cluster != nil {
		registry.MustRegister(newServerCollector(from.state, time.Now))
		if here, err = c.reside(n, comp, kernel, registry); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	client, err := dns.New(dns.Config{
		Targets: c.targets, Node: c.node, Credentials: c.credentials, Log: c.log,
		NodeAddresses: comp.localAddresses, Endpoints: from.endpoints,
		Learned: func(l dns.Learned) (time.Duration, bool) { return n.deliver(ctx, l) },
	})
	if err != nil {
		return err
	}
	n.subscribe = client.Subscribe
	certificates := newExpiries(c.credentials.Expiries)
	registry.MustRegister(newCollector(kernel, client.States), certificates)
	c.log.Info("enforcer starts", "version", b.version, "revision", b.revision, "node", c.node, "source", c.sourceName())

	denied := newDenialLog(n, c.log)
	spawn := func(f func(context.Context)) { group.Go(func() error { f(ctx); return nil }) }
	if around, err := look(); err == nil { // for the first Hello to CoreDNS
		comp.setSurroundings(around)
	}
	spawn(n.run)
	spawn(comp.run)
	spawn(client.Run)
	spawn(func(ctx context.Context) { certificates.watch(ctx, c.log) })
	spawn(denied.run)
	spawn(func(ctx context.Context) { c.watchNetwork(ctx, comp) })
	group.Go(func() error {
		return from.run(ctx, func(v view) {
			if here != nil {
				here.where.see(v)
			}
			comp.setView(v)
			client.Moved()
		})
	})
	group.Go(func() error {
		return kernel.Denials(ctx, func(d datapath.Denial) { denied.note(ctx, d) })
	})
	if here != nil {
		here.spawn(ctx, group)
	}
	if listener != nil {
		handler := pages(registry, func() []string { return append(from.missing(), missing(n, client.States())...) })
		group.Go(func() error { return serve(ctx, listener, handler, c.log) })
	}
	err = group.Wait()
	c.log.Info("enforcer ends, filters stay on")
	return err
}

// settings are what the manifests may override.
func (c config) settings() settings.Settings {
	return settings.Settings{
		Default: c.verdict, Mode: c.mode, ClusterDNS: c.clusterDNS, MinTTL: c.minTTL, Grace: c.grace,
		GuardAllow: c.guardAllow, GuardInCluster: c.inCluster, NAT64: c.nat64,
		AddressesPerName: c.perName, AddressesPerPod: c.perPod, StartPosture: c.posture,
	}
}

// watchNetwork keeps looking at the node's network, anew after lost events.
func (c config) watchNetwork(ctx context.Context, comp *compiler) {
	for {
		err := watchSurroundings(ctx, c.cluster == nil, comp.setSurroundings)
		if ctx.Err() != nil {
			return
		}
		c.log.Warn("network events were lost, looking again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}
