package decode

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/nameward/nameward/enforcer/policy/aws"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

var (
	// ofRule is a place in a rule, or a rule.
	ofRule = regexp.MustCompile(`^spec\.(ingress|egress)\[`)
	// podsOfPeer is a peer of pods of a cluster policy.
	podsOfPeer = regexp.MustCompile(`^spec\.(ingress|egress)\[\d+\]\.(from|to)\[\d+\]\.pods$`)
	portField  = regexp.MustCompile(`^spec\.(ingress|egress)\[\d+\]\.ports\[\d+\]\.port$`)
)

// needed are the selectors without which an API server refuses pods of a
// cluster policy.
var needed = map[string][]string{
	"networking.k8s.aws/v1alpha1":       {"namespaceSelector", "podSelector"},
	"policy.networking.k8s.io/v1alpha2": {"podSelector"},
}

// unclear is what a Go type cannot tell of the text of a policy. Left to the
// decoder, an item that is null or a selector that is missing is an empty one,
// which opens a rule to everybody, where an API server refuses the object.
type unclear struct {
	kind Kind
	// paths close the rules they are in (P15).
	paths []string
	// faults are about whom the policy selects, so about all of it.
	faults []convert.Fault
}

// findUnclear looks at the tree of a policy, in which it replaces ports beyond
// 32 bits, which no decoder takes.
func findUnclear(kind Kind, tree any) *unclear {
	u := &unclear{kind: kind}
	root, _ := tree.(map[string]any)
	spec, written := root["spec"].(map[string]any)
	if !written {
		return u
	}
	u.subject(spec)
	u.walk("spec", spec)
	return u
}

func (u *unclear) fault(field, reason string, args ...any) {
	u.faults = append(u.faults, fault(field, reason, args...)...)
}

func (u *unclear) cluster() bool { return u.kind.Kind == aws.ClusterNetworkPolicyKind }

// custom says whether the kind has a schema. The built-in NetworkPolicy has
// none: a server takes what is missing or null in its podSelector for empty.
func (u *unclear) custom() bool { return u.kind.Kind != "NetworkPolicy" }

// subject leaves an empty subject of a cluster policy to package convert, which
// closes it and tells.
func (u *unclear) subject(spec map[string]any) {
	if u.custom() && !u.cluster() && spec["podSelector"] == nil {
		u.fault("spec.podSelector", "no podSelector; write one, {} for all pods of the namespace")
	}
}

func (u *unclear) walk(path string, value any) {
	switch inside := value.(type) {
	case map[string]any:
		u.selectors(path, inside)
		for _, key := range slices.Sorted(maps.Keys(inside)) {
			at := path + "." + key
			if key == "port" && !u.cluster() && tooLarge(inside[key]) && portField.MatchString(at) {
				u.paths = append(u.paths, at)
				inside[key] = 0
			}
			u.walk(at, inside[key])
		}
	case []any:
		for i, item := range inside {
			at := fmt.Sprintf("%s[%d]", path, i)
			if item == nil {
				u.null(at)
			}
			u.walk(at, item)
		}
	}
}

// null is not told of policy types: they tell it themselves.
func (u *unclear) null(at string) {
	switch {
	case ofRule.MatchString(at):
		u.paths = append(u.paths, at)
	case u.custom() && (strings.HasPrefix(at, "spec.subject.") || strings.HasPrefix(at, "spec.podSelector.")):
		u.fault(at, "an item that is null; write a value, or remove it")
	}
}

func (u *unclear) selectors(path string, fields map[string]any) {
	if !u.cluster() || !strings.HasSuffix(path, ".pods") {
		return
	}
	for _, selector := range needed[u.kind.APIVersion] {
		at := path + "." + selector
		switch {
		case fields[selector] != nil:
		case path == "spec.subject.pods":
			u.fault(at, "no %s; write one, {} for all", selector)
		case podsOfPeer.MatchString(path):
			u.paths = append(u.paths, at)
		}
	}
}

// Unprioritised tells of a cluster policy without the priority that its schema
// demands: nothing but the schema keeps it apart from 0, which goes first.
func Unprioritised(kind Kind, tree any) []convert.Fault {
	root, _ := tree.(map[string]any)
	spec, _ := root["spec"].(map[string]any)
	if kind.Kind != aws.ClusterNetworkPolicyKind || spec["priority"] != nil {
		return nil
	}
	return fault("spec.priority", "no priority, so it is 0 and goes first; write 0 to 1000")
}

// tooLarge says whether a value is a whole number beyond 32 bits.
func tooLarge(value any) bool {
	switch number := value.(type) {
	case int:
		return number > math.MaxInt32 || number < math.MinInt32
	case int64:
		return number > math.MaxInt32 || number < math.MinInt32
	case uint64:
		return number > math.MaxInt32
	}
	return false
}
