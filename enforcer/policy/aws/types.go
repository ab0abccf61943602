// Package aws holds the API objects of the group networking.k8s.aws, version
// v1alpha1, so that an object written for EKS is read unchanged. It knows the
// fields and nothing else: what they mean is decided by package convert.
package aws

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// Group is the API group of both kinds.
	Group = "networking.k8s.aws"
	// Version is the only version of the group.
	Version = "v1alpha1"
	// ApplicationNetworkPolicyKind is namespaced.
	ApplicationNetworkPolicyKind = "ApplicationNetworkPolicy"
	// ClusterNetworkPolicyKind is cluster-scoped. The upstream API has a kind
	// of the same name in another group.
	ClusterNetworkPolicyKind = "ClusterNetworkPolicy"
)

// ApplicationNetworkPolicy is a NetworkPolicy whose egress peers may be
// domain names.
type ApplicationNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   ApplicationNetworkPolicySpec `json:"spec"`
	Status Status                       `json:"status,omitempty"`
}

// ApplicationNetworkPolicySpec says which pods of the namespace are selected
// and what they may talk to.
type ApplicationNetworkPolicySpec struct {
	// PodSelector selects pods of the policy's own namespace; empty selects
	// all of them.
	PodSelector metav1.LabelSelector `json:"podSelector"`
	// PolicyTypes has neither an enum nor a default in the schema, so that it
	// may hold anything or be absent.
	PolicyTypes []networkingv1.PolicyType               `json:"policyTypes,omitempty"`
	Ingress     []networkingv1.NetworkPolicyIngressRule `json:"ingress,omitempty"`
	Egress      []ApplicationEgressRule                 `json:"egress,omitempty"`
}

// ApplicationEgressRule allows what matches one of To and one of Ports. An
// empty list matches everything.
type ApplicationEgressRule struct {
	Ports []networkingv1.NetworkPolicyPort `json:"ports,omitempty"`
	To    []ApplicationPeer                `json:"to,omitempty"`
}

// ApplicationPeer is selectors, an IP block or domain names, never two of
// these three.
type ApplicationPeer struct {
	PodSelector       *metav1.LabelSelector `json:"podSelector,omitempty"`
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	IPBlock           *networkingv1.IPBlock `json:"ipBlock,omitempty"`
	DomainNames       []string              `json:"domainNames,omitempty"`
}

// Status holds the conditions of either kind.
type Status struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
