package crd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// kinds are the definitions, each as nameward writes it, as the project does
// that the kind comes from, and the objects that both are asked about.
var kinds = []struct{ apiVersion, kind, definition, corpus string }{
	{"networking.k8s.aws/v1alpha1", "ApplicationNetworkPolicy", "networking.k8s.aws_applicationnetworkpolicies.yaml", "applicationnetworkpolicy.yaml"},
	{"networking.k8s.aws/v1alpha1", "ClusterNetworkPolicy", "networking.k8s.aws_clusternetworkpolicies.yaml", "awsclusternetworkpolicy.yaml"},
	{"policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "policy.networking.k8s.io_clusternetworkpolicies.yaml", "clusternetworkpolicy.yaml"},
}

// eachKind runs a test with nameward's definition, the reference, and the
// corpus.
func eachKind(t *testing.T, test func(t *testing.T, ours, reference *Definition, all []entry)) {
	for _, k := range kinds {
		t.Run(k.apiVersion+" "+k.kind, func(t *testing.T) {
			ours, err := Read(filepath.Join("..", "..", "..", "deploy", "crds", k.definition))
			if err != nil {
				t.Fatal(err)
			}
			reference, err := Read(filepath.Join("testdata", "reference", k.definition))
			if err != nil {
				t.Fatal(err)
			}
			test(t, ours, reference, corpus(t, k.apiVersion, k.kind, k.corpus))
		})
	}
}

// entry is one object and what becomes of it; the file says how it is made.
type entry struct {
	Says    string         `json:"says"`
	Verdict string         `json:"verdict"`
	Spec    any            `json:"spec"`
	Object  map[string]any `json:"object"`
	Grow    map[string]int `json:"grow"`

	whole map[string]any
}

func corpus(t *testing.T, apiVersion, kind, name string) []entry {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "corpus", name))
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	if err := yaml.UnmarshalStrict(text, &all); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		e := &all[i]
		whole := plainObject(apiVersion, kind)
		if e.Spec != nil {
			whole["spec"] = e.Spec
		}
		for field, value := range e.Object {
			whole[field] = value
		}
		for path, count := range e.Grow {
			grow(whole, strings.Split(path, "."), count)
		}
		e.whole = asDecoded(t, whole)
	}
	return all
}

// plainObject is what an entry changes.
func plainObject(apiVersion, kind string) map[string]any {
	object := map[string]any{
		"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": "p"},
		"spec": map[string]any{"tier": "Admin", "priority": 1, "subject": map[string]any{"namespaces": map[string]any{}}},
	}
	if kind == "ApplicationNetworkPolicy" {
		object["metadata"] = map[string]any{"name": "p", "namespace": "ns"}
		object["spec"] = map[string]any{"podSelector": map[string]any{}}
	}
	return object
}

// asDecoded has the types of a server: int64 where a number is whole, and
// nothing shared.
func asDecoded(t *testing.T, object map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := utiljson.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// grow makes a list of so many items of its first one.
func grow(inside any, path []string, count int) {
	if index, err := strconv.Atoi(path[0]); err == nil {
		grow(inside.([]any)[index], path[1:], count)
		return
	}
	fields := inside.(map[string]any)
	if len(path) > 1 {
		grow(fields[path[0]], path[1:], count)
		return
	}
	first := fields[path[0]].([]any)[0]
	var all []any
	for i := range count {
		item := first
		if text, is := first.(string); is {
			item = strings.Replace(text, "N", strconv.Itoa(i), 1)
		}
		all = append(all, item)
	}
	fields[path[0]] = all
}
