package manifests

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/nameward/nameward/enforcer/policy/convert"
)

// serviceID is a namespace and a name.
type serviceID [2]string

// servicePlace is a Service and where it is written.
type servicePlace struct {
	frontend *convert.Frontend
	o        *object
}

func (r *reading) service(o *object) {
	s, ok := decodeOrFault[corev1.Service](r, o, true)
	if !ok {
		return
	}
	frontend, faults := convert.Service(s)
	r.faultsOf(o, faults)
	r.services = append(r.services, servicePlace{frontend, o})
}

// endpointSlice keeps a slice of another purpose out; its faults are told all
// the same, since a misspelt label makes one of any slice.
func (r *reading) endpointSlice(o *object) {
	s, ok := decodeOrFault[discoveryv1.EndpointSlice](r, o, true)
	if !ok {
		return
	}
	endpoints, faults := convert.EndpointSlice(s)
	r.faultsOf(o, faults)
	if endpoints.Service != "" {
		id := serviceID{endpoints.Namespace, endpoints.Service}
		r.slices[id] = append(r.slices[id], endpoints)
	}
}

func (r *reading) faultsOf(o *object, faults []convert.Fault) {
	for _, f := range faults {
		r.fault(o.fault(f.Field, "%s", f.Reason))
	}
}

// resolveServices needs all pods and slices, of whatever file.
func (r *reading) resolveServices() {
	slices.SortFunc(r.services, func(a, b servicePlace) int {
		return cmp.Or(strings.Compare(a.frontend.Namespace, b.frontend.Namespace), strings.Compare(a.frontend.Name, b.frontend.Name))
	})
	var pods *convert.Pods
	if len(r.services) > 0 {
		pods = convert.IndexPods(r.snapshot.Pods)
	}
	for i, s := range r.services {
		balanced, faults := s.frontend.Resolve(r.slices[serviceID{s.frontend.Namespace, s.frontend.Name}], pods)
		r.faultsOf(s.o, faults)
		r.snapshot.Services = append(r.snapshot.Services, balanced.All())
		if balanced.DependsOnNode() {
			r.snapshot.Balanced[i] = balanced
		}
	}
}
