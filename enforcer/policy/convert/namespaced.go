package convert

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/aws"
)

const knownNetworkPorts = "protocol, port, endPort"

// NetworkPolicy converts a NetworkPolicy, which it does not change. The paths
// in unclear are those of what its text had and its Go type cannot tell: fields
// that the type has not, items of lists that are null, ports beyond 32 bits,
// and selectors that are missing where the API demands them. Rules, peers and
// ports that are or hold one are malformed (P15). Every problem is part of the
// policy as well, as the reason of what is malformed.
func NetworkPolicy(o *networkingv1.NetworkPolicy, unclear ...string) (policy.Policy, []policy.Problem) {
	n := namespaced{report: report{unclear: unclear, ref: policy.PolicyRef{
		Group: networkingv1.GroupName, Kind: "NetworkPolicy", Namespace: o.Namespace, Name: o.Name,
	}}, known: "podSelector, namespaceSelector, ipBlock"}
	ingress := n.ingress(o.Spec.Ingress)
	var egress []policy.Rule
	for i, rule := range o.Spec.Egress {
		peers := make([]aws.ApplicationPeer, len(rule.To))
		for j, peer := range rule.To {
			peers[j] = widen(peer)
		}
		egress = append(egress, n.rule(fmt.Sprintf("spec.egress[%d]", i), "to", peers, rule.Ports))
	}
	return n.policy(&o.Spec.PodSelector, o.Spec.PolicyTypes, ingress, egress), n.problems
}

// ApplicationNetworkPolicy converts an ApplicationNetworkPolicy; see
// NetworkPolicy.
func ApplicationNetworkPolicy(o *aws.ApplicationNetworkPolicy, unclear ...string) (policy.Policy, []policy.Problem) {
	n := namespaced{report: report{unclear: unclear, ref: policy.PolicyRef{
		Group: aws.Group, Kind: aws.ApplicationNetworkPolicyKind, Namespace: o.Namespace, Name: o.Name,
	}}, known: "podSelector, namespaceSelector, ipBlock, and in egress domainNames"}
	ingress := n.ingress(o.Spec.Ingress)
	var egress []policy.Rule
	for i, rule := range o.Spec.Egress {
		egress = append(egress, n.rule(fmt.Sprintf("spec.egress[%d]", i), "to", rule.To, rule.Ports))
	}
	return n.policy(&o.Spec.PodSelector, o.Spec.PolicyTypes, ingress, egress), n.problems
}

// namespaced converts what both namespaced kinds have in common.
type namespaced struct {
	report
	// known are the fields of a peer, as told to people.
	known string
}

func widen(p networkingv1.NetworkPolicyPeer) aws.ApplicationPeer {
	return aws.ApplicationPeer{PodSelector: p.PodSelector, NamespaceSelector: p.NamespaceSelector, IPBlock: p.IPBlock}
}

func (n *namespaced) ingress(rules []networkingv1.NetworkPolicyIngressRule) []policy.Rule {
	var out []policy.Rule
	for i, rule := range rules {
		peers := make([]aws.ApplicationPeer, len(rule.From))
		for j, peer := range rule.From {
			peers[j] = widen(peer)
		}
		out = append(out, n.rule(fmt.Sprintf("spec.ingress[%d]", i), "from", peers, rule.Ports))
	}
	return out
}

func (n *namespaced) rule(field, peersField string, peers []aws.ApplicationPeer, all []networkingv1.NetworkPolicyPort) policy.Rule {
	if rule, null := n.nullRule(field, policy.ActionAccept); null {
		return rule
	}
	rule := policy.Rule{
		Action:   policy.ActionAccept,
		AllPeers: len(peers) == 0,
		AllPorts: len(all) == 0,
		Ports:    ports(&n.report, field+".ports", knownNetworkPorts, all, networkPort),
	}
	for i := range peers {
		at := fmt.Sprintf("%s.%s[%d]", field, peersField, i)
		rule.Peers = append(rule.Peers, n.peer(at, &peers[i], rule.Ports)...)
	}
	return rule
}

func (n *namespaced) peer(field string, p *aws.ApplicationPeer, ports []policy.Port) []policy.Peerage {
	one := func(p policy.Peerage) []policy.Peerage { return []policy.Peerage{p} }
	if where, reason := n.unclearIn(field, n.known); reason != "" {
		return one(n.malformedPeer(where, reason))
	}
	selectors := p.PodSelector != nil || p.NamespaceSelector != nil
	switch countTrue(selectors, p.IPBlock != nil, p.DomainNames != nil) {
	case 0:
		return one(n.malformedPeer(field, "no peer that this version knows; write one of "+n.known))
	case 1:
	default:
		return one(n.malformedPeer(field, "selectors, ipBlock and domainNames exclude each other; write an item for each"))
	}
	switch {
	case p.IPBlock != nil:
		n.tellUnnamed(field+".ipBlock", ports)
		return one(n.blockPeer(field+".ipBlock", p.IPBlock))
	case !selectors && len(p.DomainNames) == 0:
		return one(n.malformedPeer(field+".domainNames", "no domain names; write at least one"))
	case !selectors:
		n.tellUnnamed(field+".domainNames", ports)
		return n.namePeers(field+".domainNames", p.DomainNames, policy.ActionAccept)
	}
	return one(n.selected(field, p))
}

// selected is pods of the policy's own namespace unless namespaces are
// selected too (P12).
func (n *namespaced) selected(field string, p *aws.ApplicationPeer) policy.Peerage {
	namespace := ""
	if p.NamespaceSelector == nil {
		namespace = n.ref.Namespace
	}
	return n.podPeer(field, namespace, pair{
		namespaces: p.NamespaceSelector, namespacesField: "namespaceSelector",
		pods: p.PodSelector, podsField: "podSelector",
	})
}

func (n *namespaced) policy(subject *metav1.LabelSelector, types []networkingv1.PolicyType, ingress, egress []policy.Rule) policy.Policy {
	p := policy.Policy{Ref: n.ref, Tier: policy.TierNetworkPolicy}
	isolatesIngress, isolatesEgress := n.directions(types, len(egress) > 0)
	if isolatesIngress {
		p.Ingress = &policy.Section{Rules: ingress}
	}
	if isolatesEgress {
		p.Egress = &policy.Section{Rules: egress}
	}
	pods, err := selector(subject)
	p.Subject = policy.PodSelector{Namespace: n.ref.Namespace, Pods: pods}
	if err != nil {
		n.tell("spec.podSelector", err.Error()+"; until this is right, the policy isolates every pod of its namespace and allows nothing")
		harden(&p, "the policy's podSelector is not understood")
	}
	return p
}

// directions says what the policy isolates (P13). A type that nobody knows
// isolates both ways, because the author wanted some isolation.
func (n *namespaced) directions(types []networkingv1.PolicyType, hasEgress bool) (ingress, egress bool) {
	if len(types) == 0 {
		return true, hasEgress
	}
	for i, t := range types {
		field := fmt.Sprintf("spec.policyTypes[%d]", i)
		switch {
		case t == networkingv1.PolicyTypeIngress:
			ingress = true
		case t == networkingv1.PolicyTypeEgress:
			egress = true
		case strings.EqualFold(string(t), string(networkingv1.PolicyTypeIngress)):
			n.tell(field, fmt.Sprintf("%q is taken as Ingress; write it so", string(t)))
			ingress = true
		case strings.EqualFold(string(t), string(networkingv1.PolicyTypeEgress)):
			n.tell(field, fmt.Sprintf("%q is taken as Egress; write it so", string(t)))
			egress = true
		default:
			n.tell(field, fmt.Sprintf("policy type %q is unknown, so both directions are isolated; write Ingress or Egress", string(t)))
			ingress, egress = true, true
		}
	}
	return ingress, egress
}

func countTrue(all ...bool) int {
	n := 0
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}
