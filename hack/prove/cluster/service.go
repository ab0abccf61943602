package cluster

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// Service is a Service and the slices that say what is behind it; without any,
// it is the pods that it selects (P22).
type Service struct {
	Object *corev1.Service
	Slices []*discoveryv1.EndpointSlice
}

// mostServices is how many Services a cluster has; each has its addresses,
// which CIDRs of the pools cover.
const mostServices = 2

var serviceAddrs = [mostServices][]netip.Addr{addrs("10.0.0.9", "fd00::9"), addrs("203.0.113.8", "2001:db8::7")}

func drawServices(t *rapid.T) []*Service {
	var all []*Service
	for i := range mostServices {
		if chance(t, "service", 2) {
			all = append(all, drawService(t, i))
		}
	}
	return all
}

func drawService(t *rapid.T, i int) *Service {
	meta := metav1.ObjectMeta{Name: fmt.Sprintf("s%d", i), Namespace: "a"}
	s := &Service{Object: &corev1.Service{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: meta}}
	for _, a := range serviceAddrs[i] {
		if !chance(t, "without this family", 4) {
			s.Object.Spec.ClusterIPs = append(s.Object.Spec.ClusterIPs, a.String())
		}
	}
	if len(s.Object.Spec.ClusterIPs) == 0 {
		s.Object.Spec.ClusterIPs = []string{corev1.ClusterIPNone}
	}
	s.Object.Spec.ClusterIP = s.Object.Spec.ClusterIPs[0]
	if chance(t, "session affinity", 4) {
		s.Object.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	}
	for n := range count(t, "service ports", 1, 3) {
		p := corev1.ServicePort{
			Name: fmt.Sprintf("p%d", n), Port: pick(t, "port", portPool),
			Protocol: pick(t, "protocol", []corev1.Protocol{"TCP", "TCP", "UDP", "SCTP"}), TargetPort: drawTarget(t),
		}
		if !slices.ContainsFunc(s.Object.Spec.Ports, func(o corev1.ServicePort) bool { return o.Port == p.Port && o.Protocol == p.Protocol }) {
			s.Object.Spec.Ports = append(s.Object.Spec.Ports, p)
		}
	}
	if chance(t, "selector", 2) {
		s.Object.Spec.Selector = pick(t, "selects", []map[string]string{{"app": "x"}, {"app": "y"}, {"tier": "x"}})
		if chance(t, "local", 4) {
			local := corev1.ServiceInternalTrafficPolicyLocal
			s.Object.Spec.InternalTrafficPolicy = &local
		}
		return s
	}
	for n := range count(t, "slices", 0, 3) {
		s.Slices = append(s.Slices, drawSlice(t, s.Object, n))
	}
	return s
}

// drawTarget is a number or a name, which each pod has its own number for.
func drawTarget(t *rapid.T) intstr.IntOrString {
	if chance(t, "named target", 2) {
		return intstr.FromString(pick(t, "target name", portNames))
	}
	return intstr.FromInt32(pick(t, "target", portPool))
}

func drawSlice(t *rapid.T, of *corev1.Service, n int) *discoveryv1.EndpointSlice {
	o := &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%d", of.Name, n), Namespace: of.Namespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: of.Name},
		},
		AddressType: pick(t, "family", []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6}),
	}
	for _, p := range of.Spec.Ports {
		number := pick(t, "target", portPool)
		o.Ports = append(o.Ports, discoveryv1.EndpointPort{Name: &p.Name, Protocol: &p.Protocol, Port: &number})
	}
	var family []netip.Addr
	for _, a := range Peers {
		if a.Is4() == (o.AddressType == discoveryv1.AddressTypeIPv4) && a.IsGlobalUnicast() && !a.IsLoopback() && !isServiceAddr(a) {
			family = append(family, a)
		}
	}
	for _, a := range rapid.SliceOfNDistinct(rapid.SampledFrom(family), 0, 3, rapid.ID[netip.Addr]).Draw(t, "endpoints") {
		ready := true
		o.Endpoints = append(o.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{a.String()}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
	}
	return o
}

func isServiceAddr(a netip.Addr) bool {
	return slices.ContainsFunc(serviceAddrs[:], func(all []netip.Addr) bool { return slices.Contains(all, a) })
}

// services are what a node's proxy makes of Services (P22).
func (c *Cluster) services(pods []*policy.Pod) []*policy.Service {
	var all []*policy.Service
	index := convert.IndexPods(pods)
	for _, s := range c.Services {
		frontend, _ := convert.Service(s.Object)
		var endpoints []*convert.Endpoints
		for _, slice := range s.Slices {
			e, _ := convert.EndpointSlice(slice)
			endpoints = append(endpoints, e)
		}
		balanced, _ := frontend.Resolve(endpoints, index)
		all = append(all, balanced.On(Here))
	}
	return all
}
