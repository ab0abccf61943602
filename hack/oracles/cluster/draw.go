package cluster

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kinds says which policies to draw.
type Kinds struct {
	Namespaced, Cluster bool
}

// Draw makes a cluster out of chance alone: the same source, the same cluster.
func Draw(random *rand.Rand, kinds Kinds) *Cluster {
	d := draw{random}
	c := &Cluster{Resolved: map[string][]string{}}
	for _, name := range namespaces {
		set := d.labels()
		set[corev1.LabelMetadataName] = name
		c.Namespaces = append(c.Namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: set}})
	}
	for i := range 2 {
		c.Nodes = append(c.Nodes, d.node(i+1))
	}
	for i := range d.between(2, 7) {
		c.Pods = append(c.Pods, d.pod(i))
	}
	if d.once(4) {
		d.reuse(c)
	}
	if kinds.Namespaced {
		for i := range d.between(1, 8) {
			if p := d.networkPolicy(i); d.once(4) {
				c.ApplicationPolicies = append(c.ApplicationPolicies, application(p))
			} else {
				c.NetworkPolicies = append(c.NetworkPolicies, *p)
			}
		}
	}
	if kinds.Cluster {
		c.AWS = d.once(4)
		for _, name := range names {
			for range d.between(0, 2) {
				c.Resolved[name] = append(c.Resolved[name], pick(d, outside))
			}
		}
		for i := range d.between(1, 6) {
			c.ClusterPolicies = append(c.ClusterPolicies, d.clusterPolicy(i, c.AWS))
		}
	}
	return c
}

// The pools are small, so that what is drawn meets.
var (
	namespaces = []string{"a", "b", "c"}
	names      = []string{"api.example.com", "example.com", "x.y.example.com", "a.test", "other.org"}
	patterns   = []string{"*.example.com", "example.com", "api.example.com", "API.Example.com.", "a.test", "*.y.example.com"}
	portNames  = []string{"web", "dns", "alt"}
	numbers    = []int32{1, 53, 79, 80, 81, 443, 8080, 8081, 65535}
	protocols  = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
	outside    = []string{
		"192.0.2.1", "203.0.113.7", "203.0.113.200", "8.8.8.8", "10.0.9.9", "10.0.0.200", "255.255.255.255", "127.0.0.1",
		"2001:db8::1", "2001:db8:1::1", "2001:db8::ffff", "fd00::1:1", "::1", "2606:4700::1",
	}
	cidrs = []string{
		"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.0.0/29", "10.0.0.4/30", "10.0.0.1/32", "10.0.0.2/32",
		"10.0.0.3/32", "192.168.0.0/24", "192.168.0.1/32", "192.0.2.0/24", "203.0.113.0/24", "203.0.113.128/25", "128.0.0.0/1",
		"::/0", "fd00::/8", "fd00::/64", "fd00::/125", "fd00::4/126", "fd00::1/128", "fd00::2/128", "fd01::/64",
		"2001:db8::/32", "2001:db8::/48", "2001:db8::ff00/120", "8000::/1",
	}
)

// draw is the names of chance.
type draw struct{ random *rand.Rand }

func pick[T any](d draw, from []T) T { return from[d.random.IntN(len(from))] }

// between is both ends included.
func (d draw) between(least, most int) int { return least + d.random.IntN(most-least+1) }

// once is true once in n.
func (d draw) once(n int) bool { return d.random.IntN(n) == 0 }

func (d draw) labels() map[string]string {
	set := map[string]string{}
	for _, key := range []string{"app", "tier"} {
		if value := pick(d, []string{"-", "", "x", "y", "z"}); value != "-" {
			set[key] = value
		}
	}
	return set
}

func (d draw) selector() *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	if d.once(4) {
		return s
	}
	if !d.once(3) {
		s.MatchLabels = map[string]string{pick(d, []string{"app", "tier"}): pick(d, []string{"", "x", "y"})}
	}
	for range d.between(0, 2) {
		s.MatchExpressions = append(s.MatchExpressions, d.requirement())
	}
	return s
}

func (d draw) requirement() metav1.LabelSelectorRequirement {
	r := metav1.LabelSelectorRequirement{
		Key: pick(d, []string{"app", "tier", "nobody"}),
		Operator: pick(d, []metav1.LabelSelectorOperator{
			metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist,
		}),
	}
	if r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn {
		r.Values = []string{pick(d, []string{"", "x", "y", "z"})}
		if d.once(2) {
			r.Values = append(r.Values, pick(d, []string{"", "x", "y"}))
		}
	}
	return r
}

// namespaceSelector also selects by name.
func (d draw) namespaceSelector() *metav1.LabelSelector {
	if d.once(4) {
		return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: pick(d, namespaces)}}
	}
	return d.selector()
}

func (d draw) node(n int) corev1.Node {
	node := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", n), Labels: d.labels()}}
	node.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("192.168.0.%d", n)},
		{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("fd01::%d", n)},
		{Type: corev1.NodeHostName, Address: node.Name},
	}
	if d.once(2) {
		node.Status.Addresses = append(node.Status.Addresses,
			corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: fmt.Sprintf("203.0.113.%d", n)})
	}
	if d.once(6) {
		node.Status.Addresses = append(node.Status.Addresses,
			corev1.NodeAddress{Type: corev1.NodeInternalDNS, Address: fmt.Sprintf("192.168.1.%d", n)})
	}
	return node
}

// pod has addresses of its own, of one or both families (P20).
func (d draw) pod(i int) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i), Namespace: pick(d, namespaces), Labels: d.labels()}}
	p.Spec.NodeName = pick(d, []string{"n1", "n2"})
	p.Status.Phase = corev1.PodRunning
	v4, v6 := corev1.PodIP{IP: fmt.Sprintf("10.0.0.%d", i+1)}, corev1.PodIP{IP: fmt.Sprintf("fd00::%d", i+1)}
	p.Status.PodIPs = pick(d, [][]corev1.PodIP{{v4, v6}, {v6, v4}, {v4, v6}, {v4}, {v6}})
	switch {
	case d.once(15):
		p.Spec.HostNetwork = true
		p.Status.PodIPs = []corev1.PodIP{{IP: "192.168.0." + p.Spec.NodeName[1:]}}
	case i > 0 && d.once(15):
		p.Status.Phase = pick(d, []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed})
	}
	for i := range d.between(1, 2) {
		p.Spec.Containers = append(p.Spec.Containers, d.container(fmt.Sprintf("c%d", i)))
	}
	if d.once(4) {
		c := d.container("init")
		if d.once(2) {
			always := corev1.ContainerRestartPolicyAlways
			c.RestartPolicy = &always
		}
		p.Spec.InitContainers = []corev1.Container{c}
	}
	return p
}

// container names each of its ports once, as an API server demands; another
// container of the pod may use the name again.
func (d draw) container(name string) corev1.Container {
	c := corev1.Container{Name: name}
	for _, port := range portNames {
		if d.once(2) {
			c.Ports = append(c.Ports, corev1.ContainerPort{Name: port, Protocol: pick(d, protocols), ContainerPort: pick(d, numbers)})
		}
	}
	return c
}

// reuse gives a pod the address of one that has finished (P16).
func (d draw) reuse(c *Cluster) {
	last := c.Pods[len(c.Pods)-1]
	ghost := d.pod(len(c.Pods))
	ghost.Spec.HostNetwork = last.Spec.HostNetwork
	ghost.Status.Phase = corev1.PodSucceeded
	ghost.Status.PodIPs = slices.Clone(last.Status.PodIPs)
	c.Pods = append([]corev1.Pod{ghost}, c.Pods...)
}

func addresses(p *corev1.Pod, v6 bool) []netip.Addr {
	var all []netip.Addr
	for _, ip := range p.Status.PodIPs {
		if a := netip.MustParseAddr(ip.IP); a.Is6() == v6 {
			all = append(all, a)
		}
	}
	return all
}
