package kube

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

// namespace is what is kept of a Namespace.
type namespace struct {
	stripped
	name   string
	labels labels.Set
	// mode is what it says of its own trial (P23).
	mode     convert.Mode
	problems []policy.Problem
}

func (n *namespace) key() key                     { return key{name: n.name} }
func (n *namespace) GetObjectMeta() metav1.Object { return n.key().meta() }

// namespaces are those that have an object.
type namespaces struct {
	all   map[key]*namespace
	stale bool
	// list is what was handed out last; modes are those of it.
	list     map[string]labels.Set
	modes    map[string]convert.Mode
	problems []policy.Problem
}

func newNamespaces() *namespaces { return &namespaces{all: map[key]*namespace{}, stale: true} }

func (s *namespaces) keys() iter.Seq[key] { return maps.Keys(s.all) }

func (s *namespaces) strip(o runtime.Object) (item, error) {
	from, ok := o.(*corev1.Namespace)
	if !ok {
		return nil, fmt.Errorf("want a Namespace, got %T", o)
	}
	n := &namespace{name: from.Name, labels: labels.Set{}}
	maps.Copy(n.labels, from.Labels)
	n.labels[corev1.LabelMetadataName] = n.name
	for _, name := range slices.Sorted(maps.Keys(from.Annotations)) {
		if !strings.HasPrefix(name, convert.AnnotationPrefix) {
			continue
		}
		if name != convert.ModeAnnotation {
			n.tell(name, "unknown annotation; a Namespace may have "+convert.ModeAnnotation)
			continue
		}
		mode, err := convert.ParseMode(from.Annotations[name])
		if err != nil {
			// Nobody knows that a trial was wanted.
			mode = convert.ModeEnforce
			n.tell(name, err.Error()+"; until then its pods and policies are enforced")
		}
		n.mode = mode
	}
	return n, nil
}

func (n *namespace) tell(annotation, reason string) {
	n.problems = append(n.problems, policy.Problem{
		Policy: policy.PolicyRef{Kind: namespaceKind.called, Name: n.name},
		Field:  "metadata.annotations." + annotation, Reason: reason,
	})
}

func (s *namespaces) put(it item) bool {
	n := it.(*namespace)
	if old := s.all[n.key()]; old != nil && reflect.DeepEqual(old, n) {
		return false
	}
	s.all[n.key()], s.stale = n, true
	return true
}

func (s *namespaces) drop(k key) bool {
	if s.all[k] == nil {
		return false
	}
	delete(s.all, k)
	s.stale = true
	return true
}

// mode is what a namespace says of its own trial.
func (s *namespaces) mode(name string) convert.Mode {
	if n := s.all[key{name: name}]; n != nil {
		return n.mode
	}
	return convert.ModeUnset
}

// snapshot gives the labels of all namespaces, those among them that others
// are in and whose objects have not come yet. It says whether it is another
// map than before.
func (s *namespaces) snapshot(implied ...iter.Seq[string]) bool {
	list := make(map[string]labels.Set, len(s.all))
	modes := map[string]convert.Mode{}
	s.problems = nil
	for _, n := range s.all {
		list[n.name] = n.labels
		if n.mode != convert.ModeUnset {
			modes[n.name] = n.mode
		}
		s.problems = append(s.problems, n.problems...)
	}
	for _, names := range implied {
		for name := range names {
			if name != "" && list[name] == nil {
				list[name] = labels.Set{corev1.LabelMetadataName: name}
			}
		}
	}
	s.stale = false
	if s.list != nil && reflect.DeepEqual(list, s.list) && maps.Equal(modes, s.modes) {
		return false
	}
	s.list, s.modes = list, modes
	return true
}

// node is what is kept of a Node.
type node struct {
	stripped
	policy.Node
	// verdict is the default of its label, where it has one (P7).
	verdict  policy.Verdict
	problems []policy.Problem
}

func (n *node) key() key                     { return key{name: n.Name} }
func (n *node) GetObjectMeta() metav1.Object { return n.key().meta() }

// nodes are all Nodes.
type nodes struct {
	all      map[key]*node
	stale    bool
	list     []policy.Node
	defaults map[string]policy.Verdict
	problems []policy.Problem
}

func newNodes() *nodes { return &nodes{all: map[key]*node{}, stale: true} }

func (s *nodes) keys() iter.Seq[key] { return maps.Keys(s.all) }

func (s *nodes) strip(o runtime.Object) (item, error) {
	from, ok := o.(*corev1.Node)
	if !ok {
		return nil, fmt.Errorf("want a Node, got %T", o)
	}
	read, faults := convert.Node(from)
	n := &node{Node: read}
	for _, f := range faults {
		n.tell(f.Field, f.Reason)
	}
	if text, set := from.Labels[convert.DefaultKey]; set {
		verdict, err := settings.ParseVerdict(text)
		if err != nil {
			// It is the stricter one: nobody knows that the other was wanted.
			verdict = policy.Deny
			n.tell("metadata.labels."+convert.DefaultKey, err.Error()+"; until then it is Deny")
		}
		n.verdict = verdict
	}
	return n, nil
}

func (n *node) tell(field, reason string) {
	n.problems = append(n.problems, policy.Problem{
		Policy: policy.PolicyRef{Kind: nodeKind.called, Name: n.Name}, Field: field, Reason: reason,
	})
}

func (s *nodes) put(it item) bool {
	n := it.(*node)
	if old := s.all[n.key()]; old != nil && reflect.DeepEqual(old, n) {
		return false
	}
	s.all[n.key()], s.stale = n, true
	return true
}

func (s *nodes) drop(k key) bool {
	if s.all[k] == nil {
		return false
	}
	delete(s.all, k)
	s.stale = true
	return true
}

// snapshot works out anew what is stale.
func (s *nodes) snapshot() {
	if !s.stale {
		return
	}
	s.stale, s.list, s.problems = false, nil, nil
	s.defaults = map[string]policy.Verdict{}
	for _, n := range s.all {
		s.list = append(s.list, n.Node)
		if n.verdict != policy.VerdictUnknown {
			s.defaults[n.Name] = n.verdict
		}
		s.problems = append(s.problems, n.problems...)
	}
	slices.SortFunc(s.list, func(a, b policy.Node) int { return strings.Compare(a.Name, b.Name) })
}
