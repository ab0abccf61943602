// Package cluster makes random clusters with network policies, and flows
// through them, of the API objects as users write them. It knows what an API
// server accepts, how to read such objects into a policy.World, and how to
// make a cluster smaller that shows a disagreement. It must not know who is
// asked about a flow, nor what the right answer is.
package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/aws"
)

// Cluster is everything that decides about a flow, as API objects.
type Cluster struct {
	Namespaces []corev1.Namespace
	Nodes      []corev1.Node
	Pods       []corev1.Pod
	// NetworkPolicies and ApplicationPolicies are of one tier. The latter have
	// no domain names here, so that each of them has an equal NetworkPolicy.
	NetworkPolicies     []networkingv1.NetworkPolicy
	ApplicationPolicies []aws.ApplicationNetworkPolicy
	ClusterPolicies     []policyv1alpha2.ClusterNetworkPolicy
	// AWS says that nameward is given the cluster policies as objects of the
	// AWS kind, to be judged in the order they are written.
	AWS bool
	// Resolved are the addresses of names that every pod has asked for.
	Resolved map[string][]string
}

// Flow is a new connection as one of its pods sees it.
type Flow struct {
	Direction policy.Direction
	// Pod is namespace/name of the subject, Address the one it uses.
	Pod     string
	Address netip.Addr
	Peer    netip.Addr
	// Protocol is TCP, UDP, SCTP or ICMP; Port the destination port, 0 for
	// ICMP.
	Protocol corev1.Protocol
	Port     uint16
}

// String tells the flow to people.
func (f Flow) String() string {
	from, to := fmt.Sprintf("%s (%s)", f.Pod, f.Address), f.Peer.String()
	if f.Direction == policy.Ingress {
		from, to = to, from
	}
	return fmt.Sprintf("%s, %s port %d, from %s to %s", f.Direction, f.Protocol, f.Port, from, to)
}

// Ends gives the source and destination address.
func (f Flow) Ends() (source, destination netip.Addr) {
	if f.Direction == policy.Ingress {
		return f.Peer, f.Address
	}
	return f.Address, f.Peer
}

// PodName is how a Flow names a pod.
func PodName(p *corev1.Pod) string { return p.Namespace + "/" + p.Name }

// Policed says whether policies may select p (P16, P17).
func Policed(p *corev1.Pod) bool {
	return !p.Spec.HostNetwork && !finished(p)
}

func finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// Pod gives the pod of that name, or nil.
func (c *Cluster) Pod(name string) *corev1.Pod {
	for i := range c.Pods {
		if PodName(&c.Pods[i]) == name {
			return &c.Pods[i]
		}
	}
	return nil
}

// PodAt gives the pod that is addressed by a, or nil for an address outside of
// the pod network. Nobody who is asked has to find that out.
func (c *Cluster) PodAt(a netip.Addr) *corev1.Pod {
	for i := range c.Pods {
		if p := &c.Pods[i]; Policed(p) {
			for _, ip := range p.Status.PodIPs {
				if ip.IP == a.String() {
					return p
				}
			}
		}
	}
	return nil
}

// Holds says whether the pod of f is there, with the address of f.
func (c *Cluster) Holds(f Flow) bool {
	p := c.Pod(f.Pod)
	return p != nil && slices.Contains(p.Status.PodIPs, corev1.PodIP{IP: f.Address.String()})
}

// NamespaceLabels gives the labels of a namespace.
func (c *Cluster) NamespaceLabels(name string) map[string]string {
	for i := range c.Namespaces {
		if c.Namespaces[i].Name == name {
			return c.Namespaces[i].Labels
		}
	}
	return nil
}

// NamesOf gives the names that have been resolved to a.
func (c *Cluster) NamesOf(a netip.Addr) []string {
	var all []string
	for name, addresses := range c.Resolved {
		for _, address := range addresses {
			if address == a.String() {
				all = append(all, name)
			}
		}
	}
	return all
}

// IsLocal says whether a is an address of p's own node (P18).
func (c *Cluster) IsLocal(p *corev1.Pod, a netip.Addr) bool {
	for i := range c.Nodes {
		n := &c.Nodes[i]
		for _, address := range n.Status.Addresses {
			if n.Name == p.Spec.NodeName && address.Address == a.String() {
				return true
			}
		}
	}
	return false
}

// Copy gives a cluster that shares nothing with c.
func (c *Cluster) Copy() *Cluster {
	out := &Cluster{AWS: c.AWS, Resolved: map[string][]string{}}
	for name, addresses := range c.Resolved {
		out.Resolved[name] = append([]string(nil), addresses...)
	}
	for i := range c.Namespaces {
		out.Namespaces = append(out.Namespaces, *c.Namespaces[i].DeepCopy())
	}
	for i := range c.Nodes {
		out.Nodes = append(out.Nodes, *c.Nodes[i].DeepCopy())
	}
	for i := range c.Pods {
		out.Pods = append(out.Pods, *c.Pods[i].DeepCopy())
	}
	for i := range c.NetworkPolicies {
		out.NetworkPolicies = append(out.NetworkPolicies, *c.NetworkPolicies[i].DeepCopy())
	}
	for i := range c.ApplicationPolicies {
		out.ApplicationPolicies = append(out.ApplicationPolicies, application(Plain(&c.ApplicationPolicies[i])))
	}
	for i := range c.ClusterPolicies {
		out.ClusterPolicies = append(out.ClusterPolicies, *c.ClusterPolicies[i].DeepCopy())
	}
	return out
}

// Plain gives the NetworkPolicy that means what o does. Its name cannot be
// that of a NetworkPolicy in the cluster.
func Plain(o *aws.ApplicationNetworkPolicy) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: *o.ObjectMeta.DeepCopy()}
	p.Name = applicationPrefix + strings.TrimPrefix(o.Name, applicationPrefix)
	p.Spec = networkingv1.NetworkPolicySpec{
		PodSelector: o.Spec.PodSelector, PolicyTypes: o.Spec.PolicyTypes, Ingress: o.Spec.Ingress,
	}
	if o.Spec.Egress != nil {
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{}
	}
	for _, rule := range o.Spec.Egress {
		out := networkingv1.NetworkPolicyEgressRule{Ports: rule.Ports}
		for _, peer := range rule.To {
			out.To = append(out.To, networkingv1.NetworkPolicyPeer{
				PodSelector: peer.PodSelector, NamespaceSelector: peer.NamespaceSelector, IPBlock: peer.IPBlock,
			})
		}
		p.Spec.Egress = append(p.Spec.Egress, out)
	}
	return p.DeepCopy()
}

const applicationPrefix = "application-"

// application is the reverse of Plain.
func application(p *networkingv1.NetworkPolicy) aws.ApplicationNetworkPolicy {
	o := aws.ApplicationNetworkPolicy{ObjectMeta: p.ObjectMeta}
	o.Name = strings.TrimPrefix(o.Name, applicationPrefix)
	o.Spec = aws.ApplicationNetworkPolicySpec{
		PodSelector: p.Spec.PodSelector, PolicyTypes: p.Spec.PolicyTypes, Ingress: p.Spec.Ingress,
	}
	for _, rule := range p.Spec.Egress {
		out := aws.ApplicationEgressRule{Ports: rule.Ports}
		for _, peer := range rule.To {
			out.To = append(out.To, aws.ApplicationPeer{
				PodSelector: peer.PodSelector, NamespaceSelector: peer.NamespaceSelector, IPBlock: peer.IPBlock,
			})
		}
		o.Spec.Egress = append(o.Spec.Egress, out)
	}
	return o
}
