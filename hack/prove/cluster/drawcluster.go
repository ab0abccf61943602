package cluster

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/policy/aws"
)

// clusterRule is a rule of either ClusterNetworkPolicy.
type clusterRule struct {
	name, action string
	peers        []clusterPeer
	ports        []clusterPort
}

type clusterPeer struct {
	namespaces, nodes *metav1.LabelSelector
	pods              *aws.NamespacedPod
	networks, names   []string
}

type clusterPort struct {
	protocol    string
	first, last int32
	name        string
	// every is all ports of the protocol, which only upstream can say.
	every bool
}

func drawTier(t *rapid.T) string {
	if chance(t, "odd tier", odd) {
		return "Middle"
	}
	return pick(t, "tier", []string{"Admin", "Admin", "Baseline"})
}

func drawSubject(t *rapid.T) clusterPeer {
	switch form := count(t, "subject form", 0, 38); {
	case chance(t, "odd subject", odd):
		return pick(t, "malformed", []clusterPeer{{}, {namespaces: &metav1.LabelSelector{}, pods: &aws.NamespacedPod{}}})
	case form < 18:
		return clusterPeer{namespaces: drawNamespaceSelector(t)}
	}
	return clusterPeer{pods: drawPods(t)}
}

func drawPods(t *rapid.T) *aws.NamespacedPod {
	p := &aws.NamespacedPod{PodSelector: *drawSelector(t)}
	if chance(t, "of some namespaces", 2) {
		p.NamespaceSelector = *drawNamespaceSelector(t)
	}
	return p
}

func drawClusterRules(t *rapid.T, unknown *[]string, kind kind, direction, peers, ports string) []clusterRule {
	var all []clusterRule
	for i := range count(t, direction+" rules", 0, 3) {
		r := clusterRule{name: pick(t, "rule name", []string{"", "", "named"}), action: drawAction(t)}
		for j := range count(t, "peers", 1, 3) {
			drawUnknown(t, unknown, "spec.%s[%d].%s[%d]", direction, i, peers, j)
			r.peers = append(r.peers, drawClusterPeer(t, kind, direction == "egress", r.action))
		}
		if chance(t, "no peers", odd) {
			r.peers = nil
		}
		if !chance(t, "all ports", 2) {
			for j := range count(t, "ports", 1, 3) {
				drawUnknown(t, unknown, "spec.%s[%d].%s[%d]", direction, i, ports, j)
				r.ports = append(r.ports, drawClusterPort(t, kind))
			}
		}
		all = append(all, r)
	}
	return all
}

func drawAction(t *rapid.T) string {
	if chance(t, "odd action", odd) {
		return "Allow"
	}
	return pick(t, "action", []string{"Accept", "Deny", "Pass"})
}

func drawClusterPeer(t *rapid.T, k kind, egress bool, action string) clusterPeer {
	most := 18
	if egress {
		most = 40
	}
	switch form := count(t, "peer form", 0, most); {
	case chance(t, "odd peer", odd):
		return pick(t, "odd peer", []clusterPeer{{}, {namespaces: &metav1.LabelSelector{}, pods: &aws.NamespacedPod{}}})
	case form < 8:
		return clusterPeer{namespaces: drawNamespaceSelector(t)}
	case form < 19:
		return clusterPeer{pods: drawPods(t)}
	case form < 24 && k == kindUpstream:
		return clusterPeer{nodes: drawSelector(t)}
	case form < 34 && (action == "Accept" || chance(t, "names all the same", 10)):
		return clusterPeer{names: drawNames(t)}
	}
	return clusterPeer{networks: several(t, "networks", 1, 3, func() string { return drawCIDR(t) })}
}

func drawClusterPort(t *rapid.T, k kind) clusterPort {
	x, y := pick(t, "port", portPool), pick(t, "end", portPool)
	p := clusterPort{protocol: pick(t, "protocol", []string{"TCP", "UDP", "SCTP"})}
	switch form := count(t, "port form", 0, 30); {
	case form < 10:
		p.first, p.last = x, x
	case form < 20:
		p.first, p.last = min(x, y), max(x, y)
	case form < 26:
		p.name = pick(t, "port name", portNames)
	case chance(t, "odd port", odd/4):
		p.first, p.last = 70000, 2
	case k == kindUpstream:
		p.every = true
	default:
		p.first, p.last = 1, 65535
	}
	return p
}

func withPriority(o metav1.Object, priority int32) metav1.Object {
	switch o := o.(type) {
	case *aws.ClusterNetworkPolicy:
		other := *o
		other.Spec.Priority = priority
		return &other
	case *policyv1alpha2.ClusterNetworkPolicy:
		other := *o
		other.Spec.Priority = priority
		return &other
	}
	return o
}
