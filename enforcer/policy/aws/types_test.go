package aws

import (
	"encoding/json"
	"os"
	"testing"

	"sigs.k8s.io/yaml"
)

// P1: an object with every field of the schema is read without a stranger,
// and written as it was.
func TestEveryField(t *testing.T) {
	for file, object := range map[string]any{
		"testdata/application.yaml": &ApplicationNetworkPolicy{},
		"testdata/cluster.yaml":     &ClusterNetworkPolicy{},
	} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict(text, object); err != nil {
				t.Fatalf("reading: %v", err)
			}
			written, err := json.Marshal(object)
			if err != nil {
				t.Fatalf("writing: %v", err)
			}
			if got, want := tree(t, written), tree(t, text); got != want {
				t.Errorf("came back changed:\n got %s\nwant %s", got, want)
			}
		})
	}
}

// tree renders a manifest with its keys in order.
func tree(t *testing.T, text []byte) string {
	t.Helper()
	var value map[string]any
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(sorted)
}
