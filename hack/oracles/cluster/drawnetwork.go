package cluster

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// networkPolicy is one as its author wrote it: what an API server would add
// may be missing.
func (d draw) networkPolicy(i int) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("np%d", i), Namespace: pick(d, namespaces)}}
	if !d.once(2) {
		p.Spec.PodSelector = *d.selector()
	}
	p.Spec.PolicyTypes = pick(d, [][]networkingv1.PolicyType{
		nil, {}, {networkingv1.PolicyTypeIngress}, {networkingv1.PolicyTypeEgress},
		{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, {networkingv1.PolicyTypeEgress, networkingv1.PolicyTypeIngress},
	})
	if d.once(4) {
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{}
	}
	for range d.between(0, 3) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: d.peers(), Ports: d.ports()})
	}
	if d.once(4) {
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{}
	}
	for range d.between(0, 3) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: d.peers(), Ports: d.ports()})
	}
	return p
}

func (d draw) peers() []networkingv1.NetworkPolicyPeer {
	if d.once(5) {
		return pick(d, [][]networkingv1.NetworkPolicyPeer{nil, {}})
	}
	var all []networkingv1.NetworkPolicyPeer
	for range d.between(1, 3) {
		all = append(all, d.peer())
	}
	return all
}

func (d draw) peer() networkingv1.NetworkPolicyPeer {
	switch d.between(0, 4) {
	case 0:
		return networkingv1.NetworkPolicyPeer{PodSelector: d.selector()}
	case 1:
		return networkingv1.NetworkPolicyPeer{NamespaceSelector: d.namespaceSelector()}
	case 2:
		return networkingv1.NetworkPolicyPeer{PodSelector: d.selector(), NamespaceSelector: d.namespaceSelector()}
	}
	return networkingv1.NetworkPolicyPeer{IPBlock: d.block()}
}

// block has holes inside of each other, beside each other and none (P11).
func (d draw) block() *networkingv1.IPBlock {
	outer := pick(d, cidrs)
	b := &networkingv1.IPBlock{CIDR: d.cidr(outer)}
	prefix := netip.MustParsePrefix(outer)
	for range d.between(0, 6) {
		hole := netip.MustParsePrefix(pick(d, cidrs))
		if hole.Bits() > prefix.Bits() && prefix.Contains(hole.Addr()) {
			b.Except = append(b.Except, d.cidr(hole.String()))
		}
	}
	return b
}

// cidr writes one as old objects may hold it: with host bits, and with zeros
// in front of decimal numbers.
func (d draw) cidr(s string) string {
	prefix := netip.MustParsePrefix(s)
	if d.once(8) && !prefix.IsSingleIP() {
		s = fmt.Sprintf("%s/%d", prefix.Addr().Next(), prefix.Bits())
	}
	if d.once(30) && prefix.Addr().Is4() {
		s = "0" + strings.Replace(s, ".0.", ".000.", 1)
	}
	return s
}

func (d draw) ports() []networkingv1.NetworkPolicyPort {
	if d.once(3) {
		return pick(d, [][]networkingv1.NetworkPolicyPort{nil, {}})
	}
	var all []networkingv1.NetworkPolicyPort
	for range d.between(1, 3) {
		all = append(all, d.port())
	}
	return all
}

func (d draw) port() networkingv1.NetworkPolicyPort {
	var p networkingv1.NetworkPolicyPort
	if !d.once(4) {
		protocol := pick(d, protocols)
		p.Protocol = &protocol
	}
	switch d.between(0, 5) {
	case 0:
	case 1, 2:
		name := intstr.FromString(pick(d, portNames))
		p.Port = &name
	case 3:
		first := pick(d, numbers)
		last := min(65535, first+pick(d, []int32{0, 1, 5, 400, 65534}))
		number := intstr.FromInt32(first)
		p.Port, p.EndPort = &number, &last
	default:
		number := intstr.FromInt32(pick(d, numbers))
		p.Port = &number
	}
	return p
}

// containerPorts are all ports of p, also those that do not count.
func containerPorts(p *corev1.Pod) []corev1.ContainerPort {
	var all []corev1.ContainerPort
	for _, c := range p.Spec.InitContainers {
		all = append(all, c.Ports...)
	}
	for _, c := range p.Spec.Containers {
		all = append(all, c.Ports...)
	}
	return all
}
