package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is committed is what the chart makes; "make manifests" renders anew.
func TestManifestsAreRendered(t *testing.T) {
	folder := "../../deploy/manifests"
	known := map[string]bool{}
	for _, f := range files {
		known[f.name] = true
		t.Run(f.name, func(t *testing.T) {
			want, err := f.render()
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(folder, f.name))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("%s differs from what the chart renders at line %d: run make manifests and commit the result", f.name, differs(string(got), want))
			}
			if strings.Contains(want, "helm.sh/") || strings.Contains(want, "Helm") || strings.Contains(want, "PRIVATE KEY") {
				t.Errorf("got something of helm's, or a key, in a plain manifest")
			}
		})
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !known[e.Name()] {
			t.Errorf("%s: nobody renders it", e.Name())
		}
	}
}

func differs(got, want string) int {
	wanted := strings.Split(want, "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(wanted) || wanted[i] != line {
			return i + 1
		}
	}
	return len(wanted)
}

// The chart brings the kinds along, in the folder from which helm installs what a
// cluster lacks, and never overwrites or deletes what it has.
func TestChartCarriesTheKinds(t *testing.T) {
	source, err := filepath.Glob("../../deploy/crds/*.yaml")
	if err != nil || len(source) != 3 {
		t.Fatalf("got %v and %v, want three files", source, err)
	}
	for _, path := range source {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(chartFolder, "crds", filepath.Base(path)))
		if err != nil || string(got) != string(want) {
			t.Errorf("crds/%s of the chart is not that of deploy/crds (%v): run make manifests and commit the result", filepath.Base(path), err)
		}
	}
	carried, err := os.ReadDir(filepath.Join(chartFolder, "crds"))
	if err != nil || len(carried) != len(source) {
		t.Errorf("got %d files in crds of the chart and %v, want %d", len(carried), err, len(source))
	}
}
