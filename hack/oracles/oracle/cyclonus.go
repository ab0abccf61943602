package oracle

import (
	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/oracles/cluster"
)

// Cyclonus is the matcher of cyclonus, for NetworkPolicies.
func Cyclonus() *Oracle {
	return &Oracle{
		Name:  "cyclonus",
		Kinds: cluster.Kinds{Namespaced: true},
		Masks: cyclonusMasks,
		open:  func() engine { return &cyclonus{} },
	}
}

type cyclonus struct {
	cluster *cluster.Cluster
	policy  *matcher.Policy
}

func (o *cyclonus) load(c *cluster.Cluster, _ []*Mask) {
	o.cluster, o.policy = c, matcher.BuildNetworkPolicies(false, networkPolicies(c))
}

// networkPolicies gives those of both kinds.
func networkPolicies(c *cluster.Cluster) []*networkingv1.NetworkPolicy {
	var all []*networkingv1.NetworkPolicy
	for i := range c.NetworkPolicies {
		all = append(all, &c.NetworkPolicies[i])
	}
	for i := range c.ApplicationPolicies {
		all = append(all, cluster.Plain(&c.ApplicationPolicies[i]))
	}
	return all
}

// allows asks once for each name that the destination has for the port: a flow
// of cyclonus has one name only, and rules are a union.
func (o *cyclonus) allows(f cluster.Flow) bool {
	source, destination := f.Ends()
	to := o.cluster.PodAt(destination)
	traffic := &matcher.Traffic{
		Source:       o.peer(o.cluster.PodAt(source), source.String()),
		Destination:  o.peer(to, destination.String()),
		ResolvedPort: int(f.Port), Protocol: f.Protocol,
	}
	for _, name := range append(portNames(to, f), "") {
		traffic.ResolvedPortName = name
		if o.policy.IsIngressOrEgressAllowed(traffic, f.Direction == policy.Ingress).IsAllowed() {
			return true
		}
	}
	return false
}

func (o *cyclonus) peer(p *corev1.Pod, address string) *matcher.TrafficPeer {
	out := &matcher.TrafficPeer{IP: address}
	if p != nil {
		out.Internal = &matcher.InternalPeer{
			PodLabels: p.Labels, Namespace: p.Namespace, NamespaceLabels: o.cluster.NamespaceLabels(p.Namespace),
		}
	}
	return out
}

// portNames are the names that p has for the port of f.
func portNames(p *corev1.Pod, f cluster.Flow) []string {
	if p == nil {
		return nil
	}
	var names []string
	take := func(c *corev1.Container) {
		for _, port := range c.Ports {
			if port.Protocol == f.Protocol && port.ContainerPort == int32(f.Port) {
				names = append(names, port.Name)
			}
		}
	}
	for i := range p.Spec.Containers {
		take(&p.Spec.Containers[i])
	}
	for i := range p.Spec.InitContainers {
		if cluster.Sidecar(&p.Spec.InitContainers[i]) {
			take(&p.Spec.InitContainers[i])
		}
	}
	return names
}
