package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/nameward/nameward/enforcer/policy/decode"
)

// object is one API object of a file, not yet decoded.
type object struct {
	decode.Kind
	file string
	node *yaml.Node
}

func (o *object) place() place { return place{o.file, o.node.Line} }

// fault is an Error about a field of o.
func (o *object) fault(field, reason string, args ...any) *Error {
	return &Error{File: o.file, Line: lineOf(o.node, field), Field: field, Reason: fmt.Sprintf(reason, args...)}
}

// tree gives what is written, without types. Keys that are there twice are
// found here.
func (o *object) tree() (any, error) {
	var value any
	if err := o.node.Decode(&value); err != nil {
		return nil, syntaxError(o.file, o.node.Line, err)
	}
	return value, nil
}

// objects gives what is in one file, items of lists one by one.
func objects(file string, content []byte) ([]object, error) {
	if strings.HasSuffix(file, ".json") {
		return jsonObjects(file, content)
	}
	return yamlObjects(file, content, 1)
}

func yamlObjects(file string, content []byte, line int) ([]object, error) {
	var all []object
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			fault := syntaxError(file, line, err)
			fault.Line = min(fault.Line, lastLine(content))
			return nil, fault
		}
		for _, root := range document.Content {
			if key := legible(root); key != nil {
				return nil, &Error{File: file, Line: key.Line, Reason: fmt.Sprintf("the key %s is not a text in YAML; put it in quotes", key.Value)}
			}
			found, err := expand(file, root)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
}

// jsonObjects reads values one after the other, as kubectl does. JSON is YAML
// but for tabs, which in JSON are blanks wherever they may stand.
func jsonObjects(file string, content []byte) ([]object, error) {
	var all []object
	decoder := json.NewDecoder(bytes.NewReader(content))
	for {
		start := decoder.InputOffset()
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		before := bytes.Count(content[:start], []byte("\n"))
		if err != nil {
			return nil, jsonSyntaxError(file, content, err)
		}
		text := bytes.ReplaceAll(content[start:decoder.InputOffset()], []byte("\t"), []byte(" "))
		found, err := yamlObjects(file, append(bytes.Repeat([]byte("\n"), before), text...), before+1)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
}

func jsonSyntaxError(file string, content []byte, err error) *Error {
	at := len(content)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = min(at, int(syntax.Offset))
	}
	return &Error{File: file, Line: min(1+bytes.Count(content[:at], []byte("\n")), lastLine(content)), Reason: err.Error()}
}

// lastLine is where a text ends that stops in the middle of something.
func lastLine(content []byte) int {
	return 1 + bytes.Count(bytes.TrimRight(content, "\n"), []byte("\n"))
}

// expand looks at what root is, and into it where it is a List.
func expand(file string, root *yaml.Node) ([]object, error) {
	root = target(root)
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, nil
	}
	o := object{file: file, node: root}
	if root.Kind != yaml.MappingNode {
		return nil, o.fault("", "not an object; write one with apiVersion and kind")
	}
	for _, field := range []string{"apiVersion", "kind"} {
		if value := child(root, field); value == nil || value.Kind != yaml.ScalarNode || value.Value == "" {
			return nil, o.fault(field, "an object needs its %s", field)
		}
	}
	o.Kind = decode.Kind{APIVersion: child(root, "apiVersion").Value, Kind: child(root, "kind").Value}
	if o.Kind != (decode.Kind{APIVersion: "v1", Kind: "List"}) {
		return []object{o}, nil
	}
	return o.items()
}

func (o *object) items() ([]object, error) {
	var all []object
	for i := 0; i < len(o.node.Content); i += 2 {
		key, value := o.node.Content[i], target(o.node.Content[i+1])
		switch key.Value {
		case "apiVersion", "kind", "metadata":
		case "items":
			if value.Kind != yaml.SequenceNode {
				return nil, o.fault("items", "not a list")
			}
			for _, item := range value.Content {
				if kind := child(target(item), "kind"); kind != nil && kind.Value == "List" {
					return nil, &Error{File: o.file, Line: item.Line, Reason: "a List inside a List; write its items here"}
				}
				found, err := expand(o.file, item)
				if err != nil {
					return nil, err
				}
				all = append(all, found...)
			}
		default:
			return nil, o.fault(key.Value, "unknown field; a List has items")
		}
	}
	return all, nil
}
