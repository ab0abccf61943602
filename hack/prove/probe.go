package main

import (
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/cluster"
	"github.com/nameward/nameward/plugin/names"
)

// probe is a packet of a pod that lives before and after a change.
type probe struct {
	packet cluster.Packet
	after  policy.Flow
	pod    *turning
	// old are the decisions of the pod's old policy, with its peers as they
	// were or as they will be: what becomes of a peer is one write, apart from
	// the switch of the pod. New are those of its new policy.
	old, new []policy.Decision
	// service says that the packet goes to a Service, before or after.
	service bool
	turned  bool
}

// turning is a pod whose packets may have been seen under its new policy.
type turning struct{ turned bool }

// probes draws packets of pods that live in both Worlds.
func (j *journey) probes(next *cluster.Cluster, from, to *policy.World) []*probe {
	var all []*probe
	pods := map[string]*turning{}
	between := map[string][]*policy.World{}
	narrow := map[string]*policy.World{}
	packets := slices.Concat(next.Packets(j.random, probesPerChange/2), j.cluster.Packets(j.random, probesPerChange/2))
	for _, p := range packets {
		p.Names = j.cluster.NamesOf(p)
		before, was := p.Flow(from)
		after, is := p.Flow(to)
		if !was || !is || before.Pod.Ref.UID != after.Pod.Ref.UID {
			continue
		}
		// What is a frame to itself under one list of addresses is a packet of
		// another pair of addresses under the other.
		if slices.Contains(before.Pod.Addresses, p.Peer) != slices.Contains(after.Pod.Addresses, p.Peer) {
			continue
		}
		uid := after.Pod.Ref.UID
		if pods[uid] == nil {
			pods[uid] = &turning{}
			between[uid] = meanwhile(from, to, before.Pod)
		}
		probe := &probe{packet: p, after: after, pod: pods[uid], service: isService(from, before) || isService(to, after)}
		probe.old = []policy.Decision{policy.Evaluate(from, before)}
		for _, w := range between[uid] {
			probe.old = append(probe.old, policy.Evaluate(w, before))
		}
		// The entry has the patterns of the old rules until names are learnt
		// anew under the new ones.
		held := j.n.Held(uid, p.Peer)
		key := uid + " " + p.Peer.String()
		if len(p.Names) > 0 && narrow[key] == nil {
			narrow[key] = namedOnly(to, held)
		}
		world := to
		if len(p.Names) > 0 {
			world = narrow[key]
		}
		probe.new = []policy.Decision{policy.Evaluate(world, after)}
		all = append(all, probe)
	}
	return all
}

// meanwhile gives Worlds in which the pod has the policy of from and peers,
// Services and backends are those of from or of to.
func meanwhile(from, to *policy.World, pod *policy.Pod) []*policy.World {
	base := *to
	base.Default, base.AWSRuleOrder, base.ClusterDNS = from.Default, from.AWSRuleOrder, from.ClusterDNS
	base.AuditDefault, base.AuditNamespaces = from.AuditDefault, from.AuditNamespaces
	base.Policies = nil
	for _, p := range from.Policies {
		// Whom a policy selects is part of the pod's policy, whatever becomes
		// of labels meanwhile.
		if selects(from, &p.Subject, pod) {
			own := *p
			own.Subject = policy.PodSelector{}
			base.Policies = append(base.Policies, &own)
		}
	}
	var all []*policy.World
	// The numbers of named ports are part of the pod's policy too (P10): of
	// new peers those count that some old peer had.
	for _, keep := range []func(policy.NamedPort) bool{
		func(policy.NamedPort) bool { return true },
		func(port policy.NamedPort) bool { return hadPort(from, port) },
		func(policy.NamedPort) bool { return false },
	} {
		w := base
		w.Pods = withPorts(to.Pods, keep)
		other := w
		other.Services = from.Services
		all = append(all, &w, &other)
	}
	// Old peers behind new Services.
	w := *from
	w.Services = to.Services
	return append(all, &w)
}

func selects(w *policy.World, s *policy.PodSelector, p *policy.Pod) bool {
	return (s.Namespace == "" || s.Namespace == p.Ref.Namespace) &&
		(s.Namespaces == nil || s.Namespaces.Matches(w.Namespaces[p.Ref.Namespace])) &&
		(s.Pods == nil || s.Pods.Matches(p.Labels))
}

func hadPort(w *policy.World, port policy.NamedPort) bool {
	return slices.ContainsFunc(w.Pods, func(p *policy.Pod) bool {
		return !p.Finished && !p.HostNetwork && slices.Contains(p.Ports, port)
	})
}

func withPorts(pods []*policy.Pod, keep func(policy.NamedPort) bool) []*policy.Pod {
	var all []*policy.Pod
	for _, p := range pods {
		other := *p
		other.Ports = nil
		for _, port := range p.Ports {
			if keep(port) {
				other.Ports = append(other.Ports, port)
			}
		}
		all = append(all, &other)
	}
	return all
}

// namedOnly gives the World with no patterns but some. A name that nobody can
// learn takes the place of the others, so that what they imply stays (N8).
func namedOnly(w *policy.World, some []string) *policy.World {
	out := *w
	out.Policies = nil
	for _, p := range w.Policies {
		if p.Egress == nil {
			out.Policies = append(out.Policies, p)
			continue
		}
		own := *p
		section := policy.Section{Rules: slices.Clone(p.Egress.Rules)}
		for i := range section.Rules {
			r := &section.Rules[i]
			r.Peers = slices.Clone(r.Peers)
			for k := range r.Peers {
				if pattern, err := names.Parse(r.Peers[k].Name); err == nil && !slices.Contains(some, pattern.String()) {
					r.Peers[k].Name = "nobody.learns.invalid"
				}
			}
		}
		own.Egress = &section
		out.Policies = append(out.Policies, &own)
	}
	return &out
}
