package cniconf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/nameward/nameward/enforcer/chain"
)

// span is a value's place in a text: from its first byte to behind its last.
type span struct{ start, end int }

// list is a text of a list of plugins, and where its plugins are.
type list struct {
	text    []byte
	plugins []span
	// ours are the indexes of nameward-cni's entries.
	ours []int
}

// errNoList is returned for a text that is JSON, but has no list of plugins.
var errNoList = errors.New("there is no list \"plugins\" of objects")

// parse finds the plugins of a list. Of several lists in one text the last one
// counts, as it does for libcni.
func parse(text []byte) (list, error) {
	// The whole first: reading by tokens finds a fault behind the list late.
	var whole any
	if err := json.Unmarshal(text, &whole); err != nil {
		return list{}, fmt.Errorf("read JSON: %w", err)
	}
	l := list{text: text}
	d := json.NewDecoder(bytes.NewReader(text))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return list{}, errNoList
	}
	found := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return list{}, fmt.Errorf("read JSON: %w", err)
		}
		value, err := next(d)
		if err != nil {
			return list{}, err
		}
		if key == "plugins" {
			found = true
			if l.plugins, err = elements(text, value); err != nil {
				return list{}, err
			}
		}
	}
	if !found || len(l.plugins) == 0 {
		return list{}, errNoList
	}
	return l.own()
}

// next passes the next value and returns where it is.
func next(d *json.Decoder) (span, error) {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return span{}, fmt.Errorf("read JSON: %w", err)
	}
	end := int(d.InputOffset())
	return span{end - len(raw), end}, nil
}

// elements are the places of an array's elements within the text.
func elements(text []byte, array span) ([]span, error) {
	d := json.NewDecoder(bytes.NewReader(text[array.start:array.end]))
	if token, err := d.Token(); err != nil || token != json.Delim('[') {
		return nil, errNoList
	}
	var all []span
	for d.More() {
		s, err := next(d)
		if err != nil {
			return nil, err
		}
		all = append(all, span{array.start + s.start, array.start + s.end})
	}
	return all, nil
}

func (l list) own() (list, error) {
	for i, s := range l.plugins {
		kind, err := typeOf(l.text[s.start:s.end])
		if err != nil {
			return list{}, fmt.Errorf("plugins[%d]: %w", i, err)
		}
		if kind == chain.Plugin {
			l.ours = append(l.ours, i)
		}
	}
	return l, nil
}

// typeOf is the type of a plugin's configuration.
func typeOf(text []byte) (string, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return "", fmt.Errorf("read JSON: %w", err)
	}
	var kind string
	if err := json.Unmarshal(keys["type"], &kind); err != nil || kind == "" {
		return "", errors.New("type is missing; want the name of a CNI plugin")
	}
	return kind, nil
}

// Insert returns the text of a list with entry as its plugin nameward-cni: as
// the last one, or where it already is behind another. Nothing else is
// changed; a text that has the entry is returned as it is, however it is
// written there.
func Insert(text, entry []byte) ([]byte, error) {
	l, err := parse(text)
	if err != nil {
		return nil, err
	}
	if len(l.ours) == 1 && l.ours[0] > 0 {
		s := l.plugins[l.ours[0]]
		if same(text[s.start:s.end], entry) {
			return text, nil
		}
		return splice(text, s, entry), nil
	}
	if len(l.ours) > 0 {
		if text, err = Remove(text); err != nil {
			return nil, err
		}
		if l, err = parse(text); err != nil {
			return nil, fmt.Errorf("%s is the only plugin: %w", chain.Plugin, err)
		}
	}
	last := l.plugins[len(l.plugins)-1]
	// Written as its neighbour is: on a line of its own where that one is.
	added := append([]byte{','}, blankBefore(text, last.start)...)
	return splice(text, span{last.end, last.end}, append(added, entry...)), nil
}

// Remove returns the text of a list without plugins nameward-cni. Of what
// Insert has returned it makes what Insert was given.
func Remove(text []byte) ([]byte, error) {
	l, err := parse(text)
	if err != nil {
		return nil, err
	}
	for n := len(l.ours) - 1; n >= 0; n-- {
		i := l.ours[n]
		gone := l.plugins[i]
		switch {
		case i > 0:
			gone.start = l.plugins[i-1].end
		case len(l.plugins) > 1:
			gone.end = l.plugins[1].start
		}
		text = splice(text, gone, nil)
	}
	return text, nil
}

// Names tells whether a list has a plugin nameward-cni.
func Names(text []byte) bool {
	l, err := parse(text)
	return err == nil && len(l.ours) > 0
}

// wrap makes a list of the configuration of a single plugin, whose text it has
// in it unchanged.
func wrap(text []byte) ([]byte, error) {
	kind, err := typeOf(text)
	if err != nil {
		return nil, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	var name string
	if err := json.Unmarshal(keys["name"], &name); err != nil || name == "" {
		return nil, fmt.Errorf("configuration of %s has no name; want one, as every network has", kind)
	}
	var out bytes.Buffer
	out.WriteString("{\n")
	for _, key := range []string{"cniVersion", "name"} {
		if value, ok := keys[key]; ok {
			fmt.Fprintf(&out, "  %q: %s,\n", key, value)
		}
	}
	fmt.Fprintf(&out, "  \"plugins\": [\n    %s\n  ]\n}\n", bytes.TrimSpace(text))
	return out.Bytes(), nil
}

// same tells whether two texts are the same JSON.
func same(a, b []byte) bool {
	var left, right any
	return json.Unmarshal(a, &left) == nil && json.Unmarshal(b, &right) == nil && reflect.DeepEqual(left, right)
}

// blankBefore is the white space that ends at a place.
func blankBefore(text []byte, place int) []byte {
	start := place
	for start > 0 && bytes.IndexByte([]byte(" \t\r\n"), text[start-1]) >= 0 {
		start--
	}
	return text[start:place]
}

func splice(text []byte, s span, with []byte) []byte {
	out := make([]byte, 0, len(text)-(s.end-s.start)+len(with))
	out = append(out, text[:s.start]...)
	out = append(out, with...)
	return append(out, text[s.end:]...)
}
