package cluster

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/aws"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// Judge is the reference evaluator with a cluster laid before it.
type Judge struct {
	cluster *Cluster
	pods    map[string]*policy.Pod
	// worlds are one for each node, for whose pods only its own addresses are
	// local.
	worlds map[string]*policy.World
}

// NewJudge reads the cluster. No address of the cluster's DNS is given, so
// that a rule with names implies nothing (N8).
func NewJudge(c *Cluster) *Judge {
	j := &Judge{cluster: c, pods: map[string]*policy.Pod{}, worlds: map[string]*policy.World{}}
	all := &policy.World{Default: policy.Allow, AWSRuleOrder: policy.AsWritten, Namespaces: map[string]labels.Set{}}
	for i := range c.Namespaces {
		all.Namespaces[c.Namespaces[i].Name] = c.Namespaces[i].Labels
	}
	for i := range c.Nodes {
		all.Nodes = append(all.Nodes, node(&c.Nodes[i]))
	}
	for i := range c.Pods {
		p := pod(&c.Pods[i])
		j.pods[PodName(&c.Pods[i])] = p
		all.Pods = append(all.Pods, p)
	}
	all.Policies = c.policies()
	for i := range all.Nodes {
		world := *all
		world.Node, world.LocalAddresses = all.Nodes[i].Name, all.Nodes[i].Addresses
		j.worlds[world.Node] = &world
	}
	j.worlds[""] = all
	return j
}

func (c *Cluster) policies() []*policy.Policy {
	var all []*policy.Policy
	add := func(p policy.Policy, _ []policy.Problem) { all = append(all, &p) }
	for i := range c.NetworkPolicies {
		add(convert.NetworkPolicy(&c.NetworkPolicies[i]))
	}
	for i := range c.ApplicationPolicies {
		add(convert.ApplicationNetworkPolicy(&c.ApplicationPolicies[i]))
	}
	for i := range c.ClusterPolicies {
		if c.AWS {
			add(convert.AWSClusterNetworkPolicy(awsPolicy(&c.ClusterPolicies[i])))
		} else {
			add(convert.ClusterNetworkPolicy(&c.ClusterPolicies[i]))
		}
	}
	return all
}

// Decide asks the reference evaluator.
func (j *Judge) Decide(f Flow) policy.Decision {
	subject := j.pods[f.Pod]
	world := j.worlds[""]
	if w, known := j.worlds[subject.Node]; known {
		world = w
	}
	flow := policy.Flow{
		Direction: f.Direction, Pod: subject, Peer: f.Peer, Protocol: number(f.Protocol), Port: f.Port,
	}
	if f.Direction == policy.Egress {
		flow.Names = j.cluster.NamesOf(f.Peer)
	}
	return policy.Evaluate(world, flow)
}

func number(p corev1.Protocol) uint8 {
	switch p {
	case corev1.ProtocolTCP:
		return 6
	case corev1.ProtocolUDP:
		return 17
	case corev1.ProtocolSCTP:
		return 132
	case "ICMP":
		return 1
	}
	panic(fmt.Sprintf("protocol %q", p))
}

func node(n *corev1.Node) policy.Node {
	out := policy.Node{Name: n.Name, Labels: n.Labels}
	for _, address := range n.Status.Addresses {
		if ip, err := netip.ParseAddr(address.Address); err == nil {
			out.Addresses = append(out.Addresses, ip)
		}
	}
	return out
}

func pod(p *corev1.Pod) *policy.Pod {
	out := &policy.Pod{
		Ref:    policy.PodRef{Namespace: p.Namespace, Name: p.Name, UID: PodName(p)},
		Labels: p.Labels, Node: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork,
		Finished: finished(p),
	}
	for _, ip := range p.Status.PodIPs {
		out.Addresses = append(out.Addresses, netip.MustParseAddr(ip.IP))
	}
	take := func(c *corev1.Container) {
		for _, port := range c.Ports {
			out.Ports = append(out.Ports, policy.NamedPort{
				Name: port.Name, Protocol: number(port.Protocol), Number: uint16(port.ContainerPort),
			})
		}
	}
	for i := range p.Spec.InitContainers {
		if Sidecar(&p.Spec.InitContainers[i]) {
			take(&p.Spec.InitContainers[i])
		}
	}
	for i := range p.Spec.Containers {
		take(&p.Spec.Containers[i])
	}
	return out
}

// Sidecar says whether an init container stays, so that its ports count (P10).
func Sidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// awsPolicy writes an upstream policy as one of the AWS kind. It has no nodes.
func awsPolicy(o *policyv1alpha2.ClusterNetworkPolicy) *aws.ClusterNetworkPolicy {
	out := &aws.ClusterNetworkPolicy{ObjectMeta: o.ObjectMeta}
	out.Spec.Tier, out.Spec.Priority = string(o.Spec.Tier), o.Spec.Priority
	out.Spec.Subject = aws.ClusterSubject{Namespaces: o.Spec.Subject.Namespaces, Pods: awsPods(o.Spec.Subject.Pods)}
	for _, r := range o.Spec.Ingress {
		rule := aws.ClusterIngressRule{Name: r.Name, Action: string(r.Action), Ports: awsPorts(r.Protocols)}
		for _, p := range r.From {
			rule.From = append(rule.From, aws.ClusterIngressPeer{Namespaces: p.Namespaces, Pods: awsPods(p.Pods)})
		}
		out.Spec.Ingress = append(out.Spec.Ingress, rule)
	}
	for _, r := range o.Spec.Egress {
		rule := aws.ClusterEgressRule{Name: r.Name, Action: string(r.Action), Ports: awsPorts(r.Protocols)}
		for _, p := range r.To {
			rule.To = append(rule.To, aws.ClusterEgressPeer{
				Namespaces: p.Namespaces, Pods: awsPods(p.Pods), Networks: texts(p.Networks), DomainNames: texts(p.DomainNames),
			})
		}
		out.Spec.Egress = append(out.Spec.Egress, rule)
	}
	return out
}

func awsPods(p *policyv1alpha2.NamespacedPod) *aws.NamespacedPod {
	if p == nil {
		return nil
	}
	return &aws.NamespacedPod{NamespaceSelector: p.NamespaceSelector, PodSelector: p.PodSelector}
}

func awsPorts(all []policyv1alpha2.ClusterNetworkPolicyProtocol) []aws.ClusterPort {
	var out []aws.ClusterPort
	one := func(protocol string, p *policyv1alpha2.Port) {
		if p.Range != nil {
			out = append(out, aws.ClusterPort{PortRange: &aws.ClusterPortRange{Protocol: protocol, Start: p.Range.Start, End: p.Range.End}})
		} else {
			out = append(out, aws.ClusterPort{PortNumber: &aws.ClusterPortNumber{Protocol: protocol, Port: p.Number}})
		}
	}
	for _, p := range all {
		switch {
		case p.TCP != nil:
			one("", p.TCP.DestinationPort)
		case p.UDP != nil:
			one("UDP", p.UDP.DestinationPort)
		case p.SCTP != nil:
			one("SCTP", p.SCTP.DestinationPort)
		default:
			out = append(out, aws.ClusterPort{NamedPort: &p.DestinationNamedPort})
		}
	}
	return out
}

func texts[T ~string](all []T) []string {
	var out []string
	for _, s := range all {
		out = append(out, string(s))
	}
	return out
}
