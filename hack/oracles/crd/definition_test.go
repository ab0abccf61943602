package crd

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// TestCorpus: each object is accepted or refused by both, as the file says,
// and kept in the same form.
func TestCorpus(t *testing.T) {
	eachKind(t, func(t *testing.T, ours, reference *Definition, all []entry) {
		said := map[string]bool{}
		for _, e := range all {
			t.Run(e.Says, func(t *testing.T) {
				if said[e.Says] {
					t.Error("says what another entry says")
				}
				said[e.Says] = true
				ruling := agree(t, ours, reference, e.whole)
				if accepted := ruling.Refused == nil; accepted != (e.Verdict == "accept") {
					t.Errorf("got accepted %v (%v), want %s", accepted, ruling.Refused, e.Verdict)
				}
			})
		}
	})
}

// agree asks both definitions and gives the ruling of the reference.
func agree(t *testing.T, ours, reference *Definition, object map[string]any) Ruling {
	t.Helper()
	got, want := ours.Judge(object), reference.Judge(object)
	switch {
	case (got.Refused == nil) != (want.Refused == nil):
		t.Errorf("got refused by nameward's definition: %v\nby the reference: %v\nof %v", got.Refused, want.Refused, object)
	case !slices.Equal(got.Unknown, want.Unknown):
		t.Errorf("got unknown fields %q, want %q\nof %v", got.Unknown, want.Unknown, object)
	case !reflect.DeepEqual(got.Stored, want.Stored):
		t.Errorf("got stored %v, want %v", got.Stored, want.Stored)
	}
	return want
}

// TestDefinitions: beside the schemas, names, scope, subresources and columns
// are those of the reference, so that clients cannot tell which is installed.
func TestDefinitions(t *testing.T) {
	eachKind(t, func(t *testing.T, ours, reference *Definition, _ []entry) {
		got, want := ours.Source.Spec.DeepCopy(), reference.Source.Spec.DeepCopy()
		for _, spec := range []*apiextensionsv1.CustomResourceDefinitionSpec{got, want} {
			for i := range spec.Versions {
				spec.Versions[i].Schema = nil
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if ours.Source.Name != reference.Source.Name {
			t.Errorf("got name %q, want %q", ours.Source.Name, reference.Source.Name)
		}
		for key, value := range reference.Source.Annotations {
			if strings.Contains(key, "kubebuilder") {
				continue // the tool that wrote it
			}
			if ours.Source.Annotations[key] != value {
				t.Errorf("annotation %s: got %q, want %q", key, ours.Source.Annotations[key], value)
			}
		}
	})
}

// TestSchemas: nothing but the words differ, also where no object of the
// corpus gets to.
func TestSchemas(t *testing.T) {
	eachKind(t, func(t *testing.T, ours, reference *Definition, _ []entry) {
		got, want := wordless(schemaOf(ours)), wordless(schemaOf(reference))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	})
}

// TestDescriptions: every field is described, in words of this project.
func TestDescriptions(t *testing.T) {
	eachKind(t, func(t *testing.T, ours, reference *Definition, _ []entry) {
		theirs := map[string]bool{}
		visit("", schemaOf(reference), func(_ string, s *apiextensionsv1.JSONSchemaProps) { theirs[s.Description] = true })
		visit("", schemaOf(ours), func(path string, s *apiextensionsv1.JSONSchemaProps) {
			leaf := path == ".metadata" || strings.HasSuffix(path, "matchLabels.*") || strings.HasSuffix(path, "values[]") || strings.HasSuffix(path, "except[]")
			if s.Description == "" && !leaf {
				t.Errorf("%s: got no description", path)
			}
			if s.Description != "" && theirs[s.Description] {
				t.Errorf("%s: got the reference's description %q", path, s.Description)
			}
		})
	})
}

func schemaOf(d *Definition) *apiextensionsv1.JSONSchemaProps {
	return d.Source.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// wordless leaves out what is for people, and says what is said twice once.
func wordless(s *apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
	s = s.DeepCopy()
	visit("", s, func(_ string, s *apiextensionsv1.JSONSchemaProps) {
		s.Description = ""
		slices.Sort(s.Required)
		for i := range s.XValidations {
			s.XValidations[i].Message = ""
		}
		slices.SortFunc(s.XValidations, func(a, b apiextensionsv1.ValidationRule) int { return strings.Compare(a.Rule, b.Rule) })
		if len(s.AllOf) == 2 && reflect.DeepEqual(s.AllOf[0], s.AllOf[1]) {
			s.Enum, s.AllOf = s.AllOf[0].Enum, nil
		}
	})
	return s
}

// visit goes through a schema and everything inside of it. It changes in
// place.
func visit(path string, s *apiextensionsv1.JSONSchemaProps, do func(string, *apiextensionsv1.JSONSchemaProps)) {
	do(path, s)
	for name, inside := range s.Properties {
		visit(path+"."+name, &inside, do)
		s.Properties[name] = inside
	}
	if s.Items != nil {
		visit(path+"[]", s.Items.Schema, do)
	}
	if s.AdditionalProperties != nil {
		visit(path+".*", s.AdditionalProperties.Schema, do)
	}
}
