package report

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/nameward/nameward/enforcer/policy"
)

// State is what an enforcer knows when it tells. It and all below it are
// immutable once passed to Set.
type State struct {
	// Policies are all of the cluster, as this enforcer has compiled them last,
	// whether or not the kernel has them.
	// Passing the same slice again costs nothing.
	Policies []Policy
	// Applied is, for each kind, the resourceVersion up to which everything of
	// that kind is in force in the kernel: that of the informer, or of the
	// newest object, at the time of the view that the kernel has. A kind that
	// is absent has nothing in force. It is nil as long as this process has put
	// nothing into the kernel: what is in force there is its predecessor's, whose
	// Lease goes on to say so until it is overdue.
	Applied map[Kind]string
	// Unpoliced are the pods of this node that should be policed and are not.
	// They are told of only when they stay so for a while.
	Unpoliced []Unpoliced
	// Nodes is how many nodes the cluster has, as far as known. Many spread
	// their writing over more time.
	Nodes int
}

// Policy is one policy object of the cluster.
type Policy struct {
	Ref             policy.PolicyRef
	UID             types.UID
	Generation      int64
	ResourceVersion string
	// Problems are why parts of it are closed (P15).
	Problems []policy.Problem
}

// Unpoliced is a pod that no filter holds, and why.
type Unpoliced struct {
	Pod policy.PodRef
	Why string
}
