package convert

import (
	"errors"
	"fmt"

	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/policy"
)

// ClusterNetworkPolicy converts the upstream kind of ClusterNetworkPolicy,
// fields of the experimental channel included; see NetworkPolicy.
func ClusterNetworkPolicy(o *policyv1alpha2.ClusterNetworkPolicy, unclear ...string) (policy.Policy, []policy.Problem) {
	c := cluster{
		report: report{unclear: unclear, ref: policy.PolicyRef{
			Group: policyv1alpha2.GroupName, Kind: "ClusterNetworkPolicy", Name: o.Name,
		}},
		knownFrom:  "namespaces, pods",
		knownTo:    "namespaces, pods, nodes, networks, domainNames",
		portsField: "protocols", knownPorts: "tcp, udp, sctp, destinationNamedPort",
	}
	var ingress, egress []clusterRule
	for i, rule := range o.Spec.Ingress {
		r := c.upstreamRule(fmt.Sprintf("spec.ingress[%d]", i), rule.Name, rule.Action, rule.Protocols)
		for _, peer := range rule.From {
			r.peers = append(r.peers, clusterPeer{namespaces: peer.Namespaces, pods: upstreamPod(peer.Pods)})
		}
		ingress = append(ingress, r)
	}
	for i, rule := range o.Spec.Egress {
		r := c.upstreamRule(fmt.Sprintf("spec.egress[%d]", i), rule.Name, rule.Action, rule.Protocols)
		for _, peer := range rule.To {
			r.peers = append(r.peers, clusterPeer{
				namespaces: peer.Namespaces, pods: upstreamPod(peer.Pods), nodes: peer.Nodes,
				networks: texts(peer.Networks), names: texts(peer.DomainNames),
			})
		}
		egress = append(egress, r)
	}
	subject := clusterPeer{namespaces: o.Spec.Subject.Namespaces, pods: upstreamPod(o.Spec.Subject.Pods)}
	return c.policy(string(o.Spec.Tier), o.Spec.Priority, subject, ingress, egress), c.problems
}

func (c *cluster) upstreamRule(field, name string, action policyv1alpha2.ClusterNetworkPolicyRuleAction, all []policyv1alpha2.ClusterNetworkPolicyProtocol) clusterRule {
	return clusterRule{
		name: name, action: string(action), everyPort: all == nil,
		ports: clusterPorts(c, field, all, upstreamPort),
	}
}

func upstreamPod(p *policyv1alpha2.NamespacedPod) *namespacedPod {
	if p == nil {
		return nil
	}
	return &namespacedPod{namespaces: p.NamespaceSelector, pods: p.PodSelector}
}

func upstreamPort(p policyv1alpha2.ClusterNetworkPolicyProtocol) (policy.Port, error) {
	switch countTrue(p.TCP != nil, p.UDP != nil, p.SCTP != nil, p.DestinationNamedPort != "") {
	case 0:
		return policy.Port{}, errors.New("no protocol that this version knows; write tcp, udp, sctp or destinationNamedPort")
	case 1:
	default:
		return policy.Port{}, errors.New("tcp, udp, sctp and destinationNamedPort exclude each other; write an item for each")
	}
	switch {
	case p.TCP != nil:
		return destinationPort(6, p.TCP.DestinationPort)
	case p.UDP != nil:
		return destinationPort(17, p.UDP.DestinationPort)
	case p.SCTP != nil:
		return destinationPort(132, p.SCTP.DestinationPort)
	}
	return namedPort(0, p.DestinationNamedPort)
}

// destinationPort gives every port where there is none: the schema forbids
// that, its text gives it this meaning.
func destinationPort(protocol uint8, p *policyv1alpha2.Port) (policy.Port, error) {
	switch {
	case p == nil:
		return everyPort(protocol), nil
	case p.Range != nil && p.Number != 0:
		return policy.Port{}, errors.New("number and range exclude each other; write an item for each")
	case p.Range != nil:
		return portRange(protocol, p.Range.Start, p.Range.End)
	}
	return portRange(protocol, p.Number, p.Number)
}

// texts keeps what is absent apart from what is empty.
func texts[T ~string](all []T) []string {
	if all == nil {
		return nil
	}
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = string(s)
	}
	return out
}
