package cluster

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

// Draw makes a cluster.
func Draw(t *rapid.T) *Cluster {
	c := &Cluster{}
	for _, ns := range namespaces {
		if !chance(t, "no object of the namespace", 8) {
			c.Namespaces = append(c.Namespaces, drawNamespace(t, ns))
		}
	}
	c.Nodes = []*corev1.Node{
		drawNode(t, Here, "192.168.0.1", "fd01::1"),
		drawNode(t, "n2", "192.168.0.2", "fd01::2"),
	}
	if chance(t, "more local addresses", 2) {
		c.Local = addrs("169.254.20.10")
	}
	c.Settings = drawSettings(t)
	for slot := range Slots {
		// The first pod is always there, so that no cluster is idle.
		if slot == 0 || chance(t, "pod", 2) {
			c.Pods = append(c.Pods, c.drawPod(t, slot))
		}
	}
	c.Services = drawServices(t)
	for range count(t, "policies", 2, 9) {
		c.Policies = append(c.Policies, c.drawPolicy(t))
	}
	c.Lessons = c.drawLessons(t)
	return c
}

func drawNamespace(t *rapid.T, name string) *corev1.Namespace {
	n := &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: drawLabels(t)},
	}
	drawMode(t, &n.ObjectMeta)
	return n
}

func drawNode(t *rapid.T, name string, ips ...string) *corev1.Node {
	n := &corev1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: drawLabels(t)},
	}
	if chance(t, "default of the node", 4) {
		n.Annotations = map[string]string{defaultAnnotation: pick(t, "default", []string{"Allow", "Deny"})}
	}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}}
	for i, ip := range ips {
		kind := []corev1.NodeAddressType{corev1.NodeInternalIP, corev1.NodeExternalIP}[i%2]
		if !chance(t, "address unknown", 8) {
			n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: kind, Address: ip})
		}
	}
	return n
}

func drawSettings(t *rapid.T) *corev1.ConfigMap {
	data := map[string]string{}
	if v := pick(t, "default", []string{"", "Allow", "Allow", "Deny"}); v != "" {
		data["default"] = v
	}
	if v := pick(t, "order", []string{"", "DenyFirst", "AsWritten"}); v != "" {
		data["awsRuleOrder"] = v
	}
	if v := pick(t, "cluster DNS", []string{"", "10.0.0.5,169.254.20.10,fd01::2", "203.0.113.7"}); v != "" {
		data["clusterDNS"] = v
	}
	if v := pick(t, "mode", []string{"", "", "", "", audit, enforce}); v != "" {
		data["mode"] = v
	}
	if len(data) == 0 {
		return nil
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: "nameward", Namespace: "kube-system"},
		Data:       data,
	}
}

// drawPod makes a pod that has never been, with a UID of its own (P16, P21).
func (c *Cluster) drawPod(t *rapid.T, slot int) *Pod {
	n := c.born
	c.born++
	o := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("p%d", n), Namespace: pick(t, "namespace", namespaces), Labels: drawLabels(t),
			UID: types.UID(fmt.Sprintf("uid-%d", n)),
		},
	}
	o.Spec.NodeName = Here
	if slot > 0 {
		o.Spec.NodeName = pick(t, "node", []string{Here, Here, "n2"})
		o.Spec.HostNetwork = chance(t, "host network", 10)
		if chance(t, "finished", 10) {
			o.Status.Phase = pick(t, "phase", []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed})
		}
	}
	if o.Spec.NodeName == Here {
		o.Annotations = map[string]string{interfaceAnnotation: Interface(slot)}
	}
	own := slotAddrs(slot)
	if o.Spec.HostNetwork {
		own = addrs("192.168.0.1", "fd01::1")
	}
	for _, a := range own {
		if !chance(t, "without this family", 6) {
			o.Status.PodIPs = append(o.Status.PodIPs, corev1.PodIP{IP: a.String()})
		}
	}
	drawContainers(t, &o.Spec)
	return newPod(o, slot)
}

// Interface is the name of the host-side interface of the pod in that slot.
func Interface(slot int) string { return fmt.Sprintf("pod%d", slot) }

// drawContainers gives names to ports, in all places where P10 counts them and
// in one where it does not.
func drawContainers(t *rapid.T, s *corev1.PodSpec) {
	s.Containers = []corev1.Container{{Name: "main", Ports: drawContainerPorts(t)}}
	if chance(t, "init container", 3) {
		always := corev1.ContainerRestartPolicyAlways
		init := corev1.Container{Name: "init", Ports: drawContainerPorts(t)}
		if chance(t, "restartable", 2) {
			init.RestartPolicy = &always
		}
		s.InitContainers = []corev1.Container{init}
	}
}

func drawContainerPorts(t *rapid.T) []corev1.ContainerPort {
	return several(t, "container ports", 0, 2, func() corev1.ContainerPort {
		return corev1.ContainerPort{
			Name: pick(t, "port name", append(slices.Clone(portNames), "")), ContainerPort: pick(t, "number", portPool),
			Protocol: pick(t, "protocol", []corev1.Protocol{"", "TCP", "UDP", "SCTP"}),
		}
	})
}

func (c *Cluster) drawLessons(t *rapid.T) []Lesson {
	var all []Lesson
	policed := c.Policed()
	if len(policed) == 0 {
		return nil
	}
	for range count(t, "lessons", 0, 8) {
		l := Lesson{
			Pod: pick(t, "pod", policed).Name(), Peer: pick(t, "learnt address", Peers),
			Names:   rapid.SliceOfNDistinct(rapid.SampledFrom(learnt), 1, 3, rapid.ID[string]).Draw(t, "names"),
			Expired: chance(t, "expired", 5),
		}
		if !slices.ContainsFunc(all, func(o Lesson) bool { return o.Pod == l.Pod && o.Peer == l.Peer }) {
			all = append(all, l)
		}
	}
	return all
}
