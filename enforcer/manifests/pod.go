package manifests

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

const (
	interfaceAnnotation = convert.AnnotationPrefix + "interface"
	defaultAnnotation   = convert.AnnotationPrefix + "default"
)

// podPlace is a pod and where it is written.
type podPlace struct {
	pod *policy.Pod
	o   *object
}

func (r *reading) pod(file string, o *object) {
	p, ok := decodeOrFault[corev1.Pod](r, o, true)
	if !ok {
		return
	}
	pod := policy.Pod{
		Ref:         policy.PodRef{Namespace: p.Namespace, Name: p.Name, UID: podUID(file, p)},
		Labels:      labels.Set(p.Labels),
		Node:        p.Spec.NodeName,
		HostNetwork: p.Spec.HostNetwork,
		Finished:    p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
		Interface:   p.Annotations[interfaceAnnotation],
	}
	r.annotations(o, p.Annotations, interfaceAnnotation)
	if reason := interfaceFault(pod.Interface); reason != "" {
		r.fault(o.fault("metadata.annotations."+interfaceAnnotation, "%s", reason))
	}
	pod.Addresses = r.podAddresses(o, &p.Status)
	pod.Ports = r.podPorts(o, &p.Spec)
	r.pods = append(r.pods, podPlace{&pod, o})
}

// podUID makes up the UID of a pod that has none. It is stable, so that the
// pod keeps its state; a pod that takes the place of another needs a UID of
// its own (P16, P21).
func podUID(file string, p *corev1.Pod) string {
	if p.UID != "" {
		return string(p.UID)
	}
	return fmt.Sprintf("manifest:%s:%s/%s", file, p.Namespace, p.Name)
}

// annotations tells of a misspelt annotation of ours.
func (r *reading) annotations(o *object, all map[string]string, known string) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(key, convert.AnnotationPrefix) && key != known {
			r.fault(o.fault("metadata.annotations."+key, "unknown annotation; a %s may have %s", o.Kind.Kind, known))
		}
	}
}

// interfaceFault follows dev_valid_name of the kernel.
func interfaceFault(name string) string {
	switch {
	case name == "":
		return ""
	case len(name) > 15:
		return fmt.Sprintf("%q has %d characters; an interface name has at most 15", name, len(name))
	case name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\v\f\r\x00"):
		return fmt.Sprintf("%q is not an interface name; write one such as veth1", name)
	}
	return ""
}

func (r *reading) podAddresses(o *object, s *corev1.PodStatus) []netip.Addr {
	var all []netip.Addr
	add := func(field, text string) {
		addr, err := convert.Address(text)
		switch {
		case err != nil:
			r.fault(o.fault(field, "%s", err))
		case !slices.Contains(all, addr):
			all = append(all, addr)
		}
	}
	for i, ip := range s.PodIPs {
		add(fmt.Sprintf("status.podIPs[%d].ip", i), ip.IP)
	}
	if s.PodIP != "" {
		add("status.podIP", s.PodIP)
	}
	return all
}

// podPorts are the named ports of containers that run as long as the pod
// does: restartable init containers as well (P10).
func (r *reading) podPorts(o *object, s *corev1.PodSpec) []policy.NamedPort {
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
					r.fault(o.fault(fmt.Sprintf("%s[%d].ports[%d]", field, i, j), "%s", err))
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
	protocol, err := convert.Protocol(p.Protocol)
	switch {
	case err != nil:
		return policy.NamedPort{}, err
	case p.ContainerPort < 1 || p.ContainerPort > 65535:
		return policy.NamedPort{}, fmt.Errorf("containerPort %d does not exist; write 1 to 65535", p.ContainerPort)
	}
	return policy.NamedPort{Name: p.Name, Protocol: protocol, Number: uint16(p.ContainerPort)}, nil
}

// checkPods refuses pods that cannot be told apart, then takes them all.
func (r *reading) checkPods() {
	uids, addresses, interfaces := map[string]podPlace{}, map[netip.Addr]podPlace{}, map[[2]string]podPlace{}
	for _, p := range r.pods {
		clash(r, uids, p.pod.Ref.UID, p, "metadata.uid", "uid "+p.pod.Ref.UID)
		r.snapshot.Pods = append(r.snapshot.Pods, p.pod)
		if p.pod.Finished || p.pod.HostNetwork {
			continue
		}
		for _, addr := range p.pod.Addresses {
			clash(r, addresses, addr, p, "status", "address "+addr.String())
		}
		if name := p.pod.Interface; name != "" {
			clash(r, interfaces, [2]string{p.pod.Node, name}, p, "metadata.annotations."+interfaceAnnotation, "interface "+name)
			r.snapshot.Interfaces[p.pod.Ref.UID] = name
		}
	}
}

func clash[K comparable](r *reading, taken map[K]podPlace, key K, p podPlace, field, what string) {
	if first, ok := taken[key]; ok {
		r.fault(p.o.fault(field, "pod %s/%s at %s has %s as well; each pod needs its own",
			first.pod.Ref.Namespace, first.pod.Ref.Name, first.o.place(), what))
		return
	}
	taken[key] = p
}
