package cluster

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
)

// clusterPolicy holds now and then what no CRD lets through, but what an
// object of another version of the API may: such a rule is closed (P15).
func (d draw) clusterPolicy(i int, aws bool) policyv1alpha2.ClusterNetworkPolicy {
	p := policyv1alpha2.ClusterNetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%c%d", 'a'+d.between(0, 3), i)}}
	p.Spec.Tier = pick(d, []policyv1alpha2.Tier{policyv1alpha2.AdminTier, policyv1alpha2.BaselineTier})
	// So few priorities that ties are common (P4).
	p.Spec.Priority = pick(d, []int32{0, 1, 1, 2, 1000})
	switch d.between(0, 3) {
	case 0:
		p.Spec.Subject.Namespaces = &metav1.LabelSelector{}
	case 1:
		p.Spec.Subject.Namespaces = d.namespaceSelector()
	default:
		p.Spec.Subject.Pods = d.namespacedPod()
	}
	for range d.between(0, 3) {
		p.Spec.Ingress = append(p.Spec.Ingress, d.inward())
	}
	for range d.between(0, 4) {
		p.Spec.Egress = append(p.Spec.Egress, d.outward(aws))
	}
	return p
}

func (d draw) namespacedPod() *policyv1alpha2.NamespacedPod {
	p := &policyv1alpha2.NamespacedPod{PodSelector: *d.selector()}
	if d.once(2) {
		p.NamespaceSelector = *d.namespaceSelector()
	}
	return p
}

func (d draw) action() policyv1alpha2.ClusterNetworkPolicyRuleAction {
	return pick(d, []policyv1alpha2.ClusterNetworkPolicyRuleAction{
		policyv1alpha2.ClusterNetworkPolicyRuleActionAccept,
		policyv1alpha2.ClusterNetworkPolicyRuleActionDeny,
		policyv1alpha2.ClusterNetworkPolicyRuleActionPass,
	})
}

func (d draw) inward() policyv1alpha2.ClusterNetworkPolicyIngressRule {
	r := policyv1alpha2.ClusterNetworkPolicyIngressRule{Action: d.action(), Protocols: d.protocols()}
	for range d.between(1, 3) {
		var p policyv1alpha2.ClusterNetworkPolicyIngressPeer
		switch {
		case d.once(60):
		case d.once(2):
			p.Namespaces = d.namespaceSelector()
		default:
			p.Pods = d.namespacedPod()
		}
		r.From = append(r.From, p)
	}
	return r
}

func (d draw) outward(aws bool) policyv1alpha2.ClusterNetworkPolicyEgressRule {
	r := policyv1alpha2.ClusterNetworkPolicyEgressRule{Action: d.action(), Protocols: d.protocols()}
	for range d.between(1, 3) {
		r.To = append(r.To, d.clusterPeer(aws, r.Action))
	}
	return r
}

func (d draw) clusterPeer(aws bool, action policyv1alpha2.ClusterNetworkPolicyRuleAction) policyv1alpha2.ClusterNetworkPolicyEgressPeer {
	var p policyv1alpha2.ClusterNetworkPolicyEgressPeer
	named := action == policyv1alpha2.ClusterNetworkPolicyRuleActionAccept || d.once(20)
	switch kind := d.between(0, 9); {
	case d.once(60):
	case kind < 2:
		p.Namespaces = d.namespaceSelector()
	case kind < 5:
		p.Pods = d.namespacedPod()
	case kind == 5 && !aws:
		p.Nodes = d.selector()
	case kind < 8 && named:
		for range d.between(1, 3) {
			p.DomainNames = append(p.DomainNames, policyv1alpha2.DomainName(pick(d, patterns)))
		}
	default:
		for range d.between(1, 3) {
			p.Networks = append(p.Networks, policyv1alpha2.CIDR(d.network()))
		}
	}
	return p
}

func (d draw) network() string {
	if d.once(60) {
		return pick(d, []string{"10.0.0.0", "10.0.0.0/33", "everything"})
	}
	return pick(d, cidrs)
}

func (d draw) protocols() []policyv1alpha2.ClusterNetworkPolicyProtocol {
	var all []policyv1alpha2.ClusterNetworkPolicyProtocol
	if d.once(3) {
		return nil
	}
	for range d.between(1, 3) {
		all = append(all, d.protocol())
	}
	return all
}

func (d draw) protocol() policyv1alpha2.ClusterNetworkPolicyProtocol {
	if d.once(4) {
		return policyv1alpha2.ClusterNetworkPolicyProtocol{DestinationNamedPort: pick(d, portNames)}
	}
	port := &policyv1alpha2.Port{Number: pick(d, numbers)}
	if d.once(2) {
		first := min(65534, port.Number)
		last := min(65535, first+pick(d, []int32{1, 5, 400, 65534}))
		port = &policyv1alpha2.Port{Range: &policyv1alpha2.PortRange{Start: first, End: last}}
	}
	switch d.between(0, 2) {
	case 0:
		return policyv1alpha2.ClusterNetworkPolicyProtocol{TCP: &policyv1alpha2.ClusterNetworkPolicyProtocolTCP{DestinationPort: port}}
	case 1:
		return policyv1alpha2.ClusterNetworkPolicyProtocol{UDP: &policyv1alpha2.ClusterNetworkPolicyProtocolUDP{DestinationPort: port}}
	}
	return policyv1alpha2.ClusterNetworkPolicyProtocol{SCTP: &policyv1alpha2.ClusterNetworkPolicyProtocolSCTP{DestinationPort: port}}
}
