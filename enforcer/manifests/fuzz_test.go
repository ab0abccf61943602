package manifests

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
)

// FuzzLoad: no bytes make the loader panic, and every input gives either a
// snapshot or an error that names the file.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/walkthrough/*.yaml")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range seeds {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, false)
	}
	f.Add([]byte(cluster), false)
	f.Add([]byte(`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}]}`), true)
	f.Add([]byte("a: &a [*a]"), false)
	f.Add([]byte("? [x]\n: y"), false)
	f.Fuzz(func(t *testing.T, text []byte, json bool) {
		name := "a.yaml"
		if json {
			name = "a.json"
		}
		snapshot, err := parse([]file{{path: name, name: name, content: text}})
		if (snapshot == nil) == (err == nil) {
			t.Fatalf("snapshot %v and error %v, want exactly one", snapshot, err)
		}
		if err != nil {
			if fault, ok := errors.AsType[*Error](err); !ok || fault.File != name || fault.Line < 1 {
				t.Fatalf("error %v, want one with file and line", err)
			}
			return
		}
		world := snapshot.World("n1", Settings{})
		for i := range world.Policies {
			if world.Policies[i].Tier == policy.TierUnknown {
				t.Fatal("a policy without a tier")
			}
		}
	})
}
