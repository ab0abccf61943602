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
	turned   bool
}

// turning is a pod whose packets may have been seen under its new policy.
type turning struct{ turned bool }

// probes draws packets of pods that live before and after a change.
func (j *journey) probes(next *cluster.Cluster, to *policy.World) []*probe {
	var all []*probe
	ways := map[string]*way{}
	for _, p := range slices.Concat(next.Packets(j.random, probesPerChange/2), j.cluster.Packets(j.random, probesPerChange/2)) {
		p.Names = j.cluster.NamesOf(p)
		before, after, ok := both(p, j.world, to)
		if !ok {
			continue
		}
		uid := after.Pod.Ref.UID
		if ways[uid] == nil {
			ways[uid] = &way{meanwhile: meanwhile(j.world, to, before.Pod)}
		}
		probe := &probe{
			packet: p, after: after, pod: &ways[uid].turning,
			old: decisions(before, append(ways[uid].meanwhile, j.world)),
			// The entry has the patterns of the old rules until names are
			// learnt anew under the new ones.
			new: decisions(after, []*policy.World{j.held(to, p, uid)}),
		}
		all = append(all, probe)
	}
	return all
}

// way is how a pod goes from one policy to the next.
type way struct {
	turning
	meanwhile []*policy.World
}

// overtaken draws packets of pods that live all the way to last by way of
// middle, which the kernel has refused: it may have got anywhere on the way
// there, and comes from there to last.
func (j *journey) overtaken(later *cluster.Cluster, middle, last *policy.World) []*probe {
	var all []*probe
	ways := map[string]*way{}
	half := map[string]*way{}
	for _, p := range later.Packets(j.random, probesPerChange) {
		p.Names = j.cluster.NamesOf(p)
		before, between, ok := both(p, j.world, middle)
		_, after, too := both(p, middle, last)
		if !ok || !too {
			continue
		}
		uid := after.Pod.Ref.UID
		if ways[uid] == nil {
			ways[uid] = &way{meanwhile: append(meanwhile(j.world, middle, before.Pod), meanwhile(j.world, last, before.Pod)...)}
			half[uid] = &way{meanwhile: meanwhile(middle, last, between.Pod)}
		}
		old := decisions(before, append(ways[uid].meanwhile, j.world))
		for _, w := range append(half[uid].meanwhile, middle) {
			old = append(old, decisions(between, []*policy.World{j.held(w, p, uid)})...)
		}
		all = append(all, &probe{
			// Here the old policy may come back, since what was refused is
			// taken back first.
			packet: p, after: after, pod: &turning{}, old: old,
			new: decisions(after, []*policy.World{j.held(last, p, uid)}),
		})
	}
	return all
}

// both gives the packet before and after a change, where its pod is the same.
func both(p cluster.Packet, from, to *policy.World) (before, after policy.Flow, ok bool) {
	before, was := p.Flow(from)
	after, is := p.Flow(to)
	if !was || !is || before.Pod.Ref.UID != after.Pod.Ref.UID {
		return before, after, false
	}
	// What is a frame to itself under one list of addresses is a packet of
	// another pair of addresses under the other.
	return before, after, slices.Contains(before.Pod.Addresses, p.Peer) == slices.Contains(after.Pod.Addresses, p.Peer)
}

func decisions(f policy.Flow, worlds []*policy.World) []policy.Decision {
	var all []policy.Decision
	for _, w := range worlds {
		for _, d := range policy.Decisions(w, f, false) {
			if !slices.ContainsFunc(all, func(o policy.Decision) bool { return o.Verdict == d.Verdict && o.Tier == d.Tier }) {
				all = append(all, d)
			}
		}
	}
	return all
}

// held is the World as the pod's entry for the packet's peer has it.
func (j *journey) held(w *policy.World, p cluster.Packet, uid string) *policy.World {
	if len(p.Names) == 0 {
		return w
	}
	return namedOnly(w, j.n.Held(uid, p.Peer))
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
