package cluster

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy/aws"
)

func drawNetwork(t *rapid.T, meta metav1.ObjectMeta, unknown *[]string) *networkingv1.NetworkPolicy {
	o := &networkingv1.NetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}, ObjectMeta: meta,
	}
	o.Spec.PodSelector = *drawSelector(t)
	o.Spec.PolicyTypes = drawPolicyTypes(t)
	o.Spec.Ingress = drawIngress(t, unknown)
	for i := range count(t, "egress rules", 0, 2) {
		r := networkingv1.NetworkPolicyEgressRule{Ports: drawPorts(t, unknown, "spec.egress[%d]", i)}
		for j := range count(t, "to", 0, 2) {
			drawUnknown(t, unknown, "spec.egress[%d].to[%d]", i, j)
			r.To = append(r.To, drawPeer(t))
		}
		o.Spec.Egress = append(o.Spec.Egress, r)
	}
	return o
}

func drawApplication(t *rapid.T, meta metav1.ObjectMeta, unknown *[]string) *aws.ApplicationNetworkPolicy {
	o := &aws.ApplicationNetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.aws/v1alpha1", Kind: "ApplicationNetworkPolicy"}, ObjectMeta: meta,
	}
	o.Spec.PodSelector = *drawSelector(t)
	o.Spec.PolicyTypes = drawPolicyTypes(t)
	o.Spec.Ingress = drawIngress(t, unknown)
	for i := range count(t, "egress rules", 0, 2) {
		r := aws.ApplicationEgressRule{Ports: drawPorts(t, unknown, "spec.egress[%d]", i)}
		for j := range count(t, "to", 0, 3) {
			drawUnknown(t, unknown, "spec.egress[%d].to[%d]", i, j)
			p := drawPeer(t)
			peer := aws.ApplicationPeer{PodSelector: p.PodSelector, NamespaceSelector: p.NamespaceSelector, IPBlock: p.IPBlock}
			if chance(t, "names", 2) {
				peer = aws.ApplicationPeer{DomainNames: drawNames(t)}
			}
			if chance(t, "two kinds", odd) {
				peer.DomainNames, peer.PodSelector = drawNames(t), drawSelector(t)
			}
			r.To = append(r.To, peer)
		}
		o.Spec.Egress = append(o.Spec.Egress, r)
	}
	return o
}

// drawNames gives at least one; a list of none is not written at all.
func drawNames(t *rapid.T) []string {
	return several(t, "domain names", 1, 2, func() string {
		if chance(t, "bad name", odd) {
			return pick(t, "bad", badNames)
		}
		return pick(t, "pattern", patterns)
	})
}

// drawPolicyTypes includes none at all, which means what the rules say (P13).
func drawPolicyTypes(t *rapid.T) []networkingv1.PolicyType {
	const in, out = networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	return pick(t, "policy types", [][]networkingv1.PolicyType{
		nil, nil, {in}, {out}, {out}, {in, out}, {in, out}, {"egress"}, {"Sideways"},
	})
}

func drawIngress(t *rapid.T, unknown *[]string) []networkingv1.NetworkPolicyIngressRule {
	var all []networkingv1.NetworkPolicyIngressRule
	for i := range count(t, "ingress rules", 0, 2) {
		r := networkingv1.NetworkPolicyIngressRule{Ports: drawPorts(t, unknown, "spec.ingress[%d]", i)}
		for j := range count(t, "from", 0, 2) {
			drawUnknown(t, unknown, "spec.ingress[%d].from[%d]", i, j)
			r.From = append(r.From, drawPeer(t))
		}
		all = append(all, r)
	}
	return all
}

func drawPeer(t *rapid.T) networkingv1.NetworkPolicyPeer {
	var p networkingv1.NetworkPolicyPeer
	if chance(t, "odd peer", odd) {
		return pick(t, "odd peer", []networkingv1.NetworkPolicyPeer{
			{}, {IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8"}, PodSelector: &metav1.LabelSelector{}},
		})
	}
	switch form := count(t, "peer form", 0, 39); {
	case form < 18:
		p.IPBlock = drawBlock(t)
	case form < 26:
		p.PodSelector = drawSelector(t)
	case form < 33:
		p.NamespaceSelector = drawNamespaceSelector(t)
	default:
		p.PodSelector, p.NamespaceSelector = drawSelector(t), drawNamespaceSelector(t)
	}
	return p
}

func drawBlock(t *rapid.T) *networkingv1.IPBlock {
	b := &networkingv1.IPBlock{CIDR: drawCIDR(t)}
	for range count(t, "holes", 0, 3) {
		b.Except = append(b.Except, drawCIDR(t))
	}
	return b
}

func drawCIDR(t *rapid.T) string {
	if chance(t, "bad cidr", odd) {
		return pick(t, "bad", badCIDRs)
	}
	return pick(t, "cidr", cidrs)
}

func drawPorts(t *rapid.T, unknown *[]string, path string, rule int) []networkingv1.NetworkPolicyPort {
	if chance(t, "all ports", 2) {
		return nil
	}
	var all []networkingv1.NetworkPolicyPort
	for i := range count(t, "ports", 1, 3) {
		drawUnknown(t, unknown, path+".ports[%d]", rule, i)
		all = append(all, drawNetworkPort(t))
	}
	return all
}

// drawNetworkPort gives each form of P9, and some that mean nothing.
func drawNetworkPort(t *rapid.T) networkingv1.NetworkPolicyPort {
	var p networkingv1.NetworkPolicyPort
	if protocol := pick(t, "protocol", []corev1.Protocol{"", "TCP", "UDP", "SCTP"}); protocol != "" {
		p.Protocol = &protocol
	}
	number := func(n int32) *intstr.IntOrString { v := intstr.FromInt32(n); return &v }
	x, y := pick(t, "port", portPool), pick(t, "end", portPool)
	if chance(t, "odd port", odd/2) {
		icmp := corev1.Protocol("ICMP")
		return pick(t, "malformed", []networkingv1.NetworkPolicyPort{{EndPort: &y}, {Port: number(70000)}, {Protocol: &icmp, Port: number(1)}})
	}
	switch form := count(t, "port form", 0, 37); {
	case form < 12:
		p.Port = number(x)
	case form < 26:
		p.Port = number(min(x, y))
		last := max(x, y)
		p.EndPort = &last
	case form < 34:
		name := intstr.FromString(pick(t, "port name", portNames))
		p.Port = &name
	}
	return p
}
