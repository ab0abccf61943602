package decode

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nameward/nameward/enforcer/policy/convert"
)

// patience is how often a tree is looked at before all of its spec is given up.
const patience = 64

// rulePath is a rule, whatever of it is meant, or all rules of a direction.
var rulePath = regexp.MustCompile(`^spec\.(ingress|egress)(?:\[(\d+)\])?`)

// Salvage reads the tree of a policy that somebody has accepted already, so
// that it cannot be refused: what cannot be read is taken out and told, for
// convert.Close to close. Of a rule its name and action are left, where there
// are any. What an API server adds, such as status and managedFields, is not
// looked at. The tree is not changed.
func Salvage[T any](kind Kind, tree map[string]any) (value *T, unclear []string, lost []convert.Fault) {
	kept := map[string]any{
		"apiVersion": kind.APIVersion, "kind": kind.Kind,
		"metadata": identity(tree), "spec": copied(tree["spec"]),
	}
	for range patience {
		value, unclear, faults := Policy[T](kind, kept)
		if len(faults) == 0 {
			return value, unclear, lost
		}
		for _, f := range faults {
			lost = append(lost, f)
			cut(kept, f.Field)
		}
	}
	lost = append(lost, fault("spec", "cannot be read by this version")...)
	cut(kept, "spec")
	value, unclear, faults := Policy[T](kind, kept)
	if len(faults) > 0 { // not even its name can be read
		return new(T), nil, append(lost, faults...)
	}
	return value, unclear, lost
}

// identity is what of the metadata matters, without what is not a text.
func identity(tree map[string]any) map[string]any {
	from, _ := tree["metadata"].(map[string]any)
	into := map[string]any{}
	for _, key := range []string{"name", "namespace", "uid", "resourceVersion"} {
		if text, is := from[key].(string); is {
			into[key] = text
		}
	}
	if generation, is := from["generation"].(int64); is {
		into["generation"] = generation
	}
	all, _ := from["annotations"].(map[string]any)
	ours := map[string]any{}
	for key, value := range all {
		if text, is := value.(string); is && strings.HasPrefix(key, convert.AnnotationPrefix) {
			ours[key] = text
		}
	}
	into["annotations"] = ours
	return into
}

func copied(value any) any {
	switch inside := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(inside))
		for key, v := range inside {
			out[key] = copied(v)
		}
		return out
	case []any:
		out := make([]any, len(inside))
		for i, v := range inside {
			out[i] = copied(v)
		}
		return out
	}
	return value
}

// cut takes out of a tree what is at or around a field, so that the rest can
// be read.
func cut(tree map[string]any, field string) {
	spec, is := tree["spec"].(map[string]any)
	if field == "" || field == "spec" || !is {
		tree["spec"] = map[string]any{"ingress": []any{map[string]any{}}, "egress": []any{map[string]any{}}}
		return
	}
	if at := rulePath.FindStringSubmatch(field); at != nil {
		spec[at[1]] = cutRule(spec[at[1]], at[2])
		return
	}
	top, _, _ := strings.Cut(strings.TrimPrefix(field, "spec."), ".")
	top, _, _ = strings.Cut(top, "[")
	if top == "podSelector" && spec[top] != nil {
		spec[top] = map[string]any{}
		return
	}
	delete(spec, top)
	if top == "podSelector" {
		spec[top] = map[string]any{}
	}
}

// cutRule leaves of a rule what it is called and does; rules that are no list
// become one.
func cutRule(rules any, index string) any {
	all, is := rules.([]any)
	i, err := strconv.Atoi(index)
	if !is || err != nil || i >= len(all) {
		return []any{map[string]any{}}
	}
	bare := map[string]any{}
	rule, _ := all[i].(map[string]any)
	for _, key := range []string{"name", "action"} {
		if text, is := rule[key].(string); is {
			bare[key] = text
		}
	}
	all = slices.Clone(all)
	all[i] = bare
	return all
}
