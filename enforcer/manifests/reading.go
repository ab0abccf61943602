package manifests

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/cluster"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/aws"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/policy/decode"
)

// reading is a snapshot in the making.
type reading struct {
	snapshot *Snapshot
	faults   []error
	// seen is where each object is, by kind, namespace and name.
	seen       map[identity]place
	pods       []podPlace
	services   []servicePlace
	slices     map[serviceID][]*convert.Endpoints
	policies   []moded
	modes      map[string]convert.Mode
	settingsAt place
}

// moded is a policy and what it says of its own mode (P23).
type moded struct {
	policy *policy.Policy
	mode   convert.Mode
}

type identity struct {
	apiVersion, kind, namespace, name string
}

func newReading() *reading {
	return &reading{
		seen:   map[identity]place{},
		slices: map[serviceID][]*convert.Endpoints{},
		modes:  map[string]convert.Mode{},
		snapshot: &Snapshot{
			Cluster: cluster.Cluster{
				Namespaces: map[string]labels.Set{},
				Defaults:   map[string]policy.Verdict{},
				Balanced:   map[int]*convert.Balanced{},
			},
			policiesAt: map[policy.PolicyRef]place{},
			Interfaces: map[string]string{},
		},
	}
}

func (r *reading) fault(err error) { r.faults = append(r.faults, err) }

// object takes in one object of the file of that name.
func (r *reading) object(name string, o *object) {
	switch o.APIVersion + " " + o.Kind.Kind {
	case "v1 Pod":
		r.pod(name, o)
	case "v1 Namespace":
		r.namespace(o)
	case "v1 Node":
		r.node(o)
	case "v1 Service":
		r.service(o)
	case "discovery.k8s.io/v1 EndpointSlice":
		r.endpointSlice(o)
	case "v1 ConfigMap":
		r.configMap(o)
	case "networking.k8s.io/v1 NetworkPolicy":
		readPolicy(r, o, convert.NetworkPolicy, metaOf[networkingv1.NetworkPolicy], true)
	case "networking.k8s.aws/v1alpha1 ApplicationNetworkPolicy":
		readPolicy(r, o, convert.ApplicationNetworkPolicy, metaOf[aws.ApplicationNetworkPolicy], true)
	case "networking.k8s.aws/v1alpha1 ClusterNetworkPolicy":
		readPolicy(r, o, convert.AWSClusterNetworkPolicy, metaOf[aws.ClusterNetworkPolicy], false)
	case "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy":
		readPolicy(r, o, convert.ClusterNetworkPolicy, metaOf[policyv1alpha2.ClusterNetworkPolicy], false)
	default:
		r.fault(unknownKind(o))
	}
}

// unknownKind is an error, since ignoring a policy would open what it closes.
func unknownKind(o *object) error {
	right := "move it to another folder"
	switch o.Kind.Kind {
	case "Pod", "Namespace", "Node", "Service", "ConfigMap":
		right = "write v1"
	case "EndpointSlice":
		right = "write " + discoveryv1.SchemeGroupVersion.String()
	case "Endpoints":
		right = "write an EndpointSlice of " + discoveryv1.SchemeGroupVersion.String()
	case "NetworkPolicy":
		right = "write networking.k8s.io/v1"
	case "ApplicationNetworkPolicy":
		right = "write networking.k8s.aws/v1alpha1"
	case "ClusterNetworkPolicy":
		right = "write policy.networking.k8s.io/v1alpha2 or networking.k8s.aws/v1alpha1"
	case "AdminNetworkPolicy", "BaselineAdminNetworkPolicy":
		right = "write it as a ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2"
	}
	return o.fault("kind", "%s of %s is not read; %s", o.Kind.Kind, o.APIVersion, right)
}

// readPolicy converts one policy and keeps what is wrong with it.
func readPolicy[T any](r *reading, o *object, into func(*T, ...string) (policy.Policy, []policy.Problem), meta func(*T) *metav1.ObjectMeta, namespaced bool) {
	tree, err := o.tree()
	if err != nil {
		r.fault(err)
		return
	}
	unprioritised := decode.Unprioritised(o.Kind, tree)
	source, unclear, faults := decode.Policy[T](o.Kind, tree)
	if len(faults) > 0 {
		r.faultsOf(o, faults)
		return
	}
	if !r.claim(o, meta(source), namespaced) {
		return
	}
	converted, problems := into(source, unclear...)
	mode, more := convert.Annotations(meta(source), &converted)
	r.policies = append(r.policies, moded{&converted, mode})
	problems = append(problems, more...)
	for _, f := range unprioritised {
		problems = append(problems, policy.Problem{Policy: converted.Ref, Field: f.Field, Reason: f.Reason})
	}
	for _, p := range problems {
		r.snapshot.Problems = append(r.snapshot.Problems, Problem{Problem: p, File: o.file, Line: lineOf(o.node, p.Field)})
	}
	r.snapshot.policiesAt[converted.Ref] = o.place()
}

// metaOf gives the metadata of any kind.
func metaOf[T any](o *T) *metav1.ObjectMeta {
	return any(o).(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta)
}

// decodeOrFault decodes and notes what is wrong.
func decodeOrFault[T any](r *reading, o *object, namespaced bool) (*T, bool) {
	tree, err := o.tree()
	if err != nil {
		r.fault(err)
		return nil, false
	}
	value, faults := decode.Object[T](o.Kind, tree)
	if len(faults) > 0 {
		r.faultsOf(o, faults)
		return nil, false
	}
	return value, r.claim(o, metaOf(value), namespaced)
}

// claim says whether o is the only object of its name. A namespaced object
// that names no namespace is in "default", as for kubectl.
func (r *reading) claim(o *object, meta *metav1.ObjectMeta, namespaced bool) bool {
	switch {
	case meta.Name == "":
		r.fault(o.fault("metadata.name", "an object needs a name"))
		return false
	case !namespaced && meta.Namespace != "":
		r.fault(o.fault("metadata.namespace", "a %s is in no namespace; remove the field", o.Kind.Kind))
		return false
	case namespaced && meta.Namespace == "":
		meta.Namespace = metav1.NamespaceDefault
	}
	if faults := validation.IsDNS1123Subdomain(meta.Name); len(faults) > 0 {
		r.fault(o.fault("metadata.name", "%s", faults[0]))
		return false
	}
	if faults := validation.IsDNS1123Label(meta.Namespace); namespaced && len(faults) > 0 {
		r.fault(o.fault("metadata.namespace", "%s", faults[0]))
		return false
	}
	id := identity{o.APIVersion, o.Kind.Kind, meta.Namespace, meta.Name}
	if first, taken := r.seen[id]; taken {
		r.fault(o.fault("metadata.name", "%s is at %s as well; keep one of them", describe(id), first))
		return false
	}
	r.seen[id] = o.place()
	return true
}

func describe(id identity) string {
	return fmt.Sprintf("%s %s", id.kind, strings.TrimPrefix(id.namespace+"/"+id.name, "/"))
}

// try puts policies on trial, which needs all namespaces.
func (r *reading) try() {
	var audited []*policy.Policy
	for _, p := range r.policies {
		tried := cluster.Try(p.policy, p.mode, r.modes[p.policy.Ref.Namespace])
		r.snapshot.Policies = append(r.snapshot.Policies, tried.Enforced)
		audited = append(audited, tried.Audited)
	}
	r.snapshot.Trial = cluster.NewTrial(audited, r.modes, r.snapshot.Namespaces)
}

// imply adds the namespaces that have no object, and orders what does not
// depend on the order of files.
func (r *reading) imply() {
	for id := range r.seen {
		if id.namespace != "" && r.snapshot.Namespaces[id.namespace] == nil {
			r.snapshot.Namespaces[id.namespace] = labels.Set{}
		}
	}
	for name, set := range r.snapshot.Namespaces {
		set[corev1.LabelMetadataName] = name
	}
	slices.SortStableFunc(r.snapshot.Problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
}
