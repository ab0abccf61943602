package aws

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterNetworkPolicy is an administrator's policy for pods of any
// namespace.
type ClusterNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   ClusterNetworkPolicySpec `json:"spec"`
	Status Status                   `json:"status,omitempty"`
}

// ClusterNetworkPolicySpec orders itself among other policies, selects its
// pods and lists rules.
type ClusterNetworkPolicySpec struct {
	// Tier is Admin or Baseline.
	Tier string `json:"tier"`
	// Priority is 0 to 1000; a smaller one goes first.
	Priority int32          `json:"priority"`
	Subject  ClusterSubject `json:"subject"`
	// A direction without rules is not touched by the policy.
	Ingress []ClusterIngressRule `json:"ingress,omitempty"`
	Egress  []ClusterEgressRule  `json:"egress,omitempty"`
}

// ClusterSubject has exactly one field set.
type ClusterSubject struct {
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
	Pods       *NamespacedPod        `json:"pods,omitempty"`
}

// NamespacedPod selects pods by their own labels and those of their
// namespace. An empty selector selects everything.
type NamespacedPod struct {
	NamespaceSelector metav1.LabelSelector `json:"namespaceSelector"`
	PodSelector       metav1.LabelSelector `json:"podSelector"`
}

// ClusterIngressRule applies Action (Accept, Deny, Pass) to what comes from
// one of From to one of Ports; no ports means everything.
type ClusterIngressRule struct {
	Name   string               `json:"name,omitempty"`
	Action string               `json:"action"`
	From   []ClusterIngressPeer `json:"from"`
	Ports  []ClusterPort        `json:"ports,omitempty"`
}

// ClusterEgressRule applies Action (Accept, Deny, Pass) to what goes to one
// of To on one of Ports; no ports means everything.
type ClusterEgressRule struct {
	Name   string              `json:"name,omitempty"`
	Action string              `json:"action"`
	To     []ClusterEgressPeer `json:"to"`
	Ports  []ClusterPort       `json:"ports,omitempty"`
}

// ClusterIngressPeer has exactly one field set.
type ClusterIngressPeer struct {
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
	Pods       *NamespacedPod        `json:"pods,omitempty"`
}

// ClusterEgressPeer has exactly one field set.
type ClusterEgressPeer struct {
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
	Pods       *NamespacedPod        `json:"pods,omitempty"`
	// Networks are CIDRs, which the schema does not check.
	Networks []string `json:"networks,omitempty"`
	// DomainNames may be used with Accept only.
	DomainNames []string `json:"domainNames,omitempty"`
}

// ClusterPort has exactly one field set.
type ClusterPort struct {
	PortNumber *ClusterPortNumber `json:"portNumber,omitempty"`
	PortRange  *ClusterPortRange  `json:"portRange,omitempty"`
	// NamedPort is a container port's name, of whatever protocol.
	NamedPort *string `json:"namedPort,omitempty"`
}

// ClusterPortNumber is one port, 1 to 65535, of TCP unless Protocol says
// otherwise.
type ClusterPortNumber struct {
	Protocol string `json:"protocol,omitempty"`
	Port     int32  `json:"port"`
}

// ClusterPortRange is the ports Start to End, inclusive, of TCP unless
// Protocol says otherwise.
type ClusterPortRange struct {
	Protocol string `json:"protocol,omitempty"`
	Start    int32  `json:"start"`
	End      int32  `json:"end"`
}
