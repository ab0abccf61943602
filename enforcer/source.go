package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/manifests"
	"github.com/nameward/nameward/enforcer/settings"
)

// source is where views come from: a folder or an API server.
type source struct {
	// run calls use with each view until the context ends.
	run func(ctx context.Context, use func(view)) error
	// endpoints are the addresses behind a Service; nil where nobody knows.
	endpoints func(namespace, service string) ([]netip.Addr, error)
	// missing says why there is no view yet.
	missing func() []string
	// state is how it stands with an API server; nil where there is none.
	state func() kube.State
}

// source tells invalid what is wrong with the settings of a cluster, and with
// nothing that they are good again.
func (c config) source(invalid func(kube.Invalid)) (source, error) {
	if c.cluster == nil {
		return c.folder(), nil
	}
	s, err := kube.New(kube.Config{
		REST: c.cluster, Node: c.node, Namespace: c.namespace, ClusterDNS: c.dnsServices, Log: c.log,
		Invalid: func(news kube.Invalid) { c.tellSettings(news.Faults); invalid(news) },
	})
	if err != nil {
		return source{}, err
	}
	return source{
		run: func(ctx context.Context, use func(view)) error {
			return s.Run(ctx, func(s *kube.Snapshot) { use(s) })
		},
		endpoints: s.Endpoints,
		missing:   func() []string { return unread(s.State()) },
		state:     s.State,
	}, nil
}

func (c config) folder() source {
	return source{
		run: func(ctx context.Context, use func(view)) error {
			return manifests.Watch(ctx, c.manifests, c.log, func(s *manifests.Snapshot) { use(s) })
		},
		missing: func() []string { return nil },
	}
}

// unread says what of the API server has not been read yet. A server that is
// away later makes nobody unready: what it said stays in force.
func unread(s kube.State) []string {
	if s.Synced {
		return nil
	}
	out := []string{}
	for _, t := range s.Troubles {
		out = append(out, fmt.Sprintf("the API server: %v", t.Err))
	}
	return out
}

// tellSettings logs what is wrong with the ConfigMap of settings.
func (c config) tellSettings(faults []settings.Fault) {
	if len(faults) == 0 {
		c.log.Info("the settings are good again")
	}
	for _, f := range faults {
		c.log.Error("settings are refused, the last good ones stay in force", "configmap", c.namespace+"/"+settings.Name, "field", f.Field, "reason", f.Reason)
	}
}
