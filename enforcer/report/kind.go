package report

import (
	"fmt"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
)

// Kind is a kind of policy.
type Kind struct{ Group, Kind string }

// The kinds of policies, as policy.PolicyRef has them.
var (
	NetworkPolicy            = Kind{"networking.k8s.io", "NetworkPolicy"}
	ApplicationNetworkPolicy = Kind{"networking.k8s.aws", "ApplicationNetworkPolicy"}
	AWSClusterNetworkPolicy  = Kind{"networking.k8s.aws", "ClusterNetworkPolicy"}
	ClusterNetworkPolicy     = Kind{"policy.networking.k8s.io", "ClusterNetworkPolicy"}
)

// Kinds are all of them.
var Kinds = []Kind{NetworkPolicy, ApplicationNetworkPolicy, AWSClusterNetworkPolicy, ClusterNetworkPolicy}

// KindOf is the kind of a policy.
func KindOf(ref policy.PolicyRef) Kind { return Kind{ref.Group, ref.Kind} }

// served is how the API server serves a kind.
type served struct {
	version, resource string
	// status says that objects of the kind have one. NetworkPolicy lost its
	// own before it came out of alpha (KEP-2943).
	status bool
}

var serving = map[Kind]served{
	NetworkPolicy:            {"v1", "networkpolicies", false},
	ApplicationNetworkPolicy: {"v1alpha1", "applicationnetworkpolicies", true},
	AWSClusterNetworkPolicy:  {"v1alpha1", "clusternetworkpolicies", true},
	ClusterNetworkPolicy:     {"v1alpha2", "clusternetworkpolicies", true},
}

// String is the kind as it stands in the Leases of nodes, such as
// networkpolicies.networking.k8s.io.
func (k Kind) String() string {
	if s, ok := serving[k]; ok {
		return s.resource + "." + k.Group
	}
	return strings.ToLower(k.Kind) + "." + k.Group
}

func (k Kind) apiVersion() string { return k.Group + "/" + serving[k].version }

// collection is the path under which all objects of the kind are listed.
func (k Kind) collection() string {
	s := serving[k]
	return fmt.Sprintf("/apis/%s/%s/%s", k.Group, s.version, s.resource)
}

// object is the path of one object.
func objectPath(ref policy.PolicyRef) string {
	k := KindOf(ref)
	if ref.Namespace == "" {
		return k.collection() + "/" + ref.Name
	}
	s := serving[k]
	return fmt.Sprintf("/apis/%s/%s/namespaces/%s/%s/%s", k.Group, s.version, ref.Namespace, s.resource, ref.Name)
}
