package cluster

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/aws"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

const (
	interfaceAnnotation = "nameward.io/interface"
	defaultAnnotation   = "nameward.io/default"
)

// Policy is one object of any of the policy sources.
type Policy struct {
	Object metav1.Object
	// Unknown are paths of fields that a newer API may have (P15); the object
	// has them only in its text.
	Unknown []string
	model   *policy.Policy
	onTrial *policy.Policy
}

func newPolicy(o metav1.Object, unknown []string) *Policy {
	var p policy.Policy
	switch o := o.(type) {
	case *networkingv1.NetworkPolicy:
		p, _ = convert.NetworkPolicy(o, unknown...)
	case *aws.ApplicationNetworkPolicy:
		p, _ = convert.ApplicationNetworkPolicy(o, unknown...)
	case *aws.ClusterNetworkPolicy:
		p, _ = convert.AWSClusterNetworkPolicy(o, unknown...)
	case *policyv1alpha2.ClusterNetworkPolicy:
		p, _ = convert.ClusterNetworkPolicy(o, unknown...)
	}
	convert.Annotations(&metav1.ObjectMeta{Annotations: o.GetAnnotations()}, &p)
	onTrial := p
	onTrial.Audit = true
	return &Policy{o, unknown, &p, &onTrial}
}

func newPod(o *corev1.Pod, slot int) *Pod {
	m := &policy.Pod{
		Ref:         policy.PodRef{Namespace: o.Namespace, Name: o.Name, UID: string(o.UID)},
		Labels:      labels.Set(o.Labels),
		Node:        o.Spec.NodeName,
		HostNetwork: o.Spec.HostNetwork,
		Finished:    o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed,
		Interface:   o.Annotations[interfaceAnnotation],
	}
	for _, ip := range o.Status.PodIPs {
		m.Addresses = append(m.Addresses, netip.MustParseAddr(ip.IP))
	}
	for _, c := range o.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			m.Ports = append(m.Ports, namedPorts(c)...)
		}
	}
	for _, c := range o.Spec.Containers {
		m.Ports = append(m.Ports, namedPorts(c)...)
	}
	return &Pod{o, slot, m}
}

var protocols = map[corev1.Protocol]uint8{"": 6, corev1.ProtocolTCP: 6, corev1.ProtocolUDP: 17, corev1.ProtocolSCTP: 132}

func namedPorts(c corev1.Container) []policy.NamedPort {
	var all []policy.NamedPort
	for _, p := range c.Ports {
		if p.Name != "" {
			all = append(all, policy.NamedPort{Name: p.Name, Protocol: protocols[p.Protocol], Number: uint16(p.ContainerPort)})
		}
	}
	return all
}

func convertNode(n *corev1.Node) policy.Node {
	node := policy.Node{Name: n.Name, Labels: labels.Set(n.Labels)}
	for _, a := range n.Status.Addresses {
		if addr, err := netip.ParseAddr(a.Address); err == nil && !slices.Contains(node.Addresses, addr) {
			node.Addresses = append(node.Addresses, addr)
		}
	}
	return node
}

func (c *Cluster) convertSettings(w *policy.World) {
	verdicts := map[string]policy.Verdict{"Allow": policy.Allow, "Deny": policy.Deny}
	if c.Settings != nil {
		if text, set := c.Settings.Data["default"]; set {
			w.Default = verdicts[text]
		}
		if c.Settings.Data["awsRuleOrder"] == "AsWritten" {
			w.AWSRuleOrder = policy.AsWritten
		}
		if text := c.Settings.Data["clusterDNS"]; text != "" {
			for a := range strings.SplitSeq(text, ",") {
				w.ClusterDNS = append(w.ClusterDNS, netip.MustParseAddr(a))
			}
		}
	}
	for _, n := range c.Nodes {
		if text, set := n.Annotations[defaultAnnotation]; set && n.Name == Here {
			w.Default = verdicts[text]
		}
	}
}
