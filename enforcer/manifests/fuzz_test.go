package manifests

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// FuzzLoad: no bytes make the loader panic, and every input gives either a
// snapshot or an error that names the file.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*/*.yaml")
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
	f.Add([]byte(wholeCluster), false)
	f.Add([]byte(services+"---"+servicePods), false)
	f.Add([]byte(onTrial+"---"+enforcing), false)
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
		world := snapshot.World("n1", settings.Settings{})
		for i := range world.Policies {
			if world.Policies[i].Tier == policy.TierUnknown {
				t.Fatal("a policy without a tier")
			}
		}
		for _, service := range world.Services {
			checkService(t, service)
		}
		for _, p := range snapshot.Problems {
			if p.File != name || p.Line < 1 || p.Field == "" {
				t.Fatalf("problem %v, want one with file, line and field", p)
			}
		}
	})
}

// checkService: what a Service has is complete, and its backends are sorted,
// each once (P22).
func checkService(t *testing.T, s *policy.Service) {
	t.Helper()
	if len(s.Addresses) == 0 && len(s.Ports) > 0 {
		t.Fatalf("Service %+v has ports and no address", s)
	}
	for _, port := range s.Ports {
		if port.Port == 0 || port.Protocol == 0 {
			t.Fatalf("Service %+v has a port that is none", s)
		}
		for i, b := range port.Backends {
			if !b.Addr.IsValid() || b.Port == 0 {
				t.Fatalf("Service %+v has a backend that is none", s)
			}
			if i > 0 && (port.Backends[i-1].Addr.Compare(b.Addr) > 0 || slices.Contains(port.Backends[:i], b)) {
				t.Fatalf("Service %+v has backends that are not sorted, each once", s)
			}
		}
	}
}
