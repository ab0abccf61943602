package convert

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
)

// DefaultKey is the label of a Node, or in a folder its annotation, that sets
// the node's default (P7).
const DefaultKey = AnnotationPrefix + "default"

// Pod reads a pod, with which it shares the labels. What has a fault is left
// out.
func Pod(p *corev1.Pod) (policy.Pod, []Fault) {
	var told faults
	return policy.Pod{
		Ref:         policy.PodRef{Namespace: p.Namespace, Name: p.Name, UID: string(p.UID)},
		Labels:      labels.Set(p.Labels),
		Node:        p.Spec.NodeName,
		HostNetwork: p.Spec.HostNetwork,
		Finished:    p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
		Addresses:   podAddresses(&p.Status, &told),
		Ports:       podPorts(&p.Spec, &told),
	}, told
}

func podAddresses(s *corev1.PodStatus, told *faults) []netip.Addr {
	var all []netip.Addr
	add := func(text string, field func() string) {
		addr, err := Address(text)
		switch {
		case err != nil:
			told.tell(field(), "%s", err)
		case !slices.Contains(all, addr):
			all = append(all, addr)
		}
	}
	for i, ip := range s.PodIPs {
		add(ip.IP, func() string { return fmt.Sprintf("status.podIPs[%d].ip", i) })
	}
	if s.PodIP != "" {
		add(s.PodIP, func() string { return "status.podIP" })
	}
	return all
}

// podPorts are the named ports of containers that run as long as the pod
// does: restartable init containers as well (P10).
func podPorts(s *corev1.PodSpec, told *faults) []policy.NamedPort {
	var all []policy.NamedPort
	take := func(field string, containers []corev1.Container) {
		for i, c := range containers {
			sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
			if field == "spec.initContainers" && !sidecar {
				continue
			}
			for j, port := range c.Ports {
				named, err := containerPort(port)
				if err != nil {
					told.tell(fmt.Sprintf("%s[%d].ports[%d]", field, i, j), "%s", err)
				} else if named.Name != "" {
					all = append(all, named)
				}
			}
		}
	}
	take("spec.initContainers", s.InitContainers)
	take("spec.containers", s.Containers)
	return all
}

func containerPort(p corev1.ContainerPort) (policy.NamedPort, error) {
	protocol, err := Protocol(p.Protocol)
	switch {
	case err != nil:
		return policy.NamedPort{}, err
	case p.ContainerPort < 1 || p.ContainerPort > 65535:
		return policy.NamedPort{}, fmt.Errorf("containerPort %d does not exist; write 1 to 65535", p.ContainerPort)
	}
	return policy.NamedPort{Name: p.Name, Protocol: protocol, Number: uint16(p.ContainerPort)}, nil
}

// Node reads every address of a Node object (P14), with which it shares the
// labels. Names among the addresses are none.
func Node(n *corev1.Node) (policy.Node, []Fault) {
	var told faults
	node := policy.Node{Name: n.Name, Labels: labels.Set(n.Labels)}
	for i, a := range n.Status.Addresses {
		addr, err := Address(a.Address)
		isIP := a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP
		switch {
		case err != nil && isIP:
			told.tell(fmt.Sprintf("status.addresses[%d].address", i), "%s", err)
		case err == nil && !slices.Contains(node.Addresses, addr):
			node.Addresses = append(node.Addresses, addr)
		}
	}
	return node, told
}
