package convert

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// P22: what is behind a Service.
func TestService(t *testing.T) {
	const two = `clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, "fd00:96::1"]`
	table := []struct {
		says, spec, status string
		slices             []string
		node               string
		want, faults       string
	}{
		{says: "pods that its selector selects in its own namespace, of both families; finished ones never (P16)",
			spec: `{` + two + `, selector: {app: web}, ports: [{port: 80}]}`,
			want: `10.96.0.1 fd00:96::1
				tcp:80 to 10.0.0.1:80 10.0.0.2:80 [fd00::1]:80 [fd00::2]:80`},
		{says: "every label of the selector counts",
			spec: `{clusterIP: 10.96.0.1, selector: {app: db, any: ""}, ports: [{port: 80}]}`,
			want: `10.96.0.1
				tcp:80 to 10.0.0.4:80`},
		{says: "both of two labels that other pods have as well",
			spec: `{clusterIP: 10.96.0.1, selector: {app: web, node: n1}, ports: [{port: 80}]}`,
			want: `10.96.0.1
				tcp:80 to 10.0.0.1:80 [fd00::1]:80`},
		{says: "a label of the selector that no pod has selects none",
			spec: `{clusterIP: 10.96.0.1, selector: {app: web, other: ""}, ports: [{port: 80}]}`,
			want: `10.96.0.1
				tcp:80 to`},
		{says: "a numeric target port, and 0 means the port",
			spec: `{clusterIP: 10.96.0.1, selector: {app: db}, ports: [{name: a, port: 80, targetPort: 8080}, {name: b, port: 81, targetPort: 0}, {name: c, port: 53, protocol: UDP}, {name: d, port: 53, targetPort: 5353}]}`,
			want: `10.96.0.1
				tcp:80 to 10.0.0.4:8080
				tcp:81 to 10.0.0.4:81
				udp:53 to 10.0.0.4:53
				tcp:53 to 10.0.0.4:5353`},
		{says: "P10: a named target port has the number of each pod, and its protocol must be that of the Service",
			spec: `{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 53, targetPort: dns, protocol: UDP}]}`,
			want: `10.96.0.1
				tcp:80 to 10.0.0.1:8080 10.0.0.2:9090 [fd00::1]:8080 [fd00::2]:9090
				udp:53 to 10.0.0.1:53 [fd00::1]:53`},
		{says: "a named target port that no pod has",
			spec: `{clusterIP: 10.96.0.1, selector: {app: db}, ports: [{port: 80, targetPort: http}]}`,
			want: `10.96.0.1
				tcp:80 to`},
		{says: "hostNetwork pods are backends by the addresses of their nodes",
			spec: `{clusterIP: 10.96.0.1, selector: {app: host}, ports: [{port: 80}]}`,
			want: `10.96.0.1
				tcp:80 to 192.0.2.1:80`},
		{says: "no selector and no slices: nothing behind it",
			spec: `{clusterIP: 10.96.0.1, ports: [{port: 80}]}`,
			want: `10.96.0.1
				tcp:80 to`},
		{says: "headless: nothing is translated",
			spec: `{clusterIP: None, clusterIPs: [None], selector: {app: web}, ports: [{port: 80}]}`},
		{says: "a CNAME is no address, whatever else is written",
			spec: `{type: ExternalName, externalName: a.example.com, clusterIP: 10.96.0.1, externalIPs: [198.51.100.1], ports: [{port: 80}]}`},
		{says: "without a cluster address nobody translates the external ones",
			spec: `{externalIPs: [198.51.100.1], selector: {app: web}, ports: [{port: 80}]}`},
		{says: "external and load-balancer addresses are translated, those of mode Proxy and host names are not",
			spec:   `{type: LoadBalancer, clusterIP: 10.96.0.1, externalIPs: [198.51.100.1, 10.96.0.1], sessionAffinity: ClientIP, externalTrafficPolicy: Local, selector: {app: db}, ports: [{port: 80, nodePort: 30080}]}`,
			status: `{loadBalancer: {ingress: [{ip: 203.0.113.1}, {ip: 203.0.113.2, ipMode: Proxy}, {ip: "::ffff:203.0.113.3", ipMode: VIP}, {hostname: a.example.com}]}}`,
			want: `10.96.0.1 198.51.100.1 203.0.113.1 203.0.113.3
				tcp:80 to 10.0.0.4:80`},
		{says: "its slices say it all, the selector nothing",
			spec:   `{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]}`,
			slices: []string{`{addressType: IPv4, endpoints: [{addresses: [10.0.7.1]}], ports: [{port: 8080}]}`},
			want: `10.96.0.1
				tcp:80 to 10.0.7.1:8080`},
		{says: "even a slice that holds nothing",
			spec:   `{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]}`,
			slices: []string{`{addressType: IPv4}`},
			want: `10.96.0.1
				tcp:80 to`},
		{says: "slices of both families, several of each, every address of an endpoint, each backend once",
			spec: `{` + two + `, ports: [{port: 80}]}`,
			slices: []string{
				`{addressType: IPv4, endpoints: [{addresses: [10.0.7.2, 10.0.7.1]}], ports: [{port: 8080}]}`,
				`{addressType: IPv6, endpoints: [{addresses: ["fd00::7"]}], ports: [{port: 8080}]}`,
				`{addressType: IPv4, endpoints: [{addresses: [10.0.7.1]}, {addresses: [10.0.7.3]}], ports: [{port: 8080}]}`,
			},
			want: `10.96.0.1 fd00:96::1
				tcp:80 to 10.0.7.1:8080 10.0.7.2:8080 10.0.7.3:8080 [fd00::7]:8080`},
		{says: "ports are found by name and protocol",
			spec:   `{clusterIP: 10.96.0.1, ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}, {name: sctp, port: 5, protocol: SCTP}]}`,
			slices: []string{`{addressType: IPv4, endpoints: [{addresses: [10.0.7.1]}], ports: [{name: http, port: 8080}, {name: dns, port: 5353}, {name: dns, port: 5354, protocol: UDP}, {name: metrics, port: 9090}]}`},
			want: `10.96.0.1
				tcp:80 to 10.0.7.1:8080
				udp:53 to 10.0.7.1:5354
				sctp:5 to`},
		{says: "a slice port without number leaves that of the Service",
			spec:   `{clusterIP: 10.96.0.1, ports: [{name: a, port: 80, targetPort: 8080}, {name: b, port: 81, targetPort: http}]}`,
			slices: []string{`{addressType: IPv4, endpoints: [{addresses: [10.0.7.1]}], ports: [{name: a}, {name: b}]}`},
			want: `10.96.0.1
				tcp:80 to 10.0.7.1:8080
				tcp:81 to 10.0.7.1:81`},
		{says: "ready ones, those that serve while they terminate, and in doubt; not what is neither ready nor serving",
			spec: `{clusterIP: 10.96.0.1, ports: [{port: 80}]}`,
			slices: []string{`
				{addressType: IPv4, ports: [{port: 80}], endpoints: [
				{addresses: [10.0.7.1], conditions: {}},
				{addresses: [10.0.7.2], conditions: {ready: true, serving: false}},
				{addresses: [10.0.7.3], conditions: {ready: false, serving: true, terminating: true}},
				{addresses: [10.0.7.4], conditions: {ready: false, serving: true}},
				{addresses: [10.0.7.5], conditions: {ready: false, terminating: true}},
				{addresses: [10.0.7.6], conditions: {ready: false}},
				{addresses: [10.0.7.7], conditions: {ready: false, serving: false}},
				{addresses: [10.0.7.8], conditions: {ready: false, serving: false, terminating: true}}]}`},
			want: `10.96.0.1
				tcp:80 to 10.0.7.1:80 10.0.7.2:80 10.0.7.3:80 10.0.7.4:80 10.0.7.5:80`},
		{says: "all of them where the Service publishes what is not ready",
			spec:   `{clusterIP: 10.96.0.1, publishNotReadyAddresses: true, ports: [{port: 80}]}`,
			slices: []string{`{addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [10.0.7.1], conditions: {ready: false, serving: false}}]}`},
			want: `10.96.0.1
				tcp:80 to 10.0.7.1:80`},
		{says: "names instead of addresses are nobody's backends",
			spec:   `{clusterIP: 10.96.0.1, ports: [{port: 80}]}`,
			slices: []string{`{addressType: FQDN, endpoints: [{addresses: [a.example.com]}], ports: [{port: 80}]}`},
			want: `10.96.0.1
				tcp:80 to`},
		{says: "internalTrafficPolicy Local: the pods of the node and those of which nobody says where they are",
			spec: `{clusterIP: 10.96.0.1, internalTrafficPolicy: Local, selector: {any: ""}, ports: [{port: 80}]}`, node: "n2",
			want: `10.96.0.1
				tcp:80 to 10.0.0.2:80 10.0.0.5:80 [fd00::2]:80`},
		{says: "internalTrafficPolicy Local on a node that has none of them",
			spec: `{clusterIP: 10.96.0.1, internalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}`, node: "n3",
			want: `10.96.0.1
				tcp:80 to`},
		{says: "internalTrafficPolicy Local goes by the node names of slices",
			spec: `{clusterIP: 10.96.0.1, internalTrafficPolicy: Local, ports: [{port: 80}]}`, node: "n1",
			slices: []string{`{addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [10.0.7.1], nodeName: n1}, {addresses: [10.0.7.2], nodeName: n2}, {addresses: [10.0.7.3]}]}`},
			want: `10.96.0.1
				tcp:80 to 10.0.7.1:80 10.0.7.3:80`},
		{says: "internalTrafficPolicy Local does not hold for external addresses, so that all backends count",
			spec: `{clusterIP: 10.96.0.1, externalIPs: [198.51.100.1], internalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}`, node: "n3",
			want: `10.96.0.1 198.51.100.1
				tcp:80 to 10.0.0.1:80 10.0.0.2:80 [fd00::1]:80 [fd00::2]:80`},
		{says: "internalTrafficPolicy Cluster is the same on every node",
			spec: `{clusterIP: 10.96.0.1, internalTrafficPolicy: Cluster, selector: {app: db}, ports: [{port: 80}]}`, node: "n3",
			want: `10.96.0.1
				tcp:80 to 10.0.0.4:80`},
		{says: "an external address may be a backend's, as a node's is",
			spec: `{clusterIP: 10.96.0.1, externalIPs: [192.0.2.1], selector: {app: host}, ports: [{port: 80, targetPort: 8080}]}`,
			want: `10.96.0.1 192.0.2.1
				tcp:80 to 192.0.2.1:8080`},
		{says: "behind a cluster address is never itself",
			spec: `{clusterIP: 10.0.0.4, selector: {app: db}, ports: [{name: a, port: 80}, {name: b, port: 81}]}`,
			want: `10.0.0.4
				tcp:80 to
				tcp:81 to`,
			faults: `spec.clusterIP: 10.0.0.4 is the address of something behind the Service as well; give the Service an address of its own`},
		{says: "S5: fields that mean nothing",
			spec: `{type: Internal, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, x], externalIPs: [10.0.0.256], internalTrafficPolicy: Near, selector: {app: db},
				ports: [{name: a, port: 0}, {name: b, port: 80, targetPort: 70000}, {name: c, port: 80, targetPort: "8080"}, {name: d, port: 80, protocol: ICMP}, {port: 80}, {name: f, port: 80}]}`,
			status: `{loadBalancer: {ingress: [{ip: z}, {ip: 203.0.113.2, ipMode: Direct}]}}`,
			want: `10.96.0.1
				tcp:80 to 10.0.0.4:80
				tcp:80 to 10.0.0.4:80`,
			faults: `spec.clusterIPs[1]: "x" is not an IP address; write one such as 10.96.0.10 or fd00::a
				spec.externalIPs[0]: "10.0.0.256" is not an IP address; write one such as 10.96.0.10 or fd00::a
				status.loadBalancer.ingress[0].ip: "z" is not an IP address; write one such as 10.96.0.10 or fd00::a
				status.loadBalancer.ingress[1].ipMode: "Direct" is not a mode; write VIP or Proxy
				spec.ports[0].port: port 0 does not exist; write 1 to 65535
				spec.ports[1].targetPort: port 70000 does not exist; write 1 to 65535
				spec.ports[2].targetPort: "8080" is not a port name: must contain at least one letter (a-z); write the name of a container port, or a number without quotes
				spec.ports[3].protocol: protocol "ICMP" has no ports; write TCP, UDP or SCTP
				spec.ports[4].name: one port of several needs a name, by which its backends are found
				spec.ports[5].port: port 80 of this protocol is there twice; keep one of them
				spec.type: "Internal" is not a type of Service; write ClusterIP, NodePort, LoadBalancer or ExternalName
				spec.internalTrafficPolicy: "Near" is not a traffic policy; write Cluster or Local`},
	}
	pods := IndexPods(poolPods())
	for _, row := range table {
		t.Run(row.says, func(t *testing.T) {
			frontend, told := Service(manifest[corev1.Service](t, "metadata: {name: s, namespace: ns}", "spec: "+row.spec, "status: "+row.status))
			var all []*Endpoints
			for i, text := range row.slices {
				meta := fmt.Sprintf("metadata: {name: s-%d, namespace: ns, labels: {kubernetes.io/service-name: s}}", i)
				e, faults := EndpointSlice(slice(t, meta, text))
				if len(faults) > 0 {
					t.Fatalf("slice %d: %v", i, faults)
				}
				all = append(all, e)
			}
			balanced, more := frontend.Resolve(all, pods)
			if got, want := serviceText(balanced.On(row.node)), trim(row.want); got != want {
				t.Errorf("service:\n got\n%s\n want\n%s", got, want)
			}
			if got, want := faultsText(append(told, more...)), trim(row.faults); got != want {
				t.Errorf("faults:\n got\n%s\n want\n%s", got, want)
			}
		})
	}
}

func TestEndpointSliceFaults(t *testing.T) {
	_, faults := EndpointSlice(slice(t, "", `{addressType: IPv6, endpoints: [{addresses: ["fd00::1", 10.0.0.1, "::ffff:10.0.0.1", x]}], ports: [{port: 0}, {port: 1, protocol: ICMP}]}`))
	want := trim(`ports[0].port: port 0 does not exist; write 1 to 65535
		ports[1].protocol: protocol "ICMP" has no ports; write TCP, UDP or SCTP
		endpoints[0].addresses[1]: 10.0.0.1 is not an address of type IPv6; move it to a slice of its own type
		endpoints[0].addresses[2]: ::ffff:10.0.0.1 is not an address of type IPv6; move it to a slice of its own type
		endpoints[0].addresses[3]: "x" is not an IP address; write one such as 10.96.0.10 or fd00::a`)
	if got := faultsText(faults); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	_, faults = EndpointSlice(slice(t, "", `{addressType: ipv4, endpoints: [{addresses: [10.0.0.1]}]}`))
	if got, want := faultsText(faults), `addressType: "ipv4" is not a type of address; write IPv4 or IPv6`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Slices of other Services, and those of no Service, are not its own.
func TestResolveLeavesOtherSlicesOut(t *testing.T) {
	frontend, _ := Service(manifest[corev1.Service](t, "metadata: {name: s, namespace: ns}", "spec: {clusterIP: 10.96.0.1, selector: {app: db}, ports: [{port: 80}]}"))
	const endpoints = `{addressType: IPv4, endpoints: [{addresses: [10.0.7.1]}], ports: [{port: 80}]}`
	var all []*Endpoints
	for _, meta := range []string{
		"metadata: {name: a, namespace: ns, labels: {kubernetes.io/service-name: other}}",
		"metadata: {name: b, namespace: other, labels: {kubernetes.io/service-name: s}}",
		"metadata: {name: c, namespace: ns}",
	} {
		e, _ := EndpointSlice(slice(t, meta, endpoints))
		all = append(all, e)
	}
	balanced, _ := frontend.Resolve(all, IndexPods(poolPods()))
	if got, want := serviceText(balanced.All()), "10.96.0.1\ntcp:80 to 10.0.0.4:80"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(all) != 3 || all[0] == nil {
		t.Error("the caller's slice was changed")
	}
}

// A World shares the pointers of what has not changed.
func TestBalancedGivesTheSamePointer(t *testing.T) {
	frontend, _ := Service(manifest[corev1.Service](t, "metadata: {name: s, namespace: ns}", `spec: {clusterIP: 10.96.0.1, internalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}`))
	balanced, _ := frontend.Resolve(nil, IndexPods(poolPods()))
	for _, node := range []string{"n1", "n2", "n3", ""} {
		if first, again := balanced.On(node), balanced.On(node); first != again {
			t.Errorf("node %q: got two pointers, want one", node)
		}
	}
	if got, want := serviceText(balanced.All()), "10.96.0.1\ntcp:80 to 10.0.0.1:80 10.0.0.2:80 [fd00::1]:80 [fd00::2]:80"; got != want {
		t.Errorf("all nodes: got %s, want %s", got, want)
	}
	if !balanced.DependsOnNode() {
		t.Error("a Service of local backends does not depend on the node")
	}
}
