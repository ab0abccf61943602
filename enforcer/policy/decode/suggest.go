package decode

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

var index = regexp.MustCompile(`\[\d+\]`)

// suggest says what an unknown field may have been meant to be.
func suggest(t reflect.Type, path string) string {
	parts := strings.Split(index.ReplaceAllString(path, ""), ".")
	for _, part := range parts[:len(parts)-1] {
		next, ok := fields(t)[part]
		if !ok {
			return "check its spelling"
		}
		t = next
	}
	written := parts[len(parts)-1]
	var known []string
	for name := range fields(t) {
		known = append(known, name)
	}
	return Suggest(known, written)
}

// Suggest says what an unknown word may have been meant to be, of those that
// are known where it stands.
func Suggest(known []string, written string) string {
	known = slices.Sorted(slices.Values(known))
	for _, name := range known {
		if distance(strings.ToLower(name), strings.ToLower(written)) <= 1+len(written)/6 {
			return "did you mean " + name + "?"
		}
	}
	if len(known) > 0 && len(known) <= 12 {
		return "possible here: " + strings.Join(known, ", ")
	}
	return "check its spelling"
}

// fields gives the types of what JSON calls the fields of t.
func fields(t reflect.Type) map[string]reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	found := map[string]reflect.Type{}
	if t.Kind() != reflect.Struct {
		return found
	}
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "" && field.Anonymous:
			for inner, of := range fields(field.Type) {
				found[inner] = of
			}
		case name != "" && name != "-":
			found[name] = field.Type
		}
	}
	return found
}

// distance counts the letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
