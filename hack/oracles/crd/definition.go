// Package crd judges objects by CustomResourceDefinitions as an API server
// does with strict field validation, so that nameward's own definitions can be
// held against those they stand in for. It knows the steps of an API server's
// registry for custom resources; what policies mean is not its concern. It has
// no cluster, so what depends on other objects or on an older state of the
// object is left out.
package crd

import (
	"context"
	"fmt"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// Definition is a CustomResourceDefinition in force.
type Definition struct {
	// Source is the definition as it is written.
	Source *apiextensionsv1.CustomResourceDefinition

	structural *schema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// Read reads the definition in a file, which an API server must accept. Its
// only version is the one that counts.
func Read(path string) (*Definition, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := &Definition{Source: &apiextensionsv1.CustomResourceDefinition{}}
	if err := yaml.UnmarshalStrict(text, d.Source); err != nil {
		return nil, fmt.Errorf("decode %s: %w", path, err)
	}
	internal, err := accepted(d.Source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	props := internal.Spec.Validation
	if props == nil {
		props = internal.Spec.Versions[0].Schema
	}
	if d.structural, err = schema.NewStructural(props.OpenAPIV3Schema); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := defaulting.PruneDefaults(d.structural); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if d.schema, _, err = validation.NewSchemaValidator(props.OpenAPIV3Schema); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d.rules = cel.NewValidator(d.structural, true, celconfig.PerCallLimit)
	return d, nil
}

// accepted gives the definition as an API server keeps it.
func accepted(source *apiextensionsv1.CustomResourceDefinition) (*apiextensions.CustomResourceDefinition, error) {
	stored := source.DeepCopy()
	apiextensionsv1.SetDefaults_CustomResourceDefinition(stored)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&stored.Spec)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(stored, internal, nil); err != nil {
		return nil, err
	}
	internal.Status.StoredVersions = []string{internal.Spec.Versions[0].Name}
	if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), internal); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	return internal, nil
}

// Ruling is what becomes of an object.
type Ruling struct {
	// Refused says why, or is nil.
	Refused error
	// Unknown are the fields that the schema does not have. Under strict field
	// validation they refuse the object; else they are dropped.
	Unknown []string
	// Stored is the object with defaults and without unknown fields.
	Stored map[string]any
}

// Judge does to an object what a server does that is asked to create it, and
// to write its status. It does not change the object.
func (d *Definition) Judge(object map[string]any) Ruling {
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(object)}
	var r Ruling
	strange, errs := d.validateMeta(u)
	if len(errs) > 0 {
		r.Refused = errs.ToAggregate()
		return r
	}
	r.Unknown = pruning.PruneWithOptions(u.Object, d.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	r.Unknown = append(r.Unknown, strange...)
	defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, d.structural)
	if err, _ := objectmeta.CoerceWithOptions(nil, u.Object, d.structural, false, objectmeta.CoerceOptions{}); err != nil {
		r.Refused = err
		return r
	}
	defaulting.Default(u.Object, d.structural)
	r.Stored = u.Object
	r.Refused = d.validate(u.Object).ToAggregate()
	if r.Refused == nil && len(r.Unknown) > 0 {
		r.Refused = fmt.Errorf("unknown fields %q", r.Unknown)
	}
	return r
}

// validateMeta gives the unknown fields of metadata, too.
func (d *Definition) validateMeta(u *unstructured.Unstructured) (unknown []string, errs field.ErrorList) {
	spec := &d.Source.Spec
	if want := spec.Group + "/" + spec.Versions[0].Name; u.GetAPIVersion() != want {
		errs = append(errs, field.Invalid(field.NewPath("apiVersion"), u.GetAPIVersion(), "must be "+want))
	}
	if u.GetKind() != spec.Names.Kind {
		errs = append(errs, field.Invalid(field.NewPath("kind"), u.GetKind(), "must be "+spec.Names.Kind))
	}
	meta, _, unknown, err := objectmeta.GetObjectMetaWithOptions(u.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return unknown, append(errs, field.Invalid(field.NewPath("metadata"), u.Object["metadata"], err.Error()))
	}
	if meta == nil {
		meta = &metav1.ObjectMeta{}
	}
	namespaced := spec.Scope == apiextensionsv1.NamespaceScoped
	return unknown, append(errs, apivalidation.ValidateObjectMeta(meta, namespaced, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))...)
}

// validate asks the rules only where the schema is satisfied, as a server.
func (d *Definition) validate(object map[string]any) field.ErrorList {
	errs := validation.ValidateCustomResource(nil, object, d.schema)
	errs = append(errs, objectmeta.Validate(context.Background(), nil, object, d.structural, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, d.structural, object)...)
	if len(errs) > 0 || d.rules == nil {
		return errs
	}
	broken, _ := d.rules.Validate(context.Background(), nil, d.structural, object, nil, celconfig.RuntimeCELCostBudget)
	return broken
}
