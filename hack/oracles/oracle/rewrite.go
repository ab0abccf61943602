package oracle

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/hack/oracles/cluster"
)

// The rewritings say the same in words that an oracle understands. They
// change their argument and say whether they did.

// defaultTypes does what an API server does to policies without policyTypes.
func defaultTypes(c *cluster.Cluster) bool {
	return eachSpec(c, func(s *networkingv1.NetworkPolicySpec) bool {
		if len(s.PolicyTypes) > 0 {
			return false
		}
		s.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(s.Egress) > 0 {
			s.PolicyTypes = append(s.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
		return true
	})
}

// eachSpec changes every namespaced policy; the kinds are made one.
func eachSpec(c *cluster.Cluster, change func(*networkingv1.NetworkPolicySpec) bool) bool {
	for i := range c.ApplicationPolicies {
		c.NetworkPolicies = append(c.NetworkPolicies, *cluster.Plain(&c.ApplicationPolicies[i]))
	}
	c.ApplicationPolicies = nil
	changed := false
	for i := range c.NetworkPolicies {
		changed = change(&c.NetworkPolicies[i].Spec) || changed
	}
	return changed
}

// eachPort changes every port of every namespaced policy.
func eachPort(c *cluster.Cluster, change func(*networkingv1.NetworkPolicyPort) bool) bool {
	return eachSpec(c, func(s *networkingv1.NetworkPolicySpec) bool {
		changed := false
		for i := range s.Ingress {
			for j := range s.Ingress[i].Ports {
				changed = change(&s.Ingress[i].Ports[j]) || changed
			}
		}
		for i := range s.Egress {
			for j := range s.Egress[i].Ports {
				changed = change(&s.Egress[i].Ports[j]) || changed
			}
		}
		return changed
	})
}

// eachPeer changes every peer of every namespaced policy.
func eachPeer(c *cluster.Cluster, change func(*networkingv1.NetworkPolicyPeer) bool) bool {
	return eachSpec(c, func(s *networkingv1.NetworkPolicySpec) bool {
		changed := false
		for i := range s.Ingress {
			for j := range s.Ingress[i].From {
				changed = change(&s.Ingress[i].From[j]) || changed
			}
		}
		for i := range s.Egress {
			for j := range s.Egress[i].To {
				changed = change(&s.Egress[i].To[j]) || changed
			}
		}
		return changed
	})
}

// spellCIDRs writes every CIDR as a new object has to.
func spellCIDRs(c *cluster.Cluster) bool {
	return eachPeer(c, func(p *networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock == nil {
			return false
		}
		changed := spell(&p.IPBlock.CIDR)
		for i := range p.IPBlock.Except {
			changed = spell(&p.IPBlock.Except[i]) || changed
		}
		return changed
	})
}

func spell(s *string) bool {
	if _, err := netip.ParsePrefix(*s); err == nil {
		return false
	}
	prefix, err := convert.CIDR(*s)
	if err != nil {
		return false
	}
	*s = prefix.String()
	return true
}

// splitNamed takes named ports off ipBlock peers of egress rules, which get a
// rule of their own.
func splitNamed(c *cluster.Cluster) bool {
	return eachSpec(c, func(s *networkingv1.NetworkPolicySpec) bool {
		changed := false
		var rules []networkingv1.NetworkPolicyEgressRule
		for _, r := range s.Egress {
			blocks, pods := partition(r.To, func(p networkingv1.NetworkPolicyPeer) bool { return p.IPBlock != nil })
			named, numbered := partition(r.Ports, isNamed)
			if len(blocks) == 0 || len(named) == 0 {
				rules = append(rules, r)
				continue
			}
			changed = true
			if len(pods) > 0 {
				rules = append(rules, networkingv1.NetworkPolicyEgressRule{To: pods, Ports: r.Ports})
			}
			if len(numbered) > 0 {
				rules = append(rules, networkingv1.NetworkPolicyEgressRule{To: blocks, Ports: numbered})
			}
		}
		s.Egress = rules
		return changed
	})
}

func isNamed(p networkingv1.NetworkPolicyPort) bool { return p.Port != nil && p.Port.StrVal != "" }

func partition[T any](all []T, is func(T) bool) (those, others []T) {
	for _, one := range all {
		if is(one) {
			those = append(those, one)
		} else {
			others = append(others, one)
		}
	}
	return those, others
}

// keepSidecars makes containers of the init containers that stay.
func keepSidecars(c *cluster.Cluster) bool {
	changed := false
	for i := range c.Pods {
		s := &c.Pods[i].Spec
		stay, _ := partition(s.InitContainers, func(c corev1.Container) bool { return cluster.Sidecar(&c) })
		s.Containers = append(s.Containers, stay...)
		s.InitContainers = nil
		changed = changed || len(stay) > 0
	}
	return changed
}

// fillProtocol does what an API server does.
func fillProtocol(c *cluster.Cluster) bool {
	return eachPort(c, func(p *networkingv1.NetworkPolicyPort) bool {
		if p.Protocol != nil {
			return false
		}
		tcp := corev1.ProtocolTCP
		p.Protocol = &tcp
		return true
	})
}

// dropEmptyRules does what the way through an API server does.
func dropEmptyRules(c *cluster.Cluster) bool {
	return eachSpec(c, func(s *networkingv1.NetworkPolicySpec) bool {
		changed := false
		if s.Ingress != nil && len(s.Ingress) == 0 {
			s.Ingress, changed = nil, true
		}
		if s.Egress != nil && len(s.Egress) == 0 {
			s.Egress, changed = nil, true
		}
		return changed
	})
}

// spellEmptyValues says In [""] instead.
func spellEmptyValues(c *cluster.Cluster) bool {
	one := func(s *metav1.LabelSelector) bool {
		changed := false
		for key, value := range s.MatchLabels {
			if value == "" {
				delete(s.MatchLabels, key)
				s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{
					Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{""},
				})
				changed = true
			}
		}
		return changed
	}
	peers := eachPeer(c, func(p *networkingv1.NetworkPolicyPeer) bool {
		changed := false
		for _, s := range []*metav1.LabelSelector{p.PodSelector, p.NamespaceSelector} {
			changed = s != nil && one(s) || changed
		}
		return changed
	})
	return eachSpec(c, func(s *networkingv1.NetworkPolicySpec) bool { return one(&s.PodSelector) }) || peers
}
