package oracle

import "github.com/nameward/nameward/hack/oracles/cluster"

// Mask is a known fault of an oracle. It skips the flows that the fault can
// touch, or lays an equal cluster before the oracle that avoids it.
type Mask struct {
	Oracle string
	// What is masked, Reason why the oracle and not nameward is wrong.
	What, Reason string

	skip   func(*cluster.Cluster, cluster.Flow) bool
	adjust func(*cluster.Cluster) bool
}

// Skips says whether flows are left out, instead of asked in other words.
func (m *Mask) Skips() bool { return m.skip != nil }

const (
	cyclonusName    = "cyclonus"
	kubeNetworkName = "kube-network-policies"
	clusterName     = "kube-network-policies-v1alpha2"
)

var cyclonusMasks = []*Mask{
	{
		Oracle: cyclonusName,
		What:   "NotIn on a label that is absent",
		Reason: "kube/labelselector.go takes it for no match; an API server's selectors match (k8s.io/apimachinery/pkg/labels, Requirement.Matches)",
		skip:   meetsAbsentNotIn,
	},
	{
		Oracle: cyclonusName,
		What:   "matchLabels with an empty value",
		Reason: "kube/labelselector.go reads the label of a map that may not have it; an empty value is a value, and an absent label has none",
		adjust: spellEmptyValues,
	},
	{
		Oracle: cyclonusName,
		What:   "missing policyTypes",
		Reason: "matcher/builder.go panics; an API server fills them in (NetworkPolicySpec.PolicyTypes)",
		adjust: defaultTypes,
	},
	{
		Oracle: cyclonusName,
		What:   "leading zeros in a CIDR",
		Reason: "kube/ipaddress.go panics; objects from before Go 1.17 may hold them, and are read as decimal (netutils.ParseCIDRSloppy)",
		adjust: spellCIDRs,
	},
	{
		Oracle: cyclonusName,
		What:   "named port of an egress rule under an ipBlock",
		Reason: "matcher/ippeermatcher.go knows the name of the port, not whose it is; a block selects addresses, which have no named ports (NetworkPolicyPort.Port: \"a numerical or named port on a pod\"; upstream's ClusterNetworkPolicy forbids the pair)",
		adjust: splitNamed,
	},
	selfMask(cyclonusName),
	ownNodeMask(cyclonusName),
}

var kubeNetworkMasks = []*Mask{
	{
		Oracle: kubeNetworkName,
		What:   "missing policyTypes",
		Reason: "EvaluatePolicyDirection loops over them and finds nothing to do; an API server fills them in (NetworkPolicySpec.PolicyTypes)",
		adjust: defaultTypes,
	},
	{
		Oracle: kubeNetworkName,
		What:   "missing protocol of a port",
		Reason: "evaluatePorts follows the nil pointer; an API server fills in TCP (NetworkPolicyPort.Protocol)",
		adjust: fillProtocol,
	},
	{
		Oracle: kubeNetworkName,
		What:   "empty list of rules, not nil",
		Reason: "evaluateIngress and evaluateEgress allow everything; \"if this field is empty then this NetworkPolicy does not allow any traffic\" (NetworkPolicySpec.Ingress). From an API server it arrives as nil",
		adjust: dropEmptyRules,
	},
	{
		Oracle: kubeNetworkName,
		What:   "leading zeros in a CIDR",
		Reason: "evaluateIPBlocks matches everything where it cannot parse; old objects may hold them, and are read as decimal (netutils.ParseCIDRSloppy)",
		adjust: spellCIDRs,
	},
	{
		Oracle: kubeNetworkName,
		What:   "named port of an egress rule under an ipBlock",
		Reason: "evaluatePorts looks at the pod that has the address, whatever the peer; a block selects addresses, which have no named ports (NetworkPolicyPort.Port: \"a numerical or named port on a pod\"; upstream's ClusterNetworkPolicy forbids the pair)",
		adjust: splitNamed,
	},
	{
		Oracle: kubeNetworkName,
		What:   "ports of init containers that stay",
		Reason: "api.NewPodInfo reads spec.containers; restartable init containers have ports like others (Container.RestartPolicy)",
		adjust: keepSidecars,
	},
	{
		Oracle: kubeNetworkName,
		What:   "port 0 and a named port",
		Reason: "evaluatePorts compares with IntOrString.IntValue, which is 0 for a name",
		skip:   meetsPortZero,
	},
	selfMask(kubeNetworkName),
	ownNodeMask(kubeNetworkName),
}

// maskDirections is known to the engine.
var maskDirections = &Mask{
	Oracle: clusterName,
	What:   "NetworkPolicy of the other direction",
	Reason: "EvaluateIngress and EvaluateEgress accept where policies select the pod for the other direction only, so that Baseline is not asked; a pod is isolated per direction (NetworkPolicySpec.PolicyTypes)",
	adjust: hasOneWayPolicies,
}

var clusterMasks = []*Mask{
	maskDirections,
	{
		Oracle: clusterName,
		What:   "rule with a peer or CIDR that is not understood, or a denied name",
		Reason: "the plugin passes over what it does not know; such a rule fails closed: Accept matches nothing, Deny and Pass deny all (ClusterNetworkPolicyEgressPeer); names are for Accept only (DomainNames)",
		adjust: closeRules,
	},
	{
		Oracle: clusterName,
		What:   "closed ingress rule, and a source that is no pod",
		Reason: "evaluateClusterIngress passes before it reads a rule where the source is no pod, and no peer of an ingress rule selects one, so that \"deny all\" cannot be said to it in other words",
		skip:   meetsClosedIngress,
	},
	{
		Oracle: clusterName,
		What:   "named port under networks, nodes or domainNames",
		Reason: "evaluateProtocols looks at the pod that has the address, whatever the peer; the rule of the API forbids the pair, and addresses have no named ports",
		adjust: splitClusterNamed,
	},
	{
		Oracle: clusterName,
		What:   "addresses of nodes of other types",
		Reason: "evaluateClusterEgress reads InternalIP and ExternalIP only; \"matching on the IPs present in the node.Status.Addresses field\" (ClusterNetworkPolicyEgressPeer.Nodes)",
		adjust: retypeAddresses,
	},
}

func selfMask(oracle string) *Mask {
	return &Mask{
		Oracle: oracle,
		What:   "a pod's traffic to itself, on its way out",
		Reason: "judged like any other; a pod cannot block access to itself (Kubernetes' documentation of network policies)",
		skip:   isSelf,
	}
}

func ownNodeMask(oracle string) *Mask {
	return &Mask{
		Oracle: oracle,
		What:   "ingress from the pod's own node",
		Reason: "the model has no nodes; such traffic is always allowed (NetworkPolicySpec.Ingress: \"OR if the traffic source is the pod's local node\")",
		skip:   fromOwnNode,
	}
}
