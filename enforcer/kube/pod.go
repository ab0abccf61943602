package kube

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// pod is what is kept of a pod.
type pod struct {
	stripped
	policy.Pod
	// id is what EndpointSlices call it by, wherever it is.
	id policy.EndpointID
	// claim says which of two pods has an address that both name: the larger.
	// It is no part of what is handed out.
	claim int64
}

func (p *pod) key() key                     { return key{p.Ref.Namespace, p.Ref.Name} }
func (p *pod) GetObjectMeta() metav1.Object { return p.key().meta() }

// strip makes an item of a pod.
func (s *pods) strip(o runtime.Object) (item, error) {
	var from *corev1.Pod
	switch o := o.(type) {
	case *leanPod:
		from = &o.Pod
	case *corev1.Pod: // of a list
		from = o
	default:
		return nil, fmt.Errorf("want a Pod, got %T", o)
	}
	read, faults := convert.Pod(from)
	id := policy.EndpointOf(read.Ref.UID)
	for _, f := range faults {
		s.log.Warn("part of a pod is left out", "pod", from.Namespace+"/"+from.Name, "field", f.Field, "reason", f.Reason)
	}
	var static *mirror
	if read.Node == s.node {
		static = mirrorOf(from)
	} else {
		// Of pods that are elsewhere only their addresses matter, whichever pod
		// has them, and UIDs are most of what would be kept of their texts.
		read.Ref.UID = ""
	}
	read.Ref.Namespace = s.intern.text(read.Ref.Namespace)
	read.Node = s.intern.text(read.Node)
	read.Labels = s.intern.set(read.Labels)
	read.Ports = s.intern.namedPorts(read.Ports)
	p := &pod{Pod: read, id: id, claim: claimOf(from)}
	if static != nil {
		return &reflection{p, *static}, nil
	}
	return p, nil
}

// stays is later than anything there is, in seconds.
const stays = 1 << 40

// claimOf puts pods that terminate behind those that do not, and else those
// that a kubelet took on later first: an address is given away again once the
// sandbox of its pod is gone, which may be before the object is.
func claimOf(p *corev1.Pod) int64 {
	since := p.CreationTimestamp.Unix()
	if p.Status.StartTime != nil {
		since = p.Status.StartTime.Unix()
	}
	if p.DeletionTimestamp == nil {
		since += stays
	}
	return since
}

// hasAddress says whether addresses of the pod are its own: those of hostNetwork
// pods are their nodes' (P17).
func (p *pod) hasAddress() bool { return !p.HostNetwork }

// same says whether q is p but for its claim and UID.
func (p *pod) same(q *pod) bool {
	return p.key() == q.key() && p.Node == q.Node && p.HostNetwork == q.HostNetwork && p.Finished == q.Finished &&
		slices.Equal(p.Addresses, q.Addresses) && maps.Equal(p.Labels, q.Labels) && slices.Equal(p.Ports, q.Ports)
}
