package convert

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/aws"
)

// AWSClusterNetworkPolicy converts the AWS kind of ClusterNetworkPolicy; see
// NetworkPolicy. A namespaceSelector that is empty selects every namespace, as
// it does upstream.
func AWSClusterNetworkPolicy(o *aws.ClusterNetworkPolicy, unclear ...string) (policy.Policy, []policy.Problem) {
	c := cluster{
		report: report{unclear: unclear, ref: policy.PolicyRef{
			Group: aws.Group, Kind: aws.ClusterNetworkPolicyKind, Name: o.Name,
		}},
		knownFrom:  "namespaces, pods",
		knownTo:    "namespaces, pods, networks, domainNames",
		portsField: "ports", knownPorts: "portNumber, portRange, namedPort",
	}
	var ingress, egress []clusterRule
	for i, rule := range o.Spec.Ingress {
		r := c.awsRule(fmt.Sprintf("spec.ingress[%d]", i), rule.Name, rule.Action, rule.Ports)
		for _, peer := range rule.From {
			r.peers = append(r.peers, clusterPeer{namespaces: peer.Namespaces, pods: awsPod(peer.Pods)})
		}
		ingress = append(ingress, r)
	}
	for i, rule := range o.Spec.Egress {
		r := c.awsRule(fmt.Sprintf("spec.egress[%d]", i), rule.Name, rule.Action, rule.Ports)
		for _, peer := range rule.To {
			r.peers = append(r.peers, clusterPeer{
				namespaces: peer.Namespaces, pods: awsPod(peer.Pods),
				networks: peer.Networks, names: peer.DomainNames,
			})
		}
		egress = append(egress, r)
	}
	subject := clusterPeer{namespaces: o.Spec.Subject.Namespaces, pods: awsPod(o.Spec.Subject.Pods)}
	p := c.policy(o.Spec.Tier, o.Spec.Priority, subject, ingress, egress)
	p.AWS = true
	return p, c.problems
}

func (c *cluster) awsRule(field, name, action string, all []aws.ClusterPort) clusterRule {
	return clusterRule{
		name: name, action: action, everyPort: all == nil,
		ports: clusterPorts(c, field, all, awsPort),
	}
}

func awsPod(p *aws.NamespacedPod) *namespacedPod {
	if p == nil {
		return nil
	}
	return &namespacedPod{namespaces: p.NamespaceSelector, pods: p.PodSelector}
}

func awsPort(p aws.ClusterPort) (policy.Port, error) {
	switch countTrue(p.PortNumber != nil, p.PortRange != nil, p.NamedPort != nil) {
	case 0:
		return policy.Port{}, errors.New("no port that this version knows; write portNumber, portRange or namedPort")
	case 1:
	default:
		return policy.Port{}, errors.New("portNumber, portRange and namedPort exclude each other; write an item for each")
	}
	switch {
	case p.PortNumber != nil:
		return awsRange(p.PortNumber.Protocol, p.PortNumber.Port, p.PortNumber.Port)
	case p.PortRange != nil:
		return awsRange(p.PortRange.Protocol, p.PortRange.Start, p.PortRange.End)
	}
	return namedPort(0, *p.NamedPort)
}

func awsRange(protocol string, first, last int32) (policy.Port, error) {
	number, err := Protocol(corev1.Protocol(protocol))
	if err != nil {
		return policy.Port{}, err
	}
	return portRange(number, first, last)
}
