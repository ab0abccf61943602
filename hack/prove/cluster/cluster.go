// Package cluster makes random clusters, as the API objects that users write:
// namespaces, nodes, pods, settings and policies of all five sources, and
// packets that meet them. It knows the APIs' fields and what is odd in them;
// of verdicts it must know nothing, since they are what its clusters are made
// to try.
package cluster

import (
	"net/netip"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
)

// Here is the name of the node whose pods are policed.
const Here = "n1"

// Slots is how many live pods a cluster has at most. Each has its slot, and
// with it its addresses and interface, for as long as it lives.
const Slots = 6

// Cluster is API objects, what the node knows besides, and what pods have
// learnt. It is never changed: a change makes another one, which shares what
// is the same.
type Cluster struct {
	Namespaces []*corev1.Namespace
	Nodes      []*corev1.Node
	Pods       []*Pod
	Services   []*Service
	Policies   []*Policy
	// Settings is the ConfigMap "nameward", or nil.
	Settings *corev1.ConfigMap
	// Local are addresses of the node that its object does not tell.
	Local []netip.Addr
	// Lessons are what pods have learnt, one for each pod and address.
	Lessons []Lesson

	born int // how many pods and policies there have been
}

// Pod is a pod and what it is converted to.
type Pod struct {
	Object *corev1.Pod
	Slot   int
	model  *policy.Pod
}

// Name is the pod's namespace and name, as packets and lessons tell it.
func (p *Pod) Name() string { return p.Object.Namespace + "/" + p.Object.Name }

// UID is what the pod's endpoint is made of.
func (p *Pod) UID() string { return string(p.Object.UID) }

// Policed says whether the pod is an endpoint of this node (P16, P17).
func (p *Pod) Policed() bool {
	return p.model.Node == Here && !p.model.HostNetwork && !p.model.Finished
}

// Policed says whether p is an endpoint of the World's node (P16, P17).
func Policed(w *policy.World, p *policy.Pod) bool {
	return p.Node == w.Node && !p.HostNetwork && !p.Finished
}

// Subject gives the endpoint of that namespace and name, or nil.
func Subject(w *policy.World, name string) *policy.Pod {
	for _, p := range w.Pods {
		if Policed(w, p) && p.Ref.Namespace+"/"+p.Ref.Name == name {
			return p
		}
	}
	return nil
}

// Lesson is an address that a pod has learnt, and the names that led there.
type Lesson struct {
	Pod   string
	Peer  netip.Addr
	Names []string
	// Expired lessons are in the kernel still, but count no more (N5).
	Expired bool
}

// Find gives the live pod of that name, or else a finished one, or nil.
func (c *Cluster) Find(name string) *Pod {
	for _, p := range c.Pods {
		if p.Name() == name {
			return p
		}
	}
	return nil
}

// Policed are the endpoints of this node.
func (c *Cluster) Policed() []*Pod {
	var found []*Pod
	for _, p := range c.Pods {
		if p.Policed() {
			found = append(found, p)
		}
	}
	return found
}

// World converts the objects without their text, which is faster; a test holds
// that it is what reading the text gives.
func (c *Cluster) World() *policy.World {
	w := &policy.World{Node: Here, Default: policy.Deny, Namespaces: map[string]labels.Set{}}
	c.convertSettings(w)
	for _, n := range c.Namespaces {
		set := labels.Set{corev1.LabelMetadataName: n.Name}
		for k, v := range n.Labels {
			set[k] = v
		}
		w.Namespaces[n.Name] = set
	}
	for _, n := range c.Nodes {
		node := convertNode(n)
		w.Nodes = append(w.Nodes, node)
		if n.Name == Here {
			w.LocalAddresses = append(w.LocalAddresses, node.Addresses...)
		}
	}
	w.LocalAddresses = append(w.LocalAddresses, c.Local...)
	if c.Settings != nil {
		imply(w, c.Settings.Namespace)
	}
	for _, p := range c.Pods {
		w.Pods = append(w.Pods, p.model)
		imply(w, p.Object.Namespace)
	}
	for _, p := range c.Policies {
		w.Policies = append(w.Policies, c.modelOf(p))
		imply(w, p.model.Ref.Namespace)
	}
	w.Services = c.services(w.Pods)
	for _, s := range c.Services {
		imply(w, s.Object.Namespace)
	}
	c.convertModes(w)
	return w
}

// WorldAfter is World, and has in common with before what has not changed, as the
// sources of the enforcer do: only then does the compiler go on from there.
func (c *Cluster) WorldAfter(before *policy.World) *policy.World {
	w := c.World()
	if reflect.DeepEqual(w.Namespaces, before.Namespaces) {
		w.Namespaces = before.Namespaces
	}
	if reflect.DeepEqual(w.Nodes, before.Nodes) {
		w.Nodes = before.Nodes
	}
	for i, s := range w.Services {
		if n := slices.IndexFunc(before.Services, func(o *policy.Service) bool { return reflect.DeepEqual(s, o) }); n >= 0 {
			w.Services[i] = before.Services[n]
		}
	}
	return w
}

// imply adds a namespace that has no object.
func imply(w *policy.World, namespace string) {
	if namespace != "" && w.Namespaces[namespace] == nil {
		w.Namespaces[namespace] = labels.Set{corev1.LabelMetadataName: namespace}
	}
}
