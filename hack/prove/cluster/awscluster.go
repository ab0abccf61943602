package cluster

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy/aws"
)

func drawAWS(t *rapid.T, meta metav1.ObjectMeta, unknown *[]string) *aws.ClusterNetworkPolicy {
	o := &aws.ClusterNetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.aws/v1alpha1", Kind: "ClusterNetworkPolicy"}, ObjectMeta: meta,
	}
	o.Spec.Tier, o.Spec.Priority = drawTier(t), int32(count(t, "priority", 0, 2))
	subject := drawSubject(t)
	o.Spec.Subject = aws.ClusterSubject{Namespaces: subject.namespaces, Pods: subject.pods}
	for _, r := range drawClusterRules(t, unknown, kindAWS, "ingress", "from", "ports") {
		rule := aws.ClusterIngressRule{Name: r.name, Action: r.action, Ports: awsPorts(r.ports)}
		for _, p := range r.peers {
			rule.From = append(rule.From, aws.ClusterIngressPeer{Namespaces: p.namespaces, Pods: p.pods})
		}
		o.Spec.Ingress = append(o.Spec.Ingress, rule)
	}
	for _, r := range drawClusterRules(t, unknown, kindAWS, "egress", "to", "ports") {
		rule := aws.ClusterEgressRule{Name: r.name, Action: r.action, Ports: awsPorts(r.ports)}
		for _, p := range r.peers {
			rule.To = append(rule.To, aws.ClusterEgressPeer{
				Namespaces: p.namespaces, Pods: p.pods, Networks: p.networks, DomainNames: p.names,
			})
		}
		o.Spec.Egress = append(o.Spec.Egress, rule)
	}
	return o
}

func awsPorts(all []clusterPort) []aws.ClusterPort {
	var out []aws.ClusterPort
	for _, p := range all {
		switch {
		case p.name != "":
			out = append(out, aws.ClusterPort{NamedPort: &p.name})
		case p.first == p.last:
			out = append(out, aws.ClusterPort{PortNumber: &aws.ClusterPortNumber{Protocol: p.protocol, Port: p.first}})
		default:
			out = append(out, aws.ClusterPort{PortRange: &aws.ClusterPortRange{Protocol: p.protocol, Start: p.first, End: p.last}})
		}
	}
	return out
}
