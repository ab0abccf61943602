package manifests

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
)

func (r *reading) namespace(o *object) {
	n, ok := decodeOrFault[corev1.Namespace](r, o, false)
	if !ok {
		return
	}
	set := labels.Set{}
	maps.Copy(set, n.Labels)
	r.snapshot.Namespaces[n.Name] = set
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
		verdict, err := parseVerdict(text)
		if err != nil {
			r.fault(o.fault("metadata.annotations."+defaultAnnotation, "%s", err))
		}
		r.snapshot.defaults[n.Name] = verdict
	}
	node := policy.Node{Name: n.Name, Labels: labels.Set(n.Labels)}
	for i, a := range n.Status.Addresses {
		addr, err := parseAddress(a.Address)
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

// service takes the cluster addresses. A headless Service has none.
func (r *reading) service(o *object) {
	s, ok := decodeOrFault[corev1.Service](r, o, true)
	if !ok {
		return
	}
	var all []netip.Addr
	add := func(field, text string) {
		if text == "" || text == corev1.ClusterIPNone {
			return
		}
		addr, err := parseAddress(text)
		switch {
		case err != nil:
			r.fault(o.fault(field, "%s", err))
		case !slices.Contains(all, addr):
			all = append(all, addr)
		}
	}
	add("spec.clusterIP", s.Spec.ClusterIP)
	for i, ip := range s.Spec.ClusterIPs {
		add(fmt.Sprintf("spec.clusterIPs[%d]", i), ip)
	}
	r.snapshot.Services = append(r.snapshot.Services, &policy.Service{Namespace: s.Namespace, Name: s.Name, Addresses: all})
}
