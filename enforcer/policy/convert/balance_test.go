package convert

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

// P22: the backends of any Service are sorted, each once, never its own
// cluster addresses, the same in whatever order pods and slices come, and each
// node sees a part of all, the nodes together all of them. What a selector
// finds is what labels say (P12).
func TestBackendsOfAnyService(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, pods, parts := drawService(t), drawPods(t), drawSlices(t)
		frontend, _ := Service(o)
		balanced, _ := frontend.Resolve(parts, IndexPods(pods))
		all := balanced.All()
		seen := make([]map[policy.Backend]bool, len(all.Ports))
		for _, node := range []string{"", "n1", "n2", "n3"} {
			for i, port := range balanced.On(node).Ports {
				if seen[i] == nil {
					seen[i] = map[policy.Backend]bool{}
				}
				checkBackends(t, o, port.Backends)
				for _, b := range port.Backends {
					seen[i][b] = true
					if !slices.Contains(all.Ports[i].Backends, b) {
						t.Fatalf("node %q has backend %v, which is not among all: %v", node, b, all.Ports[i].Backends)
					}
				}
			}
		}
		for i, port := range all.Ports {
			checkBackends(t, o, port.Backends)
			if len(seen[i]) != len(port.Backends) {
				t.Fatalf("port %d: the nodes together have %v, want all of %v", port.Port, seen[i], port.Backends)
			}
			if len(parts) == 0 {
				checkSelected(t, o, pods, port)
			}
		}
		slices.Reverse(pods)
		slices.Reverse(parts)
		again, _ := frontend.Resolve(parts, IndexPods(pods))
		if got, want := serviceText(again.On("n1")), serviceText(balanced.On("n1")); got != want {
			t.Fatalf("in another order:\n got\n%s\nwant\n%s", got, want)
		}
	})
}

func checkBackends(t *rapid.T, o *corev1.Service, all []policy.Backend) {
	for i, b := range all {
		if b.Addr.String() == o.Spec.ClusterIP || b.Port == 0 {
			t.Fatalf("backend %v of a Service at %s", b, o.Spec.ClusterIP)
		}
		if i > 0 && (all[i-1].Addr.Compare(b.Addr) > 0 || all[i-1] == b) {
			t.Fatalf("backends %v are not sorted, each once", all)
		}
	}
}

// checkSelected asks the label library, which the index does not use.
func checkSelected(t *rapid.T, o *corev1.Service, pods []*policy.Pod, port policy.ServicePort) {
	for _, pod := range pods {
		selected := len(o.Spec.Selector) > 0 && !pod.Finished && pod.Ref.Namespace == o.Namespace &&
			labels.SelectorFromSet(o.Spec.Selector).Matches(pod.Labels)
		for _, addr := range pod.Addresses {
			has := slices.ContainsFunc(port.Backends, func(b policy.Backend) bool { return b.Addr == addr })
			if want := selected && addr.String() != o.Spec.ClusterIP; has != want {
				t.Fatalf("pod %v %v behind selector %v: got %v, want %v", pod.Ref, pod.Labels, o.Spec.Selector, has, want)
			}
		}
	}
}

func drawService(t *rapid.T) *corev1.Service {
	o := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}}
	o.Spec.ClusterIP = rapid.SampledFrom([]string{"10.96.0.1", "10.0.0.1"}).Draw(t, "cluster address")
	o.Spec.Selector = rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), rapid.SampledFrom([]string{"", "x"}), 0, 2).Draw(t, "selector")
	if rapid.Bool().Draw(t, "local") {
		local := corev1.ServiceInternalTrafficPolicyLocal
		o.Spec.InternalTrafficPolicy = &local
	}
	o.Spec.PublishNotReadyAddresses = rapid.Bool().Draw(t, "unready")
	for i := range rapid.IntRange(1, 2).Draw(t, "ports") {
		o.Spec.Ports = append(o.Spec.Ports, corev1.ServicePort{
			Name: fmt.Sprint("p", i), Port: int32(80 + i), TargetPort: intstr.FromInt32(rapid.Int32Range(0, 3).Draw(t, "target")),
		})
	}
	return o
}

func drawPods(t *rapid.T) []*policy.Pod {
	var all []*policy.Pod
	for i := range rapid.IntRange(0, 6).Draw(t, "pods") {
		all = append(all, &policy.Pod{
			Ref:       policy.PodRef{Namespace: rapid.SampledFrom([]string{"ns", "other"}).Draw(t, "namespace"), Name: fmt.Sprint(i)},
			Labels:    rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.SampledFrom([]string{"", "x"}), 0, 3).Draw(t, "labels"),
			Node:      rapid.SampledFrom([]string{"", "n1", "n2"}).Draw(t, "node"),
			Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprint("10.0.0.", i+1))},
			Finished:  rapid.IntRange(0, 4).Draw(t, "finished") == 0,
		})
	}
	return all
}

func drawSlices(t *rapid.T) []*Endpoints {
	var all []*Endpoints
	for i := range rapid.IntRange(0, 3).Draw(t, "slices") {
		o := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4}
		o.Namespace, o.Name = "ns", fmt.Sprint("s-", i)
		o.Labels = map[string]string{discoveryv1.LabelServiceName: "s"}
		name, number := "p0", rapid.Int32Range(1, 2).Draw(t, "number")
		o.Ports = []discoveryv1.EndpointPort{{Name: &name, Port: &number}}
		for range rapid.IntRange(0, 3).Draw(t, "endpoints") {
			e := discoveryv1.Endpoint{Addresses: []string{fmt.Sprint("10.0.0.", rapid.IntRange(1, 4).Draw(t, "address"))}}
			if node := rapid.SampledFrom([]string{"", "n1", "n2"}).Draw(t, "node"); node != "" {
				e.NodeName = &node
			}
			ready := rapid.Bool().Draw(t, "ready")
			e.Conditions.Ready = &ready
			o.Endpoints = append(o.Endpoints, e)
		}
		e, _ := EndpointSlice(o)
		all = append(all, e)
	}
	return all
}

// BenchmarkServices is 2,000 Services over 10,000 pods of one namespace.
func BenchmarkServices(b *testing.B) {
	var pods []*policy.Pod
	for i := range 10000 {
		pods = append(pods, &policy.Pod{
			Ref:       policy.PodRef{Namespace: "ns", Name: fmt.Sprint(i)},
			Labels:    labels.Set{"app": fmt.Sprint(i % 2000), "tier": "web", "hash": fmt.Sprint(i)},
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})},
		})
	}
	var frontends []*Frontend
	for i := range 2000 {
		o := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint(i)}}
		o.Spec.ClusterIP = netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)}).String()
		o.Spec.Selector = map[string]string{"tier": "web", "app": fmt.Sprint(i)}
		o.Spec.Ports = []corev1.ServicePort{{Port: 80}}
		f, _ := Service(o)
		frontends = append(frontends, f)
	}
	b.ReportAllocs()
	for b.Loop() {
		index := IndexPods(pods)
		for _, f := range frontends {
			f.Resolve(nil, index)
		}
	}
}
