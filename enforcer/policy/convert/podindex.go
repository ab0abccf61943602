package convert

import "github.com/nameward/nameward/enforcer/policy"

// Pods finds the pods that a Service selects. The nil one finds none.
type Pods struct {
	labelled map[podLabel][]*policy.Pod
}

type podLabel struct {
	namespace, key, value string
}

// IndexPods takes all pods that may be behind a Service: hostNetwork pods by
// the addresses of their nodes, finished ones never (P16).
func IndexPods(all []*policy.Pod) *Pods {
	x := &Pods{labelled: make(map[podLabel][]*policy.Pod, len(all))}
	for _, pod := range all {
		if pod.Finished || len(pod.Addresses) == 0 {
			continue
		}
		for key, value := range pod.Labels {
			label := podLabel{pod.Ref.Namespace, key, value}
			x.labelled[label] = append(x.labelled[label], pod)
		}
	}
	return x
}

// selected looks at no more pods than have the rarest label that is wanted. An
// empty selector means that somebody else makes the slices of the Service.
func (x *Pods) selected(namespace string, selector map[string]string) []*policy.Pod {
	if x == nil || len(selector) == 0 {
		return nil
	}
	var rarest []*policy.Pod
	first := true
	for key, value := range selector {
		found := x.labelled[podLabel{namespace, key, value}]
		if first || len(found) < len(rarest) {
			rarest, first = found, false
		}
	}
	var out []*policy.Pod
	for _, pod := range rarest {
		if hasAll(pod.Labels, selector) {
			out = append(out, pod)
		}
	}
	return out
}

func hasAll(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if has, ok := labels[key]; !ok || has != value {
			return false
		}
	}
	return true
}
