package manifests

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
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
		r.trial.namespaces[n.Name] = mode
	}
}

// node takes every address of the Node object (P14). Names among them are no
// addresses.
func (r *reading) node(o *object) {
	n, ok := decodeOrFault[corev1.Node](r, o, false)
	if !ok {
		return
	}
	r.annotations(o, n.Annotations, defaultAnnotation)
	if text, set := n.Annotations[defaultAnnotation]; set {
		verdict, err := settings.ParseVerdict(text)
		if err != nil {
			r.fault(o.fault("metadata.annotations."+defaultAnnotation, "%s", err))
		}
		r.snapshot.defaults[n.Name] = verdict
	}
	node := policy.Node{Name: n.Name, Labels: labels.Set(n.Labels)}
	for i, a := range n.Status.Addresses {
		addr, err := convert.Address(a.Address)
		isIP := a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP
		switch {
		case err != nil && isIP:
			r.fault(o.fault(fmt.Sprintf("status.addresses[%d].address", i), "%s", err))
		case err == nil && !slices.Contains(node.Addresses, addr):
			node.Addresses = append(node.Addresses, addr)
		}
	}
	r.snapshot.Nodes = append(r.snapshot.Nodes, node)
}
