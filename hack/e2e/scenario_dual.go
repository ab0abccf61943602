package main

import (
	"fmt"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// dual: policies hold for both families at the same time (P20).
func dual(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	server := cluster.Pod{Namespace: ns, Name: "server", HTTP: 80, Node: s.nodes[0], Labels: map[string]string{"role": "server"}}
	client := cluster.Pod{Namespace: ns, Name: "client", Node: s.nodes[len(s.nodes)-1], Labels: map[string]string{"role": "client"}}
	other := cluster.Pod{Namespace: ns, Name: "other", Node: s.nodes[0]}
	if err := s.Start(s.ctx, server, client, other); err != nil {
		return err
	}
	if err := s.Apply(s.ctx, networkPolicy(ns, "clients", podLabel("pod", "server"), []string{"{from: [{podSelector: {matchLabels: {role: client}}}]}"}, nil),
		networkPolicy(ns, "out", podLabel("pod", "client"), nil, []string{"{to: [{podSelector: {matchLabels: {role: server}}}]}"})); err != nil {
		return err
	}
	for _, v6 := range []bool{false, true} {
		address, err := s.Address(s.ctx, server, v6)
		if err != nil {
			return err
		}
		elsewhere, err := s.Address(s.ctx, other, v6)
		if err != nil {
			return err
		}
		family := map[bool]string{false: "IPv4", true: "IPv6"}[v6]
		s.routes(fmt.Sprintf("P20, %s:", family),
			route{from: client, target: hostPort(address, 80), as: "server", want: pass},
			route{from: other, target: hostPort(address, 80), as: "server", want: drop},
			route{from: client, target: hostPort(elsewhere, 80), as: "other", want: drop})
	}
	if s.lab == nil {
		return nil
	}
	return s.dualNames(ns, client)
}

// dualNames: a name opens both of its addresses, to the pod that asked.
func (s *stage) dualNames(ns string, client cluster.Pod) error {
	err := s.Apply(s.ctx, applicationNetworkPolicy(ns, "name", podLabel("pod", "client"), nil, []string{`{to: [{domainNames: ["n190.many.example.net"]}], ports: [{port: 80, protocol: TCP}]}`}))
	if err != nil {
		return err
	}
	// An answer of before the policy is not learnt, and of one attempt's two queries
	// one may come before and one after it.
	s.settled()
	s.routes("P20, by name:", route{from: client, target: "n190.many.example.net:80", want: pass})
	// both types are asked for, so both addresses are known now
	s.routes("P20, by name, IPv4:", route{from: client, target: "203.0.113.191:80", want: pass}, route{from: client, target: "203.0.113.190:80", want: drop})
	s.routes("P20, by name, IPv6:", route{from: client, target: "[2001:db8:113::bf]:80", want: pass}, route{from: client, target: "[2001:db8:113::be]:80", want: drop})
	return nil
}
