package policy

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/labels"
)

// World is everything that decides verdicts, as of one moment. It is a plain
// immutable value: whoever builds one never changes it afterwards.
type World struct {
	// Node is the name of this node. Only its pods become endpoints.
	Node string
	// Default is the node default after Baseline, already resolved for Node
	// (SEMANTICS P7).
	Default Verdict
	// AWSRuleOrder is how rules inside one AWS ClusterNetworkPolicy and among
	// those of equal priority are ordered (P4).
	AWSRuleOrder RuleOrder
	// ClusterDNS are the addresses that pods with a name rule may always ask
	// on port 53, UDP and TCP (N8). Empty switches the implied rule off.
	ClusterDNS []netip.Addr
	// LocalAddresses are the addresses of this node itself (P18).
	LocalAddresses []netip.Addr

	Namespaces map[string]labels.Set
	Nodes      []Node
	// Pods, Services and Policies: a World shares with the one before it the
	// pointers of those that have not changed, so that finding what did costs
	// next to nothing.
	Pods     []*Pod
	Services []*Service
	Policies []*Policy

	// AuditDefault says that where the node default denies, the denial is only
	// reported (P23).
	AuditDefault bool
	// AuditNamespaces are the namespaces for whose pods the same holds.
	AuditNamespaces map[string]bool
}

// Node is a cluster node as a peer (P14).
type Node struct {
	Name      string
	Labels    labels.Set
	Addresses []netip.Addr
}

// Pod is a pod of the cluster, as a subject, a peer or both.
type Pod struct {
	Ref       PodRef
	Labels    labels.Set
	Node      string
	Addresses []netip.Addr
	Ports     []NamedPort
	// HostNetwork pods are neither subjects nor pod peers (P17).
	HostNetwork bool
	// Finished pods (Succeeded, Failed) are neither as well (P16).
	Finished bool
	// Interface is the pod's host-side interface where the source of the
	// World knows it; the compiler ignores it.
	Interface string
}

// NamedPort is a container port that has a name (P10).
type NamedPort struct {
	Name     string
	Protocol uint8
	Number   uint16
}

// Service is a Kubernetes Service. Its addresses are never learnt from DNS
// (N10).
type Service struct {
	Namespace, Name string
	// Addresses are those that the node's service proxy translates: cluster
	// addresses, external and load-balancer ones. A headless Service has none.
	Addresses []netip.Addr
	Ports     []ServicePort
}

// ServicePort is a port of a Service and what is behind it (P22).
type ServicePort struct {
	Protocol uint8
	Port     uint16
	// Backends are all to which a new connection may be sent, of both
	// families; those of the Service address's family count. Empty where
	// there is none, and then the address is judged as any other.
	Backends []Backend
}

// Backend is an address and port behind a Service.
type Backend struct {
	Addr netip.Addr
	Port uint16
}

// RuleOrder says how the rules of AWS ClusterNetworkPolicies are ordered (P4).
type RuleOrder uint8

const (
	// DenyFirst: rules of one priority share it, and Deny beats Accept beats
	// Pass, then rule order, then name. What EKS does.
	DenyFirst RuleOrder = iota
	// AsWritten: rule order inside the object, then object name. What the
	// upstream API says.
	AsWritten
)

// PolicyRef identifies an API object to people. Kind keeps a NetworkPolicy
// and an ApplicationNetworkPolicy of one name apart (P8).
type PolicyRef struct {
	// Group is the API group, such as networking.k8s.aws.
	Group, Kind     string
	Namespace, Name string
}

// Policy is an API object of any of the five sources in the one rule model.
type Policy struct {
	Ref PolicyRef
	// Tier is TierAdmin, TierNetworkPolicy or TierBaseline.
	Tier Tier
	// Priority orders the policies of the Admin and Baseline tiers, 0 first.
	Priority int32
	// AWS marks the AWS kind of ClusterNetworkPolicy, to which
	// World.AWSRuleOrder applies.
	AWS bool
	// Audit says that the policy is on trial: what it denies is reported and
	// passes (P23). It neither isolates nor allows meanwhile.
	Audit bool
	// Lockdown says that the pods that the policy selects for egress may ask
	// for nothing but the names of their rules (N9).
	Lockdown bool
	Subject  PodSelector
	// Names are the policy's own terms for what its names lead to.
	Names NameTerms
	// Ingress and Egress are nil where the policy does not touch that
	// direction. A section without rules isolates in the NetworkPolicy tier
	// (P6, P13).
	Ingress, Egress *Section
}

// Section is one direction of a policy.
type Section struct {
	Rules []Rule
}

// Rule is one rule of a policy.
type Rule struct {
	// Name is what the author called the rule, or "" (then its index names it).
	Name string
	// Action is ActionAccept for every rule of the NetworkPolicy tier.
	Action Action
	// AllPeers says that the rule has no peers, which means every peer (P13).
	AllPeers bool
	Peers    []Peerage
	// AllPorts says that the rule has no ports: all protocols, ICMP included.
	AllPorts bool
	Ports    []Port
}

// Peerage is one peer of a rule: exactly one field is set. A peer that nobody
// understands has none set and Malformed says why; such a rule matches nothing
// where it accepts and everything where it denies or passes (P15).
type Peerage struct {
	Pods      *PodSelector
	Nodes     labels.Selector
	Block     *Block
	Name      string
	Malformed string
}

// PodSelector selects pods by their own labels and those of their namespace.
// A nil selector matches everything; Namespace, if set, is the only namespace.
type PodSelector struct {
	Namespace  string
	Namespaces labels.Selector
	Pods       labels.Selector
}

// Block is a CIDR with holes (P11). Both are masked prefixes.
type Block struct {
	CIDR   netip.Prefix
	Except []netip.Prefix
}

// Port is one port of a rule.
type Port struct {
	// Protocol is an IANA number; zero in a named port means "the protocol of
	// the container port of that name".
	Protocol uint8
	// First to Last, inclusive. 0 to 65535 means every port of the protocol.
	First, Last uint16
	// Name is a container port's name; then First and Last are zero (P10).
	Name string
	// Malformed says why the port cannot be understood; it matches nothing
	// where the rule accepts, everything where it denies or passes (P15).
	Malformed string
}
