package main

import (
	"github.com/nameward/nameward/hack/e2e/cluster"
)

// nodes: selectors mean pods wherever they run, and labels that change mean
// something at once (P12).
func nodes(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	friends, err := s.place("friends", "team=friends")
	if err != nil {
		return err
	}
	server := cluster.Pod{Namespace: ns, Name: "server", Node: s.nodes[0], HTTP: 80}
	pods := []cluster.Pod{server}
	var good, bad, foreign []cluster.Pod
	for _, n := range s.nodes[:3] {
		good = append(good, cluster.Pod{Namespace: ns, Name: "good-" + n, Node: n, Labels: map[string]string{"access": "yes"}})
		bad = append(bad, cluster.Pod{Namespace: ns, Name: "bad-" + n, Node: n})
		foreign = append(foreign, cluster.Pod{Namespace: friends, Name: "friend-" + n, Node: n})
	}
	pods = append(append(append(pods, good...), bad...), foreign...)
	if err := s.Start(s.ctx, pods...); err != nil {
		return err
	}
	address, err := s.Address(s.ctx, server, false)
	if err != nil {
		return err
	}
	err = s.Apply(s.ctx, networkPolicy(ns, "access", podLabel("pod", "server"), []string{
		"{from: [{podSelector: {matchLabels: {access: \"yes\"}}}, {namespaceSelector: {matchLabels: {team: friends}}}]}"}, nil))
	if err != nil {
		return err
	}
	rows := func(pods []cluster.Pod, want cluster.Outcome) (all []route) {
		for _, p := range pods {
			all = append(all, route{from: p, target: address + ":80", as: "server on " + s.nodes[0], want: want})
		}
		return all
	}
	s.routes("three nodes:", append(append(rows(good, pass), rows(bad, drop)...), rows(foreign, pass)...)...)
	for _, args := range [][]string{
		{"label", "pod", "-n", ns, bad[1].Name, "access=yes"},
		{"label", "pod", "-n", ns, good[2].Name, "access-"},
		{"label", "namespace", friends, "team=others", "--overwrite"},
	} {
		if _, err := s.Kubectl(s.ctx, "", args...); err != nil {
			return err
		}
	}
	s.routes("P12, other labels:", append(append(rows(bad[1:2], pass), rows(good[2:], drop)...), rows(foreign, drop)...)...)
	return nil
}
