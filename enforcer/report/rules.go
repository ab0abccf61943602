package report

import rbac "k8s.io/api/rbac/v1"

// Permissions are what a service account must be allowed.
type Permissions struct {
	// Namespace are rules of a Role in the enforcers' own namespace, Cluster
	// those of a ClusterRole.
	Namespace, Cluster []rbac.PolicyRule
}

// Rules are the permissions that a Reporter needs. create cannot be restricted to
// names; all other Leases of the namespace would be ours, too.
var Rules = Permissions{
	Namespace: []rbac.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch"}},
	},
	Cluster: []rbac.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{ApplicationNetworkPolicy.Group}, Resources: []string{"applicationnetworkpolicies", "clusternetworkpolicies"}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{ClusterNetworkPolicy.Group}, Resources: []string{"clusternetworkpolicies"}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{ApplicationNetworkPolicy.Group}, Resources: []string{"applicationnetworkpolicies/status", "clusternetworkpolicies/status"}, Verbs: []string{"patch"}},
		{APIGroups: []string{ClusterNetworkPolicy.Group}, Resources: []string{"clusternetworkpolicies/status"}, Verbs: []string{"patch"}},
		{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	},
}
