package oracle

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/oracles/cluster"
)

// The flows that a fault can touch.

// isSelf is a pod that talks to itself, at whichever of its addresses. What
// comes in from there is judged as anything else (P19).
func isSelf(c *cluster.Cluster, f cluster.Flow) bool {
	if f.Direction != policy.Egress {
		return false
	}
	p := c.PodAt(f.Peer)
	return p != nil && cluster.PodName(p) == f.Pod
}

func fromOwnNode(c *cluster.Cluster, f cluster.Flow) bool {
	return f.Direction == policy.Ingress && c.IsLocal(c.Pod(f.Pod), f.Peer)
}

// eachSelector visits the selectors of namespaced policies, with the labels
// that they are held against for that flow.
func eachSelector(c *cluster.Cluster, f cluster.Flow, visit func(s *metav1.LabelSelector, set map[string]string)) {
	subject, peer := c.Pod(f.Pod), c.PodAt(f.Peer)
	for _, p := range networkPolicies(c) {
		if p.Namespace != subject.Namespace {
			continue
		}
		visit(&p.Spec.PodSelector, subject.Labels)
		if peer == nil {
			continue
		}
		for _, one := range peersOf(p, f.Direction) {
			if one.PodSelector != nil {
				visit(one.PodSelector, peer.Labels)
			}
			if one.NamespaceSelector != nil {
				visit(one.NamespaceSelector, c.NamespaceLabels(peer.Namespace))
			}
		}
	}
}

func peersOf(p *networkingv1.NetworkPolicy, d policy.Direction) []networkingv1.NetworkPolicyPeer {
	var all []networkingv1.NetworkPolicyPeer
	for _, r := range p.Spec.Ingress {
		if d == policy.Ingress {
			all = slices.Concat(all, r.From)
		}
	}
	for _, r := range p.Spec.Egress {
		if d == policy.Egress {
			all = slices.Concat(all, r.To)
		}
	}
	return all
}

func meetsAbsentNotIn(c *cluster.Cluster, f cluster.Flow) bool {
	met := false
	eachSelector(c, f, func(s *metav1.LabelSelector, set map[string]string) {
		for _, r := range s.MatchExpressions {
			_, has := set[r.Key]
			met = met || r.Operator == metav1.LabelSelectorOpNotIn && !has
		}
	})
	return met
}

func meetsPortZero(c *cluster.Cluster, f cluster.Flow) bool {
	if f.Port != 0 || f.Protocol == "ICMP" {
		return false
	}
	return eachPort(c.Copy(), func(p *networkingv1.NetworkPolicyPort) bool { return isNamed(*p) })
}

func meetsClosedIngress(c *cluster.Cluster, f cluster.Flow) bool {
	if f.Direction != policy.Ingress || c.PodAt(f.Peer) != nil {
		return false
	}
	for i := range c.ClusterPolicies {
		for _, r := range c.ClusterPolicies[i].Spec.Ingress {
			if slices.ContainsFunc(r.From, isUnknownSource) && !isAccept(r.Action) {
				return true
			}
		}
	}
	return false
}

// isOneWay says whether p leaves one direction alone.
func isOneWay(p *networkingv1.NetworkPolicy) bool { return len(p.Spec.PolicyTypes) == 1 }
