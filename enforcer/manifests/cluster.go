package manifests

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

func (r *reading) namespace(o *object) {
	n, ok := decodeOrFault[corev1.Namespace](r, o, false)
	if !ok {
		return
	}
	set := labels.Set{}
	maps.Copy(set, n.Labels)
	r.snapshot.Namespaces[n.Name] = set
	r.annotations(o, n.Annotations, convert.ModeAnnotation)
	if text, set := n.Annotations[convert.ModeAnnotation]; set {
		mode, err := convert.ParseMode(text)
		if err != nil {
			r.fault(o.fault("metadata.annotations."+convert.ModeAnnotation, "%s", err))
		}
		r.modes[n.Name] = mode
	}
}

// node takes the node's default from the label that it has in a cluster, or
// from an annotation.
func (r *reading) node(o *object) {
	n, ok := decodeOrFault[corev1.Node](r, o, false)
	if !ok {
		return
	}
	r.annotations(o, n.Annotations, convert.DefaultKey)
	for _, from := range []struct {
		field string
		all   map[string]string
	}{{"metadata.labels.", n.Labels}, {"metadata.annotations.", n.Annotations}} {
		text, set := from.all[convert.DefaultKey]
		if !set {
			continue
		}
		verdict, err := settings.ParseVerdict(text)
		if err != nil {
			r.fault(o.fault(from.field+convert.DefaultKey, "%s", err))
		}
		r.snapshot.Defaults[n.Name] = verdict
	}
	node, faults := convert.Node(n)
	r.faultsOf(o, faults)
	r.snapshot.Nodes = append(r.snapshot.Nodes, node)
}
