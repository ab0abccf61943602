// Package kube reads the cluster from a Kubernetes API server and keeps up with
// it: pods, namespaces, nodes, Services with their EndpointSlices, policies of
// all kinds, and the settings of the own namespace. It keeps what decides
// verdicts and nothing else.
//
// It knows the API, and how servers fail. It must not know what policies mean,
// which package convert does, nor what becomes of what it hands out. It writes
// nothing to the API server.
package kube

import rbac "k8s.io/api/rbac/v1"

// ClusterRules are all that the service account needs in the whole cluster.
// Policies are read as they are: their status belongs to others.
var ClusterRules = []rbac.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"pods", "namespaces", "nodes", "services"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{"networking.k8s.aws"}, Resources: []string{"applicationnetworkpolicies", "clusternetworkpolicies"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{"policy.networking.k8s.io"}, Resources: []string{"clusternetworkpolicies"}, Verbs: []string{"list", "watch"}},
}

// NamespaceRules are all that it needs in its own namespace besides. The server
// allows lists and watches of a single name by that name.
var NamespaceRules = []rbac.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"nameward"}, Verbs: []string{"list", "watch"}},
}
