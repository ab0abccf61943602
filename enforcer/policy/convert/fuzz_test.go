package convert

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/yaml"
)

// FuzzService: no Service and no EndpointSlice makes the resolution panic,
// every fault names its field, a cluster address is never behind itself, and
// no node has a backend that not all have (P22).
func FuzzService(f *testing.F) {
	f.Add([]byte(`{metadata: {name: s, namespace: ns}, spec: {clusterIP: 10.96.0.1, internalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, targetPort: http}]}}`), []byte(``))
	f.Add([]byte(`{metadata: {name: s, namespace: ns}, spec: {clusterIPs: [10.0.0.1, "fd00::1"], externalIPs: [10.0.0.2], selector: {app: web}, ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 203.0.113.1, ipMode: VIP}]}}}`), []byte(``))
	f.Add([]byte(`{metadata: {name: s, namespace: ns}, spec: {clusterIP: 10.0.0.1, internalTrafficPolicy: Local, ports: [{name: a, port: 80, protocol: UDP}]}}`),
		[]byte(`{metadata: {name: s-1, namespace: ns, labels: {kubernetes.io/service-name: s}}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1, 10.0.0.7], nodeName: n1, conditions: {ready: false, serving: true}}], ports: [{name: a, protocol: UDP}]}`))
	f.Fuzz(func(t *testing.T, serviceText, sliceText []byte) {
		var o corev1.Service
		var parts discoveryv1.EndpointSlice
		if yaml.Unmarshal(serviceText, &o) != nil || yaml.Unmarshal(sliceText, &parts) != nil {
			t.Skip()
		}
		frontend, told := Service(&o)
		endpoints, more := EndpointSlice(&parts)
		balanced, last := frontend.Resolve([]*Endpoints{endpoints}, IndexPods(poolPods()))
		for _, fault := range slices.Concat(told, more, last) {
			if fault.Field == "" || fault.Reason == "" {
				t.Fatalf("fault %+v, want one with field and reason", fault)
			}
		}
		for _, node := range []string{"", "n1", "n2", "n3"} {
			for i, port := range balanced.On(node).Ports {
				for _, b := range port.Backends {
					if slices.Contains(frontend.addresses[:frontend.cluster], b.Addr) {
						t.Fatalf("%s is behind itself", b.Addr)
					}
					if !slices.Contains(balanced.All().Ports[i].Backends, b) {
						t.Fatalf("node %q alone has %v", node, b)
					}
				}
			}
		}
	})
}
