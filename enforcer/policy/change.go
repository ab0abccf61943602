package policy

import (
	"maps"
	"reflect"
	"slices"
)

// change is how one World differs from the one before.
type change struct {
	pods     edit[Pod]
	policies edit[Policy]
	services bool
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
		pods:     editBetween(before.Pods, after.Pods),
		policies: editBetween(before.Policies, after.Policies),
		services: !slices.Equal(before.Services, after.Services),
		cluster: before.Node != after.Node || !sameMap(before.Namespaces, after.Namespaces) ||
			!sameNodes(before.Nodes, after.Nodes) || !slices.Equal(before.LocalAddresses, after.LocalAddresses) ||
			!slices.Equal(before.ClusterDNS, after.ClusterDNS),
		judging: before.Default != after.Default || before.AWSRuleOrder != after.AWSRuleOrder ||
			before.AuditDefault != after.AuditDefault || !maps.Equal(before.AuditNamespaces, after.AuditNamespaces),
	}
}

// editLimit is how many objects may differ before all are looked at anew.
const editLimit = 64

// editBetween looks at what is between the common beginning and end.
func editBetween[T any](before, after []*T) (e edit[T]) {
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	old := make(map[*T]bool, len(before))
	for _, p := range before {
		old[p] = true
	}
	for _, p := range after {
		if !old[p] {
			e.come = append(e.come, p)
		}
		delete(old, p)
	}
	e.gone = slices.Collect(maps.Keys(old))
	if len(e.gone)+len(e.come) > editLimit {
		return edit[T]{whole: true}
	}
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
