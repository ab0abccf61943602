package cluster

import (
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

func addresses(all ...string) (out []netip.Addr) {
	for _, a := range all {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func names[T any](all []T, name func(T) string) (out []string) {
	for _, a := range all {
		out = append(out, name(a))
	}
	return out
}

func podName(p *policy.Pod) string { return p.Ref.Name }

func set(t rapid.TB, data map[string]string) settings.Overrides {
	t.Helper()
	all, faults := settings.Parse(data, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return all
}

// twoNodes is a cluster with a pod on either node and one on none, and a
// Service whose first backends depend on the node, before one of all.
func twoNodes(t *testing.T) *Cluster {
	t.Helper()
	pod := func(name, node, address string) *policy.Pod {
		return &policy.Pod{
			Ref: policy.PodRef{Namespace: "shop", Name: name}, Node: node, Addresses: addresses(address),
			Labels: map[string]string{"app": "db"},
		}
	}
	c := &Cluster{
		Nodes: []policy.Node{
			{Name: "n1", Addresses: addresses("192.0.2.1", "2001:db8::1")},
			{Name: "n2", Addresses: addresses("192.0.2.2")},
		},
		Pods:     []*policy.Pod{pod("a", "n1", "10.0.0.1"), pod("b", "n2", "10.0.0.2"), pod("c", "", "10.0.0.3"), pod("d", "n1", "10.0.0.4")},
		Services: []*policy.Service{{Namespace: "shop", Name: "all"}, nil},
		Policies: []*policy.Policy{{Ref: policy.PolicyRef{Namespace: "shop", Name: "p"}}},
		Trial:    NewTrial(nil, nil, nil),
	}
	o := &corev1.Service{}
	local := corev1.ServiceInternalTrafficPolicyLocal
	o.Namespace, o.Name, o.Spec.ClusterIP, o.Spec.Selector = "shop", "db", "10.96.0.1", map[string]string{"app": "db"}
	o.Spec.InternalTrafficPolicy = &local
	o.Spec.Ports = []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}
	frontend, faults := convert.Service(o)
	balanced, more := frontend.Resolve(nil, convert.IndexPods(c.Pods))
	if len(faults)+len(more) > 0 {
		t.Fatal(faults, more)
	}
	c.Services[1], c.Balanced = balanced.All(), map[int]*convert.Balanced{1: balanced}
	return c
}

// P17, P18: a node's addresses are those of its Node object, and its pods those
// that name it.
func TestNodes(t *testing.T) {
	c := twoNodes(t)
	for _, row := range []struct {
		sentence, node string
		addresses      []netip.Addr
		pods           []string
	}{
		{"the first has two addresses and two pods", "n1", addresses("192.0.2.1", "2001:db8::1"), []string{"a", "d"}},
		{"the second has one of each", "n2", addresses("192.0.2.2"), []string{"b"}},
		{"one without an object has neither", "n3", nil, nil},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			if got := c.Addresses(row.node); !slices.Equal(got, row.addresses) {
				t.Errorf("got addresses %v, want %v", got, row.addresses)
			}
			if got := names(c.Local(row.node), podName); !slices.Equal(got, row.pods) {
				t.Errorf("got pods %v, want %v", got, row.pods)
			}
			if got := c.World(row.node, settings.Settings{}).LocalAddresses; !slices.Equal(got, row.addresses) {
				t.Errorf("got local addresses %v, want %v", got, row.addresses)
			}
		})
	}
}

// P7: what is said of a node comes before what is said of the cluster, and that
// before the flags.
func TestSettings(t *testing.T) {
	base := settings.Settings{Default: policy.Allow, AWSRuleOrder: policy.AsWritten, ClusterDNS: addresses("10.96.0.10")}
	for _, row := range []struct {
		sentence string
		cluster  map[string]string
		node     map[string]policy.Verdict
		want     policy.Verdict
		order    policy.RuleOrder
		dns      []netip.Addr
	}{
		{"nothing is said, and the flags hold", nil, nil, policy.Allow, policy.AsWritten, addresses("10.96.0.10")},
		{"the cluster's settings come before flags", map[string]string{"default": "Deny", "awsRuleOrder": "DenyFirst", "clusterDNS": "10.96.0.11"}, nil,
			policy.Deny, policy.DenyFirst, addresses("10.96.0.11")},
		{"the node's default comes before the cluster's, and nothing else does", map[string]string{"default": "Deny"}, map[string]policy.Verdict{"n1": policy.Allow},
			policy.Allow, policy.AsWritten, addresses("10.96.0.10")},
		{"the node's default comes before the flags", nil, map[string]policy.Verdict{"n1": policy.Deny},
			policy.Deny, policy.AsWritten, addresses("10.96.0.10")},
		{"what is said of another node does not count", nil, map[string]policy.Verdict{"n2": policy.Deny},
			policy.Allow, policy.AsWritten, addresses("10.96.0.10")},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			c := twoNodes(t)
			c.Overrides, c.Defaults = set(t, row.cluster), row.node
			if got := c.Settings("n1", base).Default; got != row.want {
				t.Errorf("got default %v, want %v", got, row.want)
			}
			w := c.World("n1", base)
			if w.Node != "n1" || w.Default != row.want || w.AWSRuleOrder != row.order || !slices.Equal(w.ClusterDNS, row.dns) {
				t.Errorf("got node %s, default %v, order %v and DNS %v, want n1, %v, %v and %v",
					w.Node, w.Default, w.AWSRuleOrder, w.ClusterDNS, row.want, row.order, row.dns)
			}
		})
	}
}

// P22: each node has its own view of the Services whose backends depend on it,
// and of the others the one of all; what one node sees changes nothing for
// others.
func TestServicesByNode(t *testing.T) {
	c := twoNodes(t)
	everywhere := slices.Clone(c.Services)
	for node, want := range map[string][]netip.Addr{
		"n1": addresses("10.0.0.1", "10.0.0.3", "10.0.0.4"), "n2": addresses("10.0.0.2", "10.0.0.3"), "n3": addresses("10.0.0.3"),
	} {
		w := c.World(node, settings.Settings{})
		if got := names(w.Services, func(s *policy.Service) string { return s.Name }); !slices.Equal(got, []string{"all", "db"}) {
			t.Fatalf("%s: got Services %v, want all and db, in this order", node, got)
		}
		var got []netip.Addr
		for _, b := range w.Services[1].Ports[0].Backends {
			got = append(got, b.Addr)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got backends %v, want %v", node, got, want)
		}
		if w.Services[0] != c.Services[0] {
			t.Errorf("%s: got another Service where nothing depends on the node", node)
		}
		if again := c.World(node, settings.Settings{}); again.Services[1] != w.Services[1] {
			t.Errorf("%s: got another Service in a second World, want the same", node)
		}
	}
	if !slices.Equal(c.Services, everywhere) {
		t.Error("the Worlds changed the cluster")
	}
}

// Worlds share what is the same, so that finding what has changed costs next to
// nothing, but not what callers add the host's addresses to.
func TestWorldsShare(t *testing.T) {
	c := twoNodes(t)
	c.Balanced = nil
	a, b := c.World("n1", settings.Settings{}), c.World("n1", settings.Settings{})
	if &a.Services[0] != &b.Services[0] || &a.Pods[0] != &b.Pods[0] || &a.Policies[0] != &b.Policies[0] || &a.Nodes[0] != &b.Nodes[0] {
		t.Error("got lists of their own, want shared ones")
	}
	a.LocalAddresses[0] = netip.MustParseAddr("192.0.2.99")
	if got := c.Addresses("n1")[0]; got != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("got the Node object's address changed to %s", got)
	}
}
