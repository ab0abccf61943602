package arrows

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// places are what a document names between backquotes and looks like a file or
// folder of the project.
var places = regexp.MustCompile("`((?:plugin|enforcer|bpf|corefile|deploy|hack|\\.ci)/[A-Za-z0-9_./-]*)`")

// TestMapsAreTrue: what the documents point to exists.
func TestMapsAreTrue(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, document := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		found := places.FindAllSubmatch(text, -1)
		for _, match := range found {
			if _, err := os.Stat(filepath.Join(root, string(match[1]))); err != nil {
				t.Errorf("%s: %q: %v", document, match[1], err)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s: got no place in backquotes, want some", document)
		}
	}
}
