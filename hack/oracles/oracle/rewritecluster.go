package oracle

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/hack/oracles/cluster"
)

// hasOneWayPolicies changes nothing: the engine itself works around it.
func hasOneWayPolicies(c *cluster.Cluster) bool {
	return slices.ContainsFunc(networkPolicies(c), isOneWay)
}

// retypeAddresses makes every address of a node an internal one.
func retypeAddresses(c *cluster.Cluster) bool {
	changed := false
	for i := range c.Nodes {
		for j := range c.Nodes[i].Status.Addresses {
			a := &c.Nodes[i].Status.Addresses[j]
			_, err := netip.ParseAddr(a.Address)
			if err == nil && a.Type != corev1.NodeInternalIP && a.Type != corev1.NodeExternalIP {
				a.Type, changed = corev1.NodeInternalIP, true
			}
		}
	}
	return changed
}

func isAccept(a policyv1alpha2.ClusterNetworkPolicyRuleAction) bool {
	return a == policyv1alpha2.ClusterNetworkPolicyRuleActionAccept
}

func isUnknownSource(p policyv1alpha2.ClusterNetworkPolicyIngressPeer) bool {
	return p.Namespaces == nil && p.Pods == nil
}

func isUnknownDestination(p policyv1alpha2.ClusterNetworkPolicyEgressPeer) bool {
	unknown := p.Namespaces == nil && p.Pods == nil && p.Nodes == nil && len(p.Networks)+len(p.DomainNames) == 0
	return unknown || slices.ContainsFunc(p.Networks, func(s policyv1alpha2.CIDR) bool {
		_, err := netip.ParsePrefix(string(s))
		return err != nil
	})
}

// closeRules spells out what failing closed is.
func closeRules(c *cluster.Cluster) bool {
	changed := false
	for i := range c.ClusterPolicies {
		s := &c.ClusterPolicies[i].Spec
		var ingress []policyv1alpha2.ClusterNetworkPolicyIngressRule
		for _, r := range s.Ingress {
			if !slices.ContainsFunc(r.From, isUnknownSource) {
				ingress = append(ingress, r)
				continue
			}
			changed = true
			if !isAccept(r.Action) {
				ingress = append(ingress, policyv1alpha2.ClusterNetworkPolicyIngressRule{
					Action: policyv1alpha2.ClusterNetworkPolicyRuleActionDeny,
					From:   []policyv1alpha2.ClusterNetworkPolicyIngressPeer{{Namespaces: &metav1.LabelSelector{}}},
				})
			}
		}
		var egress []policyv1alpha2.ClusterNetworkPolicyEgressRule
		for _, r := range s.Egress {
			if !isClosed(&r) {
				egress = append(egress, r)
				continue
			}
			changed = true
			if !isAccept(r.Action) {
				egress = append(egress, policyv1alpha2.ClusterNetworkPolicyEgressRule{
					Action: policyv1alpha2.ClusterNetworkPolicyRuleActionDeny,
					To:     []policyv1alpha2.ClusterNetworkPolicyEgressPeer{{Networks: []policyv1alpha2.CIDR{"0.0.0.0/0", "::/0"}}},
				})
			}
		}
		s.Ingress, s.Egress = ingress, egress
	}
	return changed
}

func isClosed(r *policyv1alpha2.ClusterNetworkPolicyEgressRule) bool {
	return slices.ContainsFunc(r.To, func(p policyv1alpha2.ClusterNetworkPolicyEgressPeer) bool {
		return isUnknownDestination(p) || len(p.DomainNames) > 0 && !isAccept(r.Action)
	})
}

// splitClusterNamed takes named ports off peers that are no pods, which get a
// rule of their own in the same place.
func splitClusterNamed(c *cluster.Cluster) bool {
	changed := false
	for i := range c.ClusterPolicies {
		s := &c.ClusterPolicies[i].Spec
		var rules []policyv1alpha2.ClusterNetworkPolicyEgressRule
		for _, r := range s.Egress {
			addresses, pods := partition(r.To, func(p policyv1alpha2.ClusterNetworkPolicyEgressPeer) bool {
				return p.Namespaces == nil && p.Pods == nil
			})
			named, numbered := partition(r.Protocols, func(p policyv1alpha2.ClusterNetworkPolicyProtocol) bool {
				return p.DestinationNamedPort != ""
			})
			if len(addresses) == 0 || len(named) == 0 {
				rules = append(rules, r)
				continue
			}
			changed = true
			if len(pods) > 0 {
				rules = append(rules, policyv1alpha2.ClusterNetworkPolicyEgressRule{Action: r.Action, To: pods, Protocols: r.Protocols})
			}
			if len(numbered) > 0 {
				rules = append(rules, policyv1alpha2.ClusterNetworkPolicyEgressRule{Action: r.Action, To: addresses, Protocols: numbered})
			}
		}
		s.Egress = rules
	}
	return changed
}
