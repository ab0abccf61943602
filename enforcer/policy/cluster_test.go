package policy

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// clusterWorld is a cluster as a node with 30 pods sees it: 500 namespaces,
// 5,000 workloads, 1,000 nodes, 5,000 Services and 500 policies at 100,000 pods,
// and a tenth of the workloads, nodes and Services at 10,000. Pods of one
// workload share their labels, as a source should see to. A policy of this
// node's pods lets every pod of the cluster in, so that each has an entry.
func clusterWorld(pods int) *World {
	w := &World{
		Node: "node-0", Default: Allow, Namespaces: map[string]labels.Set{},
		ClusterDNS: addrs("10.96.0.10"), LocalAddresses: addrs("192.168.0.1"),
	}
	for i := range 500 {
		ns := fmt.Sprintf("ns-%03d", i)
		w.Namespaces[ns] = labels.Set{"kubernetes.io/metadata.name": ns, "team": fmt.Sprint("team-", i%40)}
		w.Policies = append(w.Policies, clusterPolicy(i, ns))
	}
	nodes := pods / 100
	for i := range nodes {
		w.Nodes = append(w.Nodes, Node{
			fmt.Sprint("node-", i), labels.Set{"topology.kubernetes.io/zone": fmt.Sprint("zone-", i%3)},
			[]netip.Addr{netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)})},
		})
	}
	const replicas = 20
	for i := range pods / replicas {
		w.addWorkload(i, replicas, nodes)
	}
	return w
}

func (w *World) addWorkload(i, replicas, nodes int) {
	ns, app := fmt.Sprintf("ns-%03d", i%500), fmt.Sprint("app-", i/500)
	set := labels.Set{
		"app.kubernetes.io/name": app, "app.kubernetes.io/instance": fmt.Sprint(app, "-", i),
		"pod-template-hash": fmt.Sprintf("%010x", i), "tier": fmt.Sprint("tier-", i%3),
	}
	s := &Service{Namespace: ns, Name: app, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 96, byte(1 + i>>8), byte(i)})}}
	port := ServicePort{Protocol: protocolTCP, Port: 80}
	ports := []NamedPort{{"http", protocolTCP, uint16(8080 + i%3)}}
	for k := range replicas {
		n := i*replicas + k
		node := 1 + n%(nodes-1)
		if i == 0 || i == 500 && k < 10 {
			node = 0
		}
		a := netip.AddrFrom4([4]byte{10, byte(128 + n>>16), byte(n >> 8), byte(n)})
		w.Pods = append(w.Pods, &Pod{
			Ref:    PodRef{ns, fmt.Sprintf("%s-%010x-%05x", app, i, n), fmt.Sprintf("%08x-1111-2222-3333-%012x", i, n)},
			Labels: set, Node: w.Nodes[node].Name, Addresses: []netip.Addr{a}, Ports: ports,
		})
		port.Backends = append(port.Backends, Backend{a, ports[0].Number})
	}
	s.Ports = []ServicePort{port}
	w.Services = append(w.Services, s)
}

// clusterPolicy is what a namespace may be reached by and reach.
func clusterPolicy(i int, ns string) *Policy {
	p := &Policy{
		Ref: PolicyRef{"networking.k8s.io", "NetworkPolicy", ns, "np"}, Tier: TierNetworkPolicy, Subject: PodSelector{Namespace: ns},
		Ingress: &Section{Rules: []Rule{
			{Action: ActionAccept, AllPorts: true, Peers: []Peerage{{Pods: &PodSelector{Namespace: ns}}}},
			{Action: ActionAccept, Ports: []Port{{Protocol: protocolTCP, Name: "http"}}, Peers: []Peerage{{Pods: &PodSelector{}}}},
		}},
		Egress: &Section{Rules: []Rule{
			{Action: ActionAccept, AllPorts: true, Peers: []Peerage{{Pods: &PodSelector{Namespaces: mustParse(fmt.Sprint("team=team-", i%40))}}}},
			{Action: ActionAccept, AllPorts: true, Peers: []Peerage{{Block: &Block{CIDR: netip.MustParsePrefix("203.0.113.0/24")}}}},
			{Action: ActionAccept, AllPorts: true, Peers: []Peerage{{Name: "*.example.com"}}},
		}},
	}
	return p
}

// BenchmarkCluster is what a cluster costs this node. What is kept is live
// heap; the World itself is its source's.
func BenchmarkCluster(b *testing.B) {
	for _, pods := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(pods), func(b *testing.B) {
			start := live()
			w := clusterWorld(pods)
			world := live()
			c := Compile(w)
			compiled := live()
			runtime.KeepAlive(w)
			b.Run("all", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Compile(w)
				}
				b.ReportMetric(megabytes(world-start), "MB-world")
				b.ReportMetric(megabytes(compiled-world), "MB-compiled")
				b.ReportMetric(float64(c.Tables.Addresses.Len()), "addresses")
			})
			for _, change := range clusterChanges(w) {
				b.Run(change.name, func(b *testing.B) { benchNext(b, c, w, change.to) })
				c = Compile(w)
			}
		})
	}
}

// benchNext goes to a World and back again.
func benchNext(b *testing.B, c *Compiled, w, to *World) {
	c = c.Next(to).Next(w)
	b.ReportAllocs()
	for b.Loop() {
		there := c.Next(to)
		Transition(c, there)
		c = there.Next(w)
		Transition(there, c)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(2*b.N), "us/change")
}

type clusterChange struct {
	name string
	to   *World
}

func clusterChanges(w *World) []clusterChange {
	more := *w.Pods[600]
	more.Ref.Name, more.Ref.UID, more.Addresses = "more", "more", addrs("10.1.0.1")
	here := *w.Pods[0]
	here.Ref.Name, here.Ref.UID, here.Addresses = "here", "here", addrs("10.1.0.2")
	elsewhere, local, service, policy := *w, *w, *w, *w
	elsewhere.Pods = slices.Insert(slices.Clone(w.Pods), len(w.Pods)/2, &more)
	local.Pods = slices.Insert(slices.Clone(w.Pods), len(w.Pods)/2, &here)
	fewer := *w.Services[7]
	fewer.Ports = slices.Clone(fewer.Ports)
	fewer.Ports[0].Backends = fewer.Ports[0].Backends[1:]
	service.Services = slices.Clone(w.Services)
	service.Services[7] = &fewer
	changed := *w.Policies[0]
	changed.Egress = &Section{Rules: append(slices.Clip(changed.Egress.Rules), Rule{
		Action: ActionAccept, AllPorts: true, Peers: []Peerage{{Block: &Block{CIDR: netip.MustParsePrefix("20.0.0.0/12")}}},
	})}
	policy.Policies = slices.Clone(w.Policies)
	policy.Policies[0] = &changed
	return []clusterChange{{"pod-elsewhere", &elsewhere}, {"pod-here", &local}, {"backend", &service}, {"policy", &policy}}
}

// live is the live heap in bytes.
func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func megabytes(bytes uint64) float64 { return float64(bytes) / 1e6 }
