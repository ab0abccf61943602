package kube

import (
	"cmp"
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/nameward/nameward/enforcer/policy/aws"
	"github.com/nameward/nameward/enforcer/policy/decode"
	"github.com/nameward/nameward/enforcer/settings"

	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
)

// kind is a resource that is followed.
type kind struct {
	schema.GroupVersionResource
	// called is what its objects say they are.
	called string
	// namespace and name narrow it down to one object.
	namespace, name string
	// optional says that a cluster may lack it.
	optional bool
}

var (
	podKind       = kind{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, called: "Pod"}
	namespaceKind = kind{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, called: "Namespace"}
	nodeKind      = kind{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, called: "Node"}
	serviceKind   = kind{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "services"}, called: "Service"}
	sliceKind     = kind{GroupVersionResource: schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}, called: "EndpointSlice"}

	networkPolicyKind = kind{GroupVersionResource: schema.GroupVersionResource{Group: networkingv1.GroupName, Version: "v1", Resource: "networkpolicies"}, called: "NetworkPolicy"}
	applicationKind   = kind{GroupVersionResource: schema.GroupVersionResource{Group: aws.Group, Version: aws.Version, Resource: "applicationnetworkpolicies"}, called: aws.ApplicationNetworkPolicyKind, optional: true}
	awsClusterKind    = kind{GroupVersionResource: schema.GroupVersionResource{Group: aws.Group, Version: aws.Version, Resource: "clusternetworkpolicies"}, called: aws.ClusterNetworkPolicyKind, optional: true}
	upstreamKind      = kind{GroupVersionResource: schema.GroupVersionResource{Group: policyv1alpha2.GroupName, Version: "v1alpha2", Resource: "clusternetworkpolicies"}, called: "ClusterNetworkPolicy", optional: true}
)

func settingsKind(namespace string) kind {
	return kind{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, called: "ConfigMap", namespace: namespace, name: settings.Name}
}

// String is the resource as kubectl spells it.
func (k kind) String() string { return k.GroupResource().String() }

func (k kind) decoded() decode.Kind {
	return decode.Kind{APIVersion: k.GroupVersion().String(), Kind: k.called}
}

// rule is what RBAC has to grant, in the words of a Role.
func (k kind) rule() string {
	rule := fmt.Sprintf("apiGroups: [%q], resources: [%q]", k.Group, k.Resource)
	if k.name != "" {
		rule += fmt.Sprintf(", resourceNames: [%q]", k.name)
	}
	return rule + `, verbs: ["list", "watch"]`
}

// key is what tells objects of a kind apart.
type key struct{ namespace, name string }

func (k key) String() string {
	if k.namespace == "" {
		return k.name
	}
	return k.namespace + "/" + k.name
}

func compareKeys(a, b key) int {
	return cmp.Or(strings.Compare(a.namespace, b.namespace), strings.Compare(a.name, b.name))
}

// meta is made when somebody asks: to keep it would cost more than the object.
func (k key) meta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: k.namespace, Name: k.name}
}

// item is what is kept of an object of the API.
type item interface {
	runtime.Object
	metav1.ObjectMetaAccessor
	key() key
}

// stripped makes an item pass for an object of the API on its way through
// client-go.
type stripped struct{}

func (stripped) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }
func (stripped) DeepCopyObject() runtime.Object   { return nil }

// page is a list of items.
type page struct {
	stripped
	metav1.ListMeta
	Items []runtime.Object
}
