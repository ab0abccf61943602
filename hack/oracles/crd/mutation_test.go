package crd

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

var (
	seed      = flag.Uint64("seed", 0, "seed of the mutations; 0 takes one by chance")
	mutations = flag.Int("mutations", 8, "mutations of each object of the corpus")
)

// eachMutation runs a test on every object of the corpus and on objects that
// are nearly one.
func eachMutation(t *testing.T, all []entry, test func(object map[string]any)) {
	t.Helper()
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	random := rand.New(rand.NewPCG(from, 0))
	t.Logf("seed %d", from)
	for _, e := range all {
		test(e.whole)
		for range *mutations {
			object := runtime.DeepCopyJSON(e.whole)
			for range 1 + random.IntN(3) {
				mutate(random, object, all)
			}
			test(object)
		}
	}
}

// mutate changes one place that is drawn by chance.
func mutate(random *rand.Rand, object map[string]any, all []entry) {
	places := placesIn("", object)
	at := places[random.IntN(len(places))]
	switch random.IntN(6) {
	case 0:
		at.drop()
	case 1:
		at.set(boundary(random))
	case 2:
		if text, is := at.value.(string); is {
			at.set(garble(random, text))
		}
	case 3:
		if list, is := at.value.([]any); is && len(list) > 0 {
			copied := runtime.DeepCopyJSONValue(list[random.IntN(len(list))])
			at.set(append(slices.Clone(list), copied))
		}
	case 4:
		if fields, is := at.value.(map[string]any); is {
			key := []string{"name", "unknown", "podSelector", "pods", "nodes", "ports", "port"}[random.IntN(7)]
			fields[key] = boundary(random)
		}
	case 5:
		other := placesIn("", all[random.IntN(len(all))].whole)
		var same []place
		for _, o := range other {
			if o.path == at.path {
				same = append(same, o)
			}
		}
		if len(same) > 0 {
			at.set(runtime.DeepCopyJSONValue(same[random.IntN(len(same))].value))
		}
	}
}

// boundaries are values at or beyond some limit of some field.
var boundaries = []any{
	nil, true, false, "", " ", "x", "TCP", "Accept", "Pass", "Baseline", "Ingress", "*.example.com", "10.0.0.0/8", "::/0", "0",
	strings.Repeat("a", 43), strings.Repeat("a", 44), strings.Repeat("a", 64), strings.Repeat("ä", 101),
	int64(0), int64(1), int64(-1), int64(80), int64(999), int64(1000), int64(1001), int64(65535), int64(65536),
	int64(1<<31 - 1), int64(1 << 31), int64(1<<63 - 1), 0.5, 1e300,
	[]any{}, []any{nil}, []any{"example.com"}, []any{map[string]any{}}, map[string]any{}, map[string]any{"a": "b"},
}

// boundary returns a copy: the next mutation may write into it, and a map that
// got itself for a field has no end.
func boundary(random *rand.Rand) any {
	return runtime.DeepCopyJSONValue(boundaries[random.IntN(len(boundaries))])
}

func garble(random *rand.Rand, text string) string {
	letters := []rune(text + "x")
	at := random.IntN(len(letters))
	switch random.IntN(3) {
	case 0:
		return string(slices.Delete(letters, at, at+1))
	case 1:
		letters[at] = []rune(".*-_^[/:%Aa0 ä")[random.IntN(14)]
		return string(letters)
	}
	return text + []string{".", "..", "/", "/0", "%", "\n", "\x00"}[random.IntN(7)]
}

// place is a field or an item, and how it is changed.
type place struct {
	// path has [] for every item of a list.
	path  string
	value any
	set   func(any)
	drop  func()
}

func placesIn(path string, value any) []place {
	var all []place
	switch inside := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(inside)) {
			at := path + "." + key
			all = append(all, place{at, inside[key], func(v any) { inside[key] = v }, func() { delete(inside, key) }})
			all = append(all, placesIn(at, inside[key])...)
		}
	case []any:
		for i := range inside {
			at := path + "[]"
			all = append(all, place{at, inside[i], func(v any) { inside[i] = v }, func() { inside[i] = nil }})
			// A long list is as good as a short one.
			if i < 3 {
				all = append(all, placesIn(at, inside[i])...)
			}
		}
	}
	return all
}

// TestMutations: both definitions agree about objects that nobody wrote.
func TestMutations(t *testing.T) {
	eachKind(t, func(t *testing.T, ours, reference *Definition, all []entry) {
		asked, accepted := 0, 0
		eachMutation(t, all, func(object map[string]any) {
			if t.Failed() {
				return
			}
			asked++
			if agree(t, ours, reference, object).Refused == nil {
				accepted++
			}
		})
		t.Logf("%d objects, %d accepted", asked, accepted)
		if accepted < asked/10 || accepted > asked*9/10 {
			t.Errorf("got %d of %d objects accepted, want many of either kind", accepted, asked)
		}
	})
}

// TestMutationsAreRepeatable: a seed makes the same objects, always.
func TestMutationsAreRepeatable(t *testing.T) {
	all := corpus(t, kinds[2].apiVersion, kinds[2].kind, kinds[2].corpus)
	draw := func() string {
		random := rand.New(rand.NewPCG(3, 0))
		object := runtime.DeepCopyJSON(all[0].whole)
		for range 5 {
			mutate(random, object, all)
		}
		return fmt.Sprint(object)
	}
	if one, two := draw(), draw(); one != two {
		t.Errorf("got two objects from one seed:\n%s\n%s", one, two)
	}
}

// Nothing that one mutation draws is there for the next to write into.
// Otherwise a map becomes its own field once in some runs, and whoever walks it
// overflows the stack.
func TestMutationsLeaveTheBoundariesAlone(t *testing.T) {
	want := runtime.DeepCopyJSONValue(boundaries)
	eachKind(t, func(t *testing.T, _, _ *Definition, all []entry) {
		random := rand.New(rand.NewPCG(1, 0))
		for range 30 {
			for _, e := range all {
				object := runtime.DeepCopyJSON(e.whole)
				for range 3 {
					mutate(random, object, all)
				}
				if !reflect.DeepEqual(boundaries, want) {
					t.Fatalf("got %v, want %v", boundaries, want)
				}
			}
		}
	})
}
