package kube

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/cluster"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/aws"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/policy/decode"
)

// Object is a policy as the API server has it. Immutable.
type Object struct {
	Ref policy.PolicyRef
	UID string
	// Generation is that of the spec which is in the Snapshot, and
	// ResourceVersion one under which it was seen: later changes of the status
	// alone leave it.
	Generation      int64
	ResourceVersion string
	// Problems are the parts of it that are closed or idle (P15).
	Problems []policy.Problem
}

// rules is what is kept of a policy.
type rules struct {
	stripped
	object *Object
	// said changes with everything that decides what the policy does.
	said [sha256.Size]byte
	// written is the policy on its own, mode what it says of its own trial.
	written policy.Policy
	mode    convert.Mode
	// tried is what World gets, under the mode of the namespace.
	tried cluster.Tried
	under convert.Mode
}

func (r *rules) key() key                     { return key{r.object.Ref.Namespace, r.object.Ref.Name} }
func (r *rules) GetObjectMeta() metav1.Object { return r.key().meta() }

// policies are those of one kind.
type policies struct {
	kind kind
	read func(decode.Kind, map[string]any) (policy.Policy, convert.Mode, []policy.Problem)
	all  map[key]*rules
	// order is that of names; stale says that it is not that of all.
	order []*rules
	stale bool
}

func newPolicies() []*policies {
	return []*policies{
		{kind: networkPolicyKind, read: reader(convert.NetworkPolicy, objectMeta[networkingv1.NetworkPolicy]), all: map[key]*rules{}},
		{kind: applicationKind, read: reader(convert.ApplicationNetworkPolicy, objectMeta[aws.ApplicationNetworkPolicy]), all: map[key]*rules{}},
		{kind: awsClusterKind, read: reader(convert.AWSClusterNetworkPolicy, objectMeta[aws.ClusterNetworkPolicy]), all: map[key]*rules{}},
		{kind: upstreamKind, read: reader(convert.ClusterNetworkPolicy, objectMeta[policyv1alpha2.ClusterNetworkPolicy]), all: map[key]*rules{}},
	}
}

// reader reads a kind of policy. It refuses none: the server has accepted it,
// so what cannot be understood of it is closed (P15).
func reader[T any](into func(*T, ...string) (policy.Policy, []policy.Problem), meta func(*T) *metav1.ObjectMeta) func(decode.Kind, map[string]any) (policy.Policy, convert.Mode, []policy.Problem) {
	return func(kind decode.Kind, tree map[string]any) (policy.Policy, convert.Mode, []policy.Problem) {
		unprioritised := decode.Unprioritised(kind, tree)
		source, unclear, lost := decode.Salvage[T](kind, tree)
		p, problems := into(source, unclear...)
		problems = convert.Close(&p, problems, lost)
		mode, more := convert.Annotations(meta(source), &p)
		problems = append(problems, more...)
		for _, f := range unprioritised {
			problems = append(problems, policy.Problem{Policy: p.Ref, Field: f.Field, Reason: f.Reason})
		}
		return p, mode, problems
	}
}

func objectMeta[T any](o *T) *metav1.ObjectMeta {
	return any(o).(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta)
}

func (s *policies) keys() iter.Seq[key] { return maps.Keys(s.all) }

func (s *policies) strip(o runtime.Object) (item, error) {
	from, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("want a tree, got %T", o)
	}
	p, mode, problems := s.read(s.kind.decoded(), from.Object)
	said, err := digest(from)
	if err != nil {
		return nil, fmt.Errorf("read %s %s/%s: %w", s.kind, from.GetNamespace(), from.GetName(), err)
	}
	return &rules{
		written: p, mode: mode, said: said,
		object: &Object{
			Ref: p.Ref, UID: string(from.GetUID()), Generation: from.GetGeneration(),
			ResourceVersion: from.GetResourceVersion(), Problems: problems,
		},
	}, nil
}

// digest leaves out what does not decide: status, managed fields, annotations of
// others.
func digest(o *unstructured.Unstructured) (sum [sha256.Size]byte, err error) {
	ours := maps.Clone(o.GetAnnotations())
	maps.DeleteFunc(ours, func(name, _ string) bool { return !strings.HasPrefix(name, convert.AnnotationPrefix) })
	text, err := json.Marshal([]any{o.GetUID(), ours, o.Object["spec"]})
	return sha256.Sum256(text), err
}

func (s *policies) put(it item) bool {
	fresh := it.(*rules)
	k := fresh.key()
	old := s.all[k]
	switch {
	case old == nil:
		s.all[k] = fresh
	case old.said != fresh.said:
		s.all[k] = fresh
	case old.object.Generation != fresh.object.Generation:
		// Written again as it was: the policy is the same one.
		kept := *old
		kept.object = fresh.object
		s.all[k] = &kept
	default:
		return false
	}
	s.stale = true
	return true
}

func (s *policies) drop(k key) bool {
	if s.all[k] == nil {
		return false
	}
	delete(s.all, k)
	s.stale = true
	return true
}

// snapshot gives all of the kind in order of their names. Those whose
// namespace says something else of their trial than before are made anew.
func (s *policies) snapshot(mode func(namespace string) convert.Mode) []*rules {
	if s.stale {
		s.stale = false
		s.order = slices.SortedFunc(maps.Values(s.all), func(a, b *rules) int {
			return compareRefs(a.object.Ref, b.object.Ref)
		})
	}
	for i, r := range s.order {
		under := mode(r.object.Ref.Namespace)
		if r.tried.Enforced != nil && r.under == under {
			continue
		}
		made := *r
		if r.tried.Enforced == nil || convert.Nearest(r.mode, under) != convert.Nearest(r.mode, r.under) {
			written := r.written
			made.tried = cluster.Try(&written, r.mode, under)
		}
		made.under = under
		s.order[i], s.all[r.key()] = &made, &made
	}
	return s.order
}

func compareRefs(a, b policy.PolicyRef) int {
	if a.Namespace != b.Namespace {
		return strings.Compare(a.Namespace, b.Namespace)
	}
	return strings.Compare(a.Name, b.Name)
}

// namespaces are those that policies are in.
func (s *policies) namespaces(yield func(string) bool) {
	for k := range s.all {
		if !yield(k.namespace) {
			return
		}
	}
}
