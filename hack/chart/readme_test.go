package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// documented are rows of the table of values: a value and its default.
var documented = regexp.MustCompile("(?m)^\\| `([A-Za-z0-9.]+)` \\| `([^`]*)` \\|(.*)\\|$")

// Every value is in the table of deploy/README.md with its default, and the table
// has no other.
func TestEveryValueIsDocumented(t *testing.T) {
	readme, err := os.ReadFile("../../deploy/README.md")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(chartFolder, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(content, &values); err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(readme), "\n## Values\n")
	if !found {
		t.Fatal("got no section of values")
	}
	rows := map[string]string{}
	for _, m := range documented.FindAllStringSubmatch(table, -1) {
		if _, twice := rows[m[1]]; twice {
			t.Errorf("%s is there twice", m[1])
		}
		rows[m[1]] = m[2]
	}
	compare(t, "", values, rows)
	for name := range rows {
		t.Errorf("%s is documented, and values.yaml has none", name)
	}
}

// compare takes the rows that it has found out of rows. Objects are documented
// value by value, or as a whole.
func compare(t *testing.T, at string, values map[string]any, rows map[string]string) {
	t.Helper()
	for key, value := range values {
		name := strings.TrimPrefix(at+"."+key, ".")
		text, ok := rows[name]
		inner, isObject := value.(map[string]any)
		switch {
		case ok:
			delete(rows, name)
			var got any
			if err := yaml.Unmarshal([]byte(text), &got); err != nil || fmt.Sprint(got) != fmt.Sprint(value) {
				t.Errorf("%s is documented as %s (%v), its default is %v", name, text, err, value)
			}
		case isObject && len(inner) > 0:
			compare(t, name, inner, rows)
		default:
			t.Errorf("%s is not documented", name)
		}
	}
}

// What the documents name as the project's own exists.
func TestDocumentsPointToWhatIsThere(t *testing.T) {
	places := regexp.MustCompile(`\b((?:deploy|corefile|hack)/[A-Za-z0-9_./-]*[A-Za-z0-9])`)
	links := regexp.MustCompile(`\]\(([A-Za-z0-9_./-]+)(?:#[a-z0-9-]+)?\)`)
	for _, document := range []string{"README.md", "EKS.md"} {
		text, err := os.ReadFile("../../deploy/" + document)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, m := range places.FindAllSubmatch(text, -1) {
			found++
			if _, err := os.Stat(filepath.Join("../..", string(m[1]))); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
		for _, m := range links.FindAllSubmatch(text, -1) {
			found++
			if _, err := os.Stat(filepath.Join("../../deploy", string(m[1]))); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
		if found == 0 {
			t.Errorf("%s: got no place, want some", document)
		}
	}
}
