package manifests

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

const services = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIPs: [10.96.0.1, "fd00:96::1"]
  selector: {app: web}
  sessionAffinity: ClientIP
  ports: [{port: 80, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: agent, namespace: shop}
spec:
  clusterIP: 10.96.0.2
  internalTrafficPolicy: Local
  ports: [{port: 53, protocol: UDP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: agent-x, namespace: shop, labels: {kubernetes.io/service-name: agent}}
addressType: IPv4
ports: [{port: 5353, protocol: UDP}]
endpoints:
- {addresses: [10.0.1.53], nodeName: n1, zone: a, hints: {forZones: [{name: a}]}, targetRef: {kind: Pod, name: agent-1}}
- {addresses: [10.0.2.53], nodeName: n2, conditions: {ready: true, serving: true, terminating: false}}
`

const servicePods = `
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec:
  nodeName: n1
  initContainers: [{name: mesh, restartPolicy: Always, ports: [{name: http, containerPort: 15001}]}]
status: {podIPs: [{ip: 10.0.1.1}, {ip: "fd00::1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: web}}
spec: {nodeName: n2, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec: {nodeName: n2, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
status: {phase: Failed, podIPs: [{ip: 10.0.2.1}]}
`

// P22: Services have the backends that the pods and slices of any file make,
// P10: each with the number of its own pod, and P16: of pods that live.
func TestWorldHasServicesWithBackends(t *testing.T) {
	files := map[string]string{"a.yaml": services, "b.yaml": servicePods}
	s := mustLoad(t, files)
	ip := netip.MustParseAddr
	web := &policy.Service{
		Namespace: "shop", Name: "web", Addresses: []netip.Addr{ip("10.96.0.1"), ip("fd00:96::1")},
		Ports: []policy.ServicePort{{Protocol: 6, Port: 80, Backends: []policy.Backend{{Addr: ip("10.0.1.1"), Port: 15001}, {Addr: ip("10.0.2.1"), Port: 8080}, {Addr: ip("fd00::1"), Port: 15001}}}},
	}
	agent := func(backends ...policy.Backend) *policy.Service {
		return &policy.Service{
			Namespace: "shop", Name: "agent", Addresses: []netip.Addr{ip("10.96.0.2")},
			Ports: []policy.ServicePort{{Protocol: 17, Port: 53, Backends: backends}},
		}
	}
	n1, n2 := policy.Backend{Addr: ip("10.0.1.53"), Port: 5353}, policy.Backend{Addr: ip("10.0.2.53"), Port: 5353}
	check(t, "the snapshot has those of all nodes, sorted", s.Services, []*policy.Service{agent(n1, n2), web})
	check(t, "node n1 has local ones", s.World("n1", settings.Settings{}).Services, []*policy.Service{agent(n1), web})
	check(t, "node n2 has its own", s.World("n2", settings.Settings{}).Services, []*policy.Service{agent(n2), web})
	check(t, "node n3 has none", s.World("n3", settings.Settings{}).Services, []*policy.Service{agent(), web})

	a, b := s.World("n1", settings.Settings{}), s.World("n1", settings.Settings{})
	if a.Services[0] != b.Services[0] || a.Services[1] != b.Services[1] {
		t.Error("two Worlds of one snapshot do not share their Services")
	}
	files = map[string]string{"a.yaml": services, "b.yaml": strings.Replace(servicePods, "labels: {app: web}", "labels: {app: other}", 1)}
	web.Ports[0].Backends = web.Ports[0].Backends[1:2]
	check(t, "a relabelled pod is no backend any more", mustLoad(t, files).Services[1], web)
}

// S5: what is wrong with a Service or a slice has a file, a line and a field.
func TestLoadRefusesServices(t *testing.T) {
	refuse(t, []refused{
		{"a Service that is behind itself, and slices of no Service with faults", map[string]string{"a.yaml": `
apiVersion: v1
kind: Service
metadata: {name: s}
spec:
  clusterIP: 10.0.0.1
  ports:
  - port: 80
    targetPort: "80"
  - port: 81
    name: b
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}]
ports: [{name: b, port: 81}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-2}
addressType: IPv4
endpoints:
- addresses: [10.0.0.1, "fd00::1"]
ports: [{port: 0}]
`}, `a.yaml:8: spec.ports[0].targetPort: "80" is not a port name: must contain at least one letter (a-z); write the name of a container port, or a number without quotes
a.yaml:25: ports[0].port: port 0 does not exist; write 1 to 65535
a.yaml:24: endpoints[0].addresses[1]: fd00::1 is not an address of type IPv4; move it to a slice of its own type
a.yaml:5: spec.clusterIP: 10.0.0.1 is the address of something behind the Service as well; give the Service an address of its own`},
		{"kinds of old APIs that say what is behind a Service", map[string]string{"a.yaml": `
apiVersion: v1
kind: Endpoints
metadata: {name: s}
---
apiVersion: discovery.k8s.io/v1beta1
kind: EndpointSlice
metadata: {name: s}
`}, `a.yaml:2: kind: Endpoints of v1 is not read; write an EndpointSlice of discovery.k8s.io/v1
a.yaml:6: kind: EndpointSlice of discovery.k8s.io/v1beta1 is not read; write discovery.k8s.io/v1`},
	})
}

// manyObjects is a cluster of 10,000 pods, 2,000 policies and 1,000 Services
// in 20 files.
func manyObjects() map[string]string {
	files := map[string]string{}
	for f := range 20 {
		var text strings.Builder
		for i := range 500 {
			fmt.Fprintf(&text, `---
apiVersion: v1
kind: Pod
metadata: {name: p%[2]d, namespace: ns%[1]d, labels: {app: a%[3]d, pod: p%[2]d}}
spec: {nodeName: n%[2]d, containers: [{name: c, image: i, ports: [{name: web, containerPort: 8080}]}]}
status: {phase: Running, podIPs: [{ip: 10.%[1]d.%[4]d.%[5]d}]}
`, f, i, i%50, i/256, i%256)
		}
		for i := range 100 {
			fmt.Fprintf(&text, `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p%[2]d, namespace: ns%[1]d}
spec:
  podSelector: {matchLabels: {app: a%[3]d}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: a%[2]d}}}], ports: [{port: 443}]}]
`, f, i, i%50)
		}
		for i := range 50 {
			fmt.Fprintf(&text, `---
apiVersion: v1
kind: Service
metadata: {name: s%[2]d, namespace: ns%[1]d}
spec:
  clusterIP: 10.96.%[1]d.%[2]d
  selector: {app: a%[2]d}
  ports: [{port: 80, targetPort: web}]
`, f, i)
		}
		files[fmt.Sprintf("f%d.yaml", f)] = text.String()
	}
	return files
}

// BenchmarkLoadCluster reads 13,000 objects; see manyObjects.
func BenchmarkLoadCluster(b *testing.B) {
	dir := folder(b, manyObjects())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWorld is what each change of the node's surroundings costs.
func BenchmarkWorld(b *testing.B) {
	s := mustLoad(b, manyObjects())
	b.ReportAllocs()
	for b.Loop() {
		s.World("n1", settings.Settings{})
	}
}
