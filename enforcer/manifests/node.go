package manifests

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// legible makes the parser's reading of plain words that of kubectl, which
// follows YAML 1.1: yes and on are booleans, a date is a text. So a file means
// the same here as in a cluster. It gives a key that kubectl would rewrite
// (n becomes "false", 1.10 becomes "1.1"), if there is one.
func legible(n *yaml.Node) (rewritten *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		word, is := booleans[n.Value]
		switch tag := n.ShortTag(); {
		case tag == "!!timestamp":
			n.Tag = "!!str"
		case is && plain(n) && tag == "!!str":
			n.Tag, n.Value = "!!bool", strconv.FormatBool(word)
		}
		return nil
	}
	for i, inside := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && inside.Kind == yaml.ScalarNode {
			if !legibleKey(inside) {
				return inside
			}
			continue
		}
		if rewritten := legible(inside); rewritten != nil {
			return rewritten
		}
	}
	return nil
}

// legibleKey makes a text of a key that is a number.
func legibleKey(key *yaml.Node) bool {
	_, boolean := booleans[key.Value]
	switch tag := key.ShortTag(); {
	case tag == "!!merge" || tag == "!!str" && !(boolean && plain(key)):
		return true
	case tag == "!!int":
		number, err := strconv.Atoi(key.Value)
		key.Tag = "!!str"
		return err == nil && strconv.Itoa(number) == key.Value
	}
	return false
}

// booleans are the words of YAML 1.1 that YAML 1.2 takes for texts.
var booleans = map[string]bool{
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}

func plain(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0
}

// target follows aliases.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// child gives the value of a key, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return target(n.Content[i+1])
		}
	}
	return nil
}

// lineOf gives the line of a field such as spec.egress[0].to, or that of the
// nearest thing around it where the field itself is not written.
func lineOf(n *yaml.Node, field string) int {
	line := n.Line
	for field != "" {
		n = target(n)
		if index, rest, ok := leadingIndex(field); ok {
			if n.Kind != yaml.SequenceNode || index >= len(n.Content) {
				return line
			}
			n, field = n.Content[index], rest
			line = n.Line
			continue
		}
		key, value, rest := longestKey(n, strings.TrimPrefix(field, "."))
		if key == nil {
			return line
		}
		line, n, field = key.Line, value, rest
	}
	return line
}

func leadingIndex(field string) (index int, rest string, ok bool) {
	inside, ok := strings.CutPrefix(field, "[")
	if !ok {
		return 0, "", false
	}
	number, rest, ok := strings.Cut(inside, "]")
	index, err := strconv.Atoi(number)
	return index, rest, ok && err == nil && index >= 0
}

// longestKey finds the key that field begins with. Keys may hold dots, as
// labels do; so the longest that fits is meant.
func longestKey(n *yaml.Node, field string) (key, value *yaml.Node, rest string) {
	if n.Kind != yaml.MappingNode {
		return nil, nil, ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		candidate := n.Content[i]
		after, ok := strings.CutPrefix(field, candidate.Value)
		if !ok || after != "" && after[0] != '.' && after[0] != '[' {
			continue
		}
		if key == nil || len(candidate.Value) > len(key.Value) {
			key, value, rest = candidate, n.Content[i+1], after
		}
	}
	return key, value, rest
}
