package manifests

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

const interfaceAnnotation = convert.AnnotationPrefix + "interface"

// podPlace is a pod and where it is written.
type podPlace struct {
	pod *policy.Pod
	o   *object
}

func (r *reading) pod(file string, o *object) {
	p, ok := decodeOrFault[corev1.Pod](r, o, true)
	if !ok {
		return
	}
	pod, faults := convert.Pod(p)
	pod.Ref.UID = podUID(file, p)
	at := p.Annotations[interfaceAnnotation]
	r.annotations(o, p.Annotations, interfaceAnnotation)
	if reason := interfaceFault(at); reason != "" {
		r.fault(o.fault("metadata.annotations."+interfaceAnnotation, "%s", reason))
	}
	r.faultsOf(o, faults)
	pod.Interface = at
	r.pods = append(r.pods, podPlace{&pod, o})
}

// podUID makes up the UID of a pod that has none. It is stable, so that the
// pod keeps its state; a pod that takes the place of another needs a UID of
// its own (P16, P21).
func podUID(file string, p *corev1.Pod) string {
	if p.UID != "" {
		return string(p.UID)
	}
	return fmt.Sprintf("manifest:%s:%s/%s", file, p.Namespace, p.Name)
}

// annotations tells of a misspelt annotation of ours.
func (r *reading) annotations(o *object, all map[string]string, known string) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(key, convert.AnnotationPrefix) && key != known {
			r.fault(o.fault("metadata.annotations."+key, "unknown annotation; a %s may have %s", o.Kind.Kind, known))
		}
	}
}

// interfaceFault follows dev_valid_name of the kernel.
func interfaceFault(name string) string {
	switch {
	case name == "":
		return ""
	case len(name) > 15:
		return fmt.Sprintf("%q has %d characters; an interface name has at most 15", name, len(name))
	case name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\v\f\r\x00"):
		return fmt.Sprintf("%q is not an interface name; write one such as veth1", name)
	}
	return ""
}

// checkPods refuses pods that cannot be told apart, then takes them all.
func (r *reading) checkPods() {
	uids, addresses, interfaces := map[string]podPlace{}, map[netip.Addr]podPlace{}, map[[2]string]podPlace{}
	for _, p := range r.pods {
		clash(r, uids, p.pod.Ref.UID, p, "metadata.uid", "uid "+p.pod.Ref.UID)
		r.snapshot.Pods = append(r.snapshot.Pods, p.pod)
		if p.pod.Finished || p.pod.HostNetwork {
			continue
		}
		for _, addr := range p.pod.Addresses {
			clash(r, addresses, addr, p, "status", "address "+addr.String())
		}
		if name := p.pod.Interface; name != "" {
			clash(r, interfaces, [2]string{p.pod.Node, name}, p, "metadata.annotations."+interfaceAnnotation, "interface "+name)
			r.snapshot.Interfaces[p.pod.Ref.UID] = name
		}
	}
}

func clash[K comparable](r *reading, taken map[K]podPlace, key K, p podPlace, field, what string) {
	if first, ok := taken[key]; ok {
		r.fault(p.o.fault(field, "pod %s/%s at %s has %s as well; each pod needs its own",
			first.pod.Ref.Namespace, first.pod.Ref.Name, first.o.place(), what))
		return
	}
	taken[key] = p
}
