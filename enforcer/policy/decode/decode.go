// Package decode reads policies, and other objects, from trees of maps, lists
// and values, as a file of YAML or a server's JSON gives them. It finds what a
// Go type cannot tell of such a tree: fields that it does not have, items that
// are null, selectors that are missing (P15). It must not know where trees come
// from, nor what becomes of what it finds.
package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	strictjson "sigs.k8s.io/json"

	"github.com/nameward/nameward/enforcer/policy/convert"
)

// Kind is what an object says it is.
type Kind struct{ APIVersion, Kind string }

// matcher is where a newer API may say more than this version understands.
// Such a field closes its rule (P15) instead of spoiling the object.
var matcher = regexp.MustCompile(`^spec\.(ingress|egress)\[\d+\]\.(from|to|ports|protocols)\[\d+\]\.`)

// most unknown fields that the decoder lists; with more it would be unknown
// which peers have one.
const manyUnknown = 100

// Policy reads the tree of a policy as a T. It gives the paths of what is not
// clear in its rules, unknown fields of peers and ports among it; see
// convert.NetworkPolicy. All else is a fault, and with faults the value is not
// to be used. In the tree it replaces ports that no type can hold.
func Policy[T any](kind Kind, tree any) (value *T, unclear []string, faults []convert.Fault) {
	found := findUnclear(kind, tree)
	value, unknown, faults := decodeTree[T](kind, tree, true)
	if len(faults) == 0 {
		faults = found.faults
	}
	return value, append(unknown, found.paths...), faults
}

// Object reads a tree as a T. Unknown fields are faults.
func Object[T any](kind Kind, tree any) (*T, []convert.Fault) {
	value, _, faults := decodeTree[T](kind, tree, false)
	return value, faults
}

// decodeTree reads a tree as a T. It gives the unknown fields of peers and
// ports where tolerant; all others are faults.
func decodeTree[T any](kind Kind, tree any, tolerant bool) (*T, []string, []convert.Fault) {
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, nil, fault("", "not possible in JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	value := new(T)
	strict, err := strictjson.UnmarshalStrict(text, value)
	if err != nil {
		return nil, nil, typeFault(text, reflect.TypeFor[T](), tree, err)
	}
	if len(strict) >= manyUnknown {
		return nil, nil, fault("", "%d unknown fields or more; is this a %s of %s?", manyUnknown, kind.Kind, kind.APIVersion)
	}
	var unknown []string
	var faults []convert.Fault
	for _, err := range strict {
		path := fieldPath(err)
		if tolerant && matcher.MatchString(path) {
			unknown = append(unknown, path)
			continue
		}
		faults = append(faults, fault(path, "unknown field; %s", suggest(reflect.TypeFor[T](), path))...)
	}
	return value, unknown, faults
}

func fault(field, reason string, args ...any) []convert.Fault {
	return []convert.Fault{{Field: field, Reason: fmt.Sprintf(reason, args...)}}
}

func fieldPath(err error) string {
	if field, ok := errors.AsType[interface {
		error
		FieldPath() string
	}](err); ok {
		return field.FieldPath()
	}
	return ""
}

// typeFault tells of a value that its field, of an object of type t, cannot
// hold.
func typeFault(text []byte, t reflect.Type, tree any, err error) []convert.Fault {
	if field, is := oddPort("", t, tree); is {
		return fault(field, "is not a port; write a number from 1 to 65535, or a name")
	}
	mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return fault("", "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	hint := ""
	if mismatch.Type.Kind() == reflect.String && !strings.HasPrefix(mismatch.Value, "object") && mismatch.Value != "array" {
		hint = "; put it in quotes"
	}
	return fault(pathAt(text, mismatch.Offset), "is %s, where %s is wanted%s", article(mismatch.Value), wanted(mismatch.Type), hint)
}

var intOrString = reflect.TypeFor[intstr.IntOrString]()

// oddPort finds the first number-or-text that is neither. Errors about one
// have offsets within the value, so pathAt cannot place them.
func oddPort(path string, t reflect.Type, value any) (field string, found bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch inside := value.(type) {
	case nil:
	case map[string]any:
		if t == intOrString {
			return path, true
		}
		known := fields(t)
		for _, key := range slices.Sorted(maps.Keys(inside)) {
			if of, ok := known[key]; ok {
				if field, found = oddPort(strings.TrimPrefix(path+"."+key, "."), of, inside[key]); found {
					return field, true
				}
			}
		}
	case []any:
		for i := 0; i < len(inside) && t.Kind() == reflect.Slice; i++ {
			if field, found = oddPort(fmt.Sprintf("%s[%d]", path, i), t.Elem(), inside[i]); found {
				return field, true
			}
		}
		return path, t == intOrString
	default:
		text, err := json.Marshal(value)
		return path, t == intOrString && (err != nil || json.Unmarshal(text, new(intstr.IntOrString)) != nil)
	}
	return "", false
}

// article is what encoding/json calls a value, such as array or bool.
func article(value string) string {
	if strings.HasPrefix(value, "array") || strings.HasPrefix(value, "object") {
		return "an " + value
	}
	return "a " + value
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return fmt.Sprintf("a whole number (%s)", t.Kind())
	}
}

// level is one array or object around a place in a JSON text.
type level struct {
	array bool
	index int
	key   string
	// named says that the next token is the value of key.
	named bool
}

// pathAt gives the path of the value that ends at or covers an offset.
func pathAt(text []byte, offset int64) string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var around []level
	for {
		token, err := decoder.Token()
		if err != nil {
			return ""
		}
		closing := token == json.Delim(']') || token == json.Delim('}')
		if closing {
			around = around[:len(around)-1]
		}
		value := true
		if n := len(around) - 1; n >= 0 && !closing {
			value = around[n].step(token)
		}
		if value && decoder.InputOffset() >= offset {
			return render(around)
		}
		if token == json.Delim('[') || token == json.Delim('{') {
			around = append(around, level{array: token == json.Delim('['), index: -1})
		}
	}
}

// step moves on to the next token and says whether that is a value.
func (l *level) step(token json.Token) bool {
	switch {
	case l.array:
		l.index++
	case l.named:
		l.named = false
	default:
		l.key, _ = token.(string)
		l.named = true
	}
	return l.array || !l.named
}

func render(around []level) string {
	var b strings.Builder
	for _, l := range around {
		switch {
		case l.array:
			b.WriteString("[" + strconv.Itoa(max(l.index, 0)) + "]")
		case b.Len() > 0:
			b.WriteString("." + l.key)
		default:
			b.WriteString(l.key)
		}
	}
	return b.String()
}
