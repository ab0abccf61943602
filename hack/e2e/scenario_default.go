package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// opposites are a pod on each of two nodes that no policy selects, and a server
// that everybody may reach.
func (s *stage) opposites() (first, second cluster.Pod, target string, err error) {
	ns, err := s.place("")
	if err != nil {
		return
	}
	first = cluster.Pod{Namespace: ns, Name: "on-" + s.nodes[0], Node: s.nodes[0]}
	last := s.nodes[len(s.nodes)-1]
	second = cluster.Pod{Namespace: ns, Name: "also-on-" + last, Node: last}
	server := cluster.Pod{Namespace: ns, Name: "server", Node: last, HTTP: 80}
	if err = s.Apply(s.ctx, networkPolicy(ns, "server", podLabel("pod", "server"), []string{"{}"}, nil)); err != nil {
		return
	}
	if err = s.Start(s.ctx, first, second, server); err != nil {
		return
	}
	target, err = s.Address(s.ctx, server, false)
	return first, second, target + ":80", err
}

// nodeDefault: running pods of running nodes follow, at once (P7).
func nodeDefault(s *stage) error {
	first, second, target, err := s.opposites()
	if err != nil {
		return err
	}
	s.later(func(ctx context.Context) error { return s.release.settings(ctx, map[string]string{"default": "Allow"}) })
	s.later(func(ctx context.Context) error {
		_, err := s.Kubectl(ctx, "", "label", "node", s.nodes[0], "nameward.io/default-")
		return err
	})
	both := func(when string, one, other cluster.Outcome) {
		s.routes("P7, "+when+":", route{from: first, target: target, as: "server", want: one}, route{from: second, target: target, as: "server", want: other})
	}
	label := func(value string) error {
		_, err := s.Kubectl(s.ctx, "", "label", "node", s.nodes[0], "--overwrite", "nameward.io/default"+value)
		return err
	}
	both("default Allow", pass, pass)
	if err := s.release.settings(s.ctx, map[string]string{"default": "Deny"}); err != nil {
		return err
	}
	both("ConfigMap says Deny", drop, drop)
	if err := label("=Allow"); err != nil {
		return err
	}
	if len(s.nodes) > 1 {
		both("label of one node says Allow", pass, drop)
	}
	if err := s.release.settings(s.ctx, map[string]string{"default": "Allow"}); err != nil {
		return err
	}
	if err := label("=Deny"); err != nil {
		return err
	}
	if len(s.nodes) > 1 {
		both("ConfigMap says Allow, the label Deny", drop, pass)
	}
	if err := label("-"); err != nil {
		return err
	}
	both("no label", pass, pass)
	return nil
}

// badSettings: the last good ones stay, and it is told (S5).
func badSettings(s *stage) error {
	first, second, target, err := s.opposites()
	if err != nil {
		return err
	}
	restore := map[string]string{"default": "Allow", "mistake": ""}
	s.later(func(ctx context.Context) error { return s.release.settings(ctx, restore) })
	if err := s.release.settings(s.ctx, map[string]string{"default": "Deny"}); err != nil {
		return err
	}
	rows := func(want cluster.Outcome) []route {
		return []route{{from: first, target: target, as: "server", want: want}, {from: second, target: target, as: "server", want: want}}
	}
	s.routes("default Deny:", rows(drop)...)
	if err := s.release.settings(s.ctx, map[string]string{"default": "Perhaps"}); err != nil {
		return err
	}
	_ = s.check("S5: an Event says that a value cannot be", func() error { return s.event(namespace, "nameward", "SettingsRefused") })
	_ = s.check("S5: every enforcer counts it", func() error { return s.everyMetric("nameward_settings_faults", func(v float64) bool { return v > 0 }) })
	s.routes("S5, with a value that cannot be, Deny stays:", rows(drop)...)
	if err := s.release.settings(s.ctx, map[string]string{"default": "Allow", "mistake": "yes"}); err != nil {
		return err
	}
	s.routes("S5, with a key that does not exist, Deny stays:", rows(drop)...)
	if err := s.release.settings(s.ctx, restore); err != nil {
		return err
	}
	s.routes("S5, put right:", rows(pass)...)
	_ = s.check("S5: no enforcer counts it any more", func() error {
		return s.everyMetric("nameward_settings_faults", func(v float64) bool { return v == 0 })
	})
	return nil
}

// everyMetric awaits a value of every enforcer; series of the name are added up.
func (s *stage) everyMetric(name string, good func(float64) bool) error {
	return cluster.Await(s.ctx, awaitLimit, "metric "+name, func(ctx context.Context) error {
		var errs []error
		for _, n := range s.nodes {
			value, err := s.metric(ctx, n, name)
			if err == nil && !good(value) {
				err = fmt.Errorf("node %s: %s is %g", n, name, value)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// metric is the sum of a metric's series at one node.
func (w *world) metric(ctx context.Context, node, name string) (float64, error) {
	text, err := w.release.metrics(ctx, node)
	if err != nil {
		return 0, err
	}
	value, err := sumOf(text, name)
	if err != nil {
		return 0, fmt.Errorf("node %s: %w", node, err)
	}
	return value, nil
}

// sumOf reads Prometheus' text format. A metric without series is an error: one
// that was renamed must not look like one that is zero.
func sumOf(text, name string) (float64, error) {
	sum, found := 0.0, false
	for line := range strings.SplitSeq(text, "\n") {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || (rest[0] != ' ' && rest[0] != '{') {
			continue
		}
		var value float64
		if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &value); err != nil {
			return 0, fmt.Errorf("metric %q: %w", line, err)
		}
		sum, found = sum+value, true
	}
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return sum, nil
}
