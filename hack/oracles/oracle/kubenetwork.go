package oracle

import (
	"context"
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"sigs.k8s.io/kube-network-policies/pkg/api"
	"sigs.k8s.io/kube-network-policies/pkg/network"
	engines "sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
	cnp "sigs.k8s.io/kube-network-policies/plugins/npa-v1alpha2"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
	cnplisters "sigs.k8s.io/network-policy-api/pkg/client/listers/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/oracles/cluster"
)

// NetworkPolicies is the engine of kube-network-policies, for NetworkPolicies.
func NetworkPolicies() *Oracle {
	return &Oracle{
		Name:  "kube-network-policies",
		Kinds: cluster.Kinds{Namespaced: true},
		Masks: kubeNetworkMasks,
		open:  func() engine { return newKubeNetwork(false) },
	}
}

// ClusterPolicies is that engine with its plugin for ClusterNetworkPolicies
// of v1alpha2.
func ClusterPolicies() *Oracle {
	return &Oracle{
		Name:  "kube-network-policies-v1alpha2",
		Kinds: cluster.Kinds{Namespaced: true, Cluster: true},
		Masks: slices.Concat(kubeNetworkMasks, clusterMasks),
		open:  func() engine { return newKubeNetwork(true) },
	}
}

type kubeNetwork struct {
	cluster *cluster.Cluster
	pods    map[string]*api.PodInfo
	// The informers are filled anew with every cluster; the engines look there.
	nodes           *informer[corelisters.NodeLister]
	clusterPolicies *informer[cnplisters.ClusterNetworkPolicyLister]
	// network are the NetworkPolicies by direction; both are full where the
	// engine is to show that it confuses the directions.
	network map[policy.Direction]*informer[networkinglisters.NetworkPolicyLister]
	engines map[policy.Direction]*engines.PolicyEngine
}

func newKubeNetwork(withCluster bool) *kubeNetwork {
	o := &kubeNetwork{
		nodes:           newInformer(&corev1.Node{}, corelisters.NewNodeLister),
		clusterPolicies: newInformer(&policyv1alpha2.ClusterNetworkPolicy{}, cnplisters.NewClusterNetworkPolicyLister),
		network:         map[policy.Direction]*informer[networkinglisters.NetworkPolicyLister]{},
		engines:         map[policy.Direction]*engines.PolicyEngine{},
	}
	namespaces := newInformer(&corev1.Namespace{}, corelisters.NewNamespaceLister)
	pods := newInformer(&corev1.Pod{}, corelisters.NewPodLister)
	tier := func(t policyv1alpha2.Tier) api.PolicyEvaluator {
		return cnp.NewClusterNetworkPolicy(t, o.clusterPolicies, o, o.nodes.lister)
	}
	for _, d := range []policy.Direction{policy.Ingress, policy.Egress} {
		o.network[d] = newInformer(&networkingv1.NetworkPolicy{}, networkinglisters.NewNetworkPolicyLister)
		evaluators := []api.PolicyEvaluator{engines.NewStandardNetworkPolicy("", namespaces, pods, o.network[d])}
		if withCluster {
			evaluators = []api.PolicyEvaluator{tier(policyv1alpha2.AdminTier), evaluators[0], tier(policyv1alpha2.BaselineTier)}
		}
		for i := range evaluators {
			evaluators[i] = oneWay{evaluators[i], d}
		}
		o.engines[d] = engines.NewPolicyEngine(o, evaluators)
	}
	return o
}

func (o *kubeNetwork) load(c *cluster.Cluster, off []*Mask) {
	o.cluster, o.pods = c, map[string]*api.PodInfo{}
	for i := range c.Pods {
		for _, ip := range c.Pods[i].Status.PodIPs {
			if cluster.Policed(&c.Pods[i]) {
				o.pods[ip.IP] = api.NewPodInfo(&c.Pods[i], c.NamespaceLabels(c.Pods[i].Namespace), nil, "")
			}
		}
	}
	fill(o.nodes, pointers(c.Nodes))
	fill(o.clusterPolicies, pointers(c.ClusterPolicies))
	all := networkPolicies(c)
	for d, s := range o.network {
		touching := all
		if !slices.Contains(off, maskDirections) {
			touching = slices.DeleteFunc(slices.Clone(all), func(p *networkingv1.NetworkPolicy) bool {
				return !slices.Contains(p.Spec.PolicyTypes, policyType(d))
			})
		}
		fill(s, touching)
	}
}

func policyType(d policy.Direction) networkingv1.PolicyType {
	if d == policy.Ingress {
		return networkingv1.PolicyTypeIngress
	}
	return networkingv1.PolicyTypeEgress
}

func (o *kubeNetwork) allows(f cluster.Flow) bool {
	source, destination := f.Ends()
	packet := &network.Packet{
		SrcIP: net.IP(source.AsSlice()), DstIP: net.IP(destination.AsSlice()),
		Proto: f.Protocol, SrcPort: 33333, DstPort: int(f.Port),
	}
	if f.Protocol == "ICMP" {
		packet.Proto, packet.SrcPort = "", 0 // as its parser has it
	}
	allowed, err := o.engines[f.Direction].EvaluatePacket(context.Background(), packet)
	if err != nil {
		panic(err)
	}
	return allowed
}

// GetPodInfoByIP is how the engine finds a pod.
func (o *kubeNetwork) GetPodInfoByIP(ip string) (*api.PodInfo, bool) {
	p, found := o.pods[ip]
	return p, found
}

// oneWay leaves the other direction undecided.
type oneWay struct {
	api.PolicyEvaluator
	direction policy.Direction
}

func (e oneWay) EvaluateIngress(ctx context.Context, p *network.Packet, from, to *api.PodInfo) (api.Verdict, error) {
	if e.direction != policy.Ingress {
		return api.VerdictNext, nil
	}
	return e.PolicyEvaluator.EvaluateIngress(ctx, p, from, to)
}

func (e oneWay) EvaluateEgress(ctx context.Context, p *network.Packet, from, to *api.PodInfo) (api.Verdict, error) {
	if e.direction != policy.Egress {
		return api.VerdictNext, nil
	}
	return e.PolicyEvaluator.EvaluateEgress(ctx, p, from, to)
}
