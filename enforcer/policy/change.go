package policy

import (
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// change is how one World differs from the one before.
type change struct {
	pods     edit[Pod]
	policies edit[Policy]
	services edit[Service]
	// namespaces are those whose labels are others, new and gone ones included.
	namespaces []string
	// cluster is everything else that classes depend on, and judging
	// everything else that endpoints depend on.
	cluster, judging bool
}

// edit is what has gone from a list and come into it. It is whole where it is
// too much to tell.
type edit[T any] struct {
	whole      bool
	gone, come []*T
}

func (e *edit[T]) none() bool { return !e.whole && len(e.gone)+len(e.come) == 0 }

// changeBetween compares pointers: objects never change, they are replaced.
func changeBetween(before, after *World) change {
	return change{
		pods:       editBetween(before.Pods, after.Pods),
		policies:   editBetween(before.Policies, after.Policies),
		services:   editBetween(before.Services, after.Services),
		namespaces: relabelled(before.Namespaces, after.Namespaces),
		cluster: before.Node != after.Node ||
			!sameNodes(before.Nodes, after.Nodes) || !slices.Equal(before.LocalAddresses, after.LocalAddresses) ||
			!slices.Equal(before.ClusterDNS, after.ClusterDNS),
		judging: before.Default != after.Default || before.AWSRuleOrder != after.AWSRuleOrder ||
			before.AuditDefault != after.AuditDefault || !maps.Equal(before.AuditNamespaces, after.AuditNamespaces),
	}
}

// relabelled gives the namespaces that are not in both with the same labels.
func relabelled(before, after map[string]labels.Set) (all []string) {
	if sameMap(before, after) {
		return nil
	}
	for name, labels := range before {
		if other, stays := after[name]; !stays || !maps.Equal(labels, other) {
			all = append(all, name)
		}
	}
	for name := range after {
		if _, was := before[name]; !was {
			all = append(all, name)
		}
	}
	return all
}

// editLimit is how many objects may differ before all are looked at anew.
const editLimit = 64

// editBetween goes through both lists together. Where they part, what is the
// same again is looked for not far from there: a source that keeps its order
// puts one object in, takes one out or replaces one.
func editBetween[T any](before, after []*T) (e edit[T]) {
	for len(before) > 0 && len(after) > 0 {
		if before[0] == after[0] {
			before, after = before[1:], after[1:]
			continue
		}
		in, out := slices.Index(after[:min(len(after), editLimit)], before[0]), slices.Index(before[:min(len(before), editLimit)], after[0])
		switch {
		case in > 0 && (out < 0 || in <= out):
			e.come, after = append(e.come, after[:in]...), after[in:]
		case out > 0:
			e.gone, before = append(e.gone, before[:out]...), before[out:]
		default:
			e.gone, e.come = append(e.gone, before[0]), append(e.come, after[0])
			before, after = before[1:], after[1:]
		}
		if len(e.gone)+len(e.come) > editLimit {
			return edit[T]{whole: true}
		}
	}
	if len(e.gone)+len(e.come)+len(before)+len(after) > editLimit {
		return edit[T]{whole: true}
	}
	e.gone, e.come = append(e.gone, before...), append(e.come, after...)
	return e
}

// sameMap says whether both are one map. Equal ones that are two count as
// different: looking is what it spares.
func sameMap[M ~map[K]V, K comparable, V any](a, b M) bool {
	return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
}

func sameNodes(a, b []Node) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
