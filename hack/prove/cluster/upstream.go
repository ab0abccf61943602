package cluster

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/policy/aws"
)

func drawUpstream(t *rapid.T, meta metav1.ObjectMeta, unknown *[]string) *policyv1alpha2.ClusterNetworkPolicy {
	o := &policyv1alpha2.ClusterNetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: "policy.networking.k8s.io/v1alpha2", Kind: "ClusterNetworkPolicy"}, ObjectMeta: meta,
	}
	o.Spec.Tier, o.Spec.Priority = policyv1alpha2.Tier(drawTier(t)), int32(count(t, "priority", 0, 2))
	subject := drawSubject(t)
	o.Spec.Subject = policyv1alpha2.ClusterNetworkPolicySubject{Namespaces: subject.namespaces, Pods: upstreamPods(subject.pods)}
	for _, r := range drawClusterRules(t, unknown, kindUpstream, "ingress", "from", "protocols") {
		rule := policyv1alpha2.ClusterNetworkPolicyIngressRule{
			Name: r.name, Action: policyv1alpha2.ClusterNetworkPolicyRuleAction(r.action), Protocols: upstreamPorts(r.ports),
		}
		for _, p := range r.peers {
			rule.From = append(rule.From, policyv1alpha2.ClusterNetworkPolicyIngressPeer{
				Namespaces: p.namespaces, Pods: upstreamPods(p.pods),
			})
		}
		o.Spec.Ingress = append(o.Spec.Ingress, rule)
	}
	for _, r := range drawClusterRules(t, unknown, kindUpstream, "egress", "to", "protocols") {
		rule := policyv1alpha2.ClusterNetworkPolicyEgressRule{
			Name: r.name, Action: policyv1alpha2.ClusterNetworkPolicyRuleAction(r.action), Protocols: upstreamPorts(r.ports),
		}
		for _, p := range r.peers {
			rule.To = append(rule.To, policyv1alpha2.ClusterNetworkPolicyEgressPeer{
				Namespaces: p.namespaces, Pods: upstreamPods(p.pods), Nodes: p.nodes,
				Networks: typed[policyv1alpha2.CIDR](p.networks), DomainNames: typed[policyv1alpha2.DomainName](p.names),
			})
		}
		o.Spec.Egress = append(o.Spec.Egress, rule)
	}
	return o
}

func upstreamPods(p *aws.NamespacedPod) *policyv1alpha2.NamespacedPod {
	if p == nil {
		return nil
	}
	return &policyv1alpha2.NamespacedPod{NamespaceSelector: p.NamespaceSelector, PodSelector: p.PodSelector}
}

func typed[T ~string](all []string) []T {
	var out []T
	for _, s := range all {
		out = append(out, T(s))
	}
	return out
}

func upstreamPorts(all []clusterPort) []policyv1alpha2.ClusterNetworkPolicyProtocol {
	var out []policyv1alpha2.ClusterNetworkPolicyProtocol
	for _, p := range all {
		var protocol policyv1alpha2.ClusterNetworkPolicyProtocol
		var port *policyv1alpha2.Port
		switch {
		case p.name != "":
			out = append(out, policyv1alpha2.ClusterNetworkPolicyProtocol{DestinationNamedPort: p.name})
			continue
		case p.every:
		case p.first == p.last:
			port = &policyv1alpha2.Port{Number: p.first}
		default:
			port = &policyv1alpha2.Port{Range: &policyv1alpha2.PortRange{Start: p.first, End: p.last}}
		}
		switch p.protocol {
		case "TCP":
			protocol.TCP = &policyv1alpha2.ClusterNetworkPolicyProtocolTCP{DestinationPort: port}
		case "UDP":
			protocol.UDP = &policyv1alpha2.ClusterNetworkPolicyProtocolUDP{DestinationPort: port}
		case "SCTP":
			protocol.SCTP = &policyv1alpha2.ClusterNetworkPolicyProtocolSCTP{DestinationPort: port}
		}
		out = append(out, protocol)
	}
	return out
}
