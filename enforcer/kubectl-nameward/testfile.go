package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/labels"
)

// testCase is one line of what people expect of their policies.
type testCase struct {
	file string
	line int

	name       string // "" where its author gave none
	from, to   side
	port       portRef
	protocol   protocol
	directions directions

	expect verdict
	// Empty where any will do.
	tier, policy, rule string
}

// side is one party, or all pods that a selector matches.
type side struct {
	line     int
	party    party
	selector *selector
}

// selector selects pods; namespace "" is all.
type selector struct {
	namespace string
	labels    labels.Selector
}

func (s side) String() string {
	if s.selector == nil {
		return s.party.String()
	}
	namespace := s.selector.namespace
	if namespace == "" {
		namespace = "*"
	}
	if s.selector.labels.Empty() {
		return namespace + "/*"
	}
	return fmt.Sprintf("%s/{%s}", namespace, s.selector.labels)
}

// caseFields are those of a case, in the order in which help lists them.
var caseFields = map[string]func(*testCase, *yaml.Node) error{
	"name":      func(c *testCase, n *yaml.Node) error { return text(&c.name, n) },
	"from":      func(c *testCase, n *yaml.Node) error { return parseSide(&c.from, n) },
	"to":        func(c *testCase, n *yaml.Node) error { return parseSide(&c.to, n) },
	"port":      parsePortField,
	"protocol":  func(c *testCase, n *yaml.Node) error { return parseProtocolField(c, n.Value) },
	"direction": func(c *testCase, n *yaml.Node) error { return into(&c.directions, n, parseDirections) },
	"expect":    func(c *testCase, n *yaml.Node) error { return into(&c.expect, n, parseVerdict) },
	"tier":      func(c *testCase, n *yaml.Node) error { return into(&c.tier, n, parseTier) },
	"policy":    func(c *testCase, n *yaml.Node) error { return text(&c.policy, n) },
	"rule":      func(c *testCase, n *yaml.Node) error { return text(&c.rule, n) },
}

// readTests reads a test file: a list of cases. The error joins one for each
// fault, with file and line.
func readTests(file string) ([]testCase, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the test file: %w", err)
	}
	return parseTests(file, content)
}

func parseTests(file string, content []byte) ([]testCase, error) {
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	err := decoder.Decode(&document)
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: no cases; write a list, each with from, to, port and expect", file)
	case err != nil:
		return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one YAML document; write one list", file)
	}
	list := resolve(document.Content[0])
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return nil, fmt.Errorf("%s:%d: not a list of cases; write one, each with from, to, port and expect", file, list.Line)
	}
	var all []testCase
	var faults []error
	for _, item := range list.Content {
		c, errs := parseCase(file, resolve(item))
		all, faults = append(all, c), append(faults, errs...)
	}
	return all, errors.Join(faults...)
}

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func parseCase(file string, n *yaml.Node) (testCase, []error) {
	c := testCase{file: file, line: n.Line, directions: directions{true, true}}
	if n.Kind != yaml.MappingNode {
		return c, []error{fmt.Errorf("%s:%d: not a case; write one with from, to, port and expect", file, n.Line)}
	}
	var faults []error
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		parse, known := caseFields[key.Value]
		var err error
		switch {
		case !known:
			err = fmt.Errorf("unknown field; %s", suggest(fieldNames(), key.Value))
		case seen[key.Value]:
			err = errors.New("a second time; keep one of them")
		case value.Kind != yaml.ScalarNode && key.Value != "from" && key.Value != "to":
			err = errors.New("is no single value")
		default:
			err = parse(&c, value)
		}
		seen[key.Value] = true
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %s: %w", file, key.Line, key.Value, err))
		}
	}
	if len(faults) == 0 {
		if err := c.complete(seen); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", file, n.Line, err))
		}
	}
	return c, faults
}

func fieldNames() []string {
	var all []string
	for name := range caseFields {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// complete checks what no field shows alone.
func (c *testCase) complete(seen map[string]bool) error {
	for _, field := range []string{"from", "to", "expect"} {
		if !seen[field] {
			return fmt.Errorf("%s: missing; a case needs from, to, port and expect", field)
		}
	}
	if c.protocol == 0 {
		c.protocol = tcp
	}
	if err := checkPort(c.port, c.protocol); err != nil {
		return fmt.Errorf("port: %w", err)
	}
	q := question{from: c.from.party, to: target{c.to.party, c.port, c.protocol}}
	if c.to.selector != nil {
		q.to.port.name = "" // every pod has ports by name
	}
	return q.check()
}

func text(into *string, n *yaml.Node) error {
	if n.Value == "" {
		return errors.New("is empty")
	}
	*into = n.Value
	return nil
}

func into[T any](field *T, n *yaml.Node, parse func(string) (T, error)) error {
	value, err := parse(n.Value)
	*field = value
	return err
}

func parseVerdict(text string) (verdict, error) {
	if v := verdict(text); v == allow || v == deny {
		return v, nil
	}
	return "", fmt.Errorf("%q: want allow or deny", text)
}

func parseTier(text string) (string, error) {
	tiers := []string{"admin", "networkpolicy", "baseline", "default"}
	if lower := strings.ToLower(text); slices.Contains(tiers, lower) {
		return lower, nil
	}
	return "", fmt.Errorf("%q: want %s", text, strings.Join(tiers, ", "))
}

// parsePortField reads 80, http, 53/udp or icmp.
func parsePortField(c *testCase, n *yaml.Node) error {
	port, suffix, ok := strings.Cut(n.Value, "/")
	if ok {
		if err := parseProtocolField(c, suffix); err != nil {
			return err
		}
	}
	var err error
	c.port, err = parsePort(port)
	return err
}

// parseProtocolField takes in a protocol, which may be said in two fields.
func parseProtocolField(c *testCase, text string) error {
	p, err := parseProtocol(text)
	if err == nil && c.protocol != 0 && c.protocol != p {
		return fmt.Errorf("the port is said to be %s and %s; say it once", c.protocol, p)
	}
	c.protocol = p
	return err
}

// parseSide reads a party, or a selector of pods.
func parseSide(s *side, n *yaml.Node) error {
	s.line = n.Line
	if n.Kind == yaml.ScalarNode {
		var err error
		s.party, err = parseParty(n.Value)
		return withoutPort(n.Value, err)
	}
	if n.Kind != yaml.MappingNode {
		return errors.New("is a list; write one, or a selector with namespace and labels")
	}
	s.selector = &selector{labels: labels.Everything()}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		if value.Kind != yaml.ScalarNode {
			return fmt.Errorf("%s: is no text; write one, such as labels: \"app=web,tier!=db\"", key.Value)
		}
		switch key.Value {
		case "namespace":
			s.selector.namespace = value.Value
		case "labels":
			parsed, err := labels.Parse(value.Value)
			if err != nil {
				return fmt.Errorf("labels: %q is no label selector: %w", value.Value, err)
			}
			s.selector.labels = parsed
		default:
			return fmt.Errorf("%s: unknown field; %s", key.Value, suggest([]string{"labels", "namespace"}, key.Value))
		}
	}
	if len(n.Content) == 0 {
		return errors.New("is empty; a selector has namespace, labels or both")
	}
	return nil
}

// withoutPort says more where somebody wrote the target of explain.
func withoutPort(text string, err error) error {
	if err == nil {
		return nil
	}
	if t, wrong := parseTarget(text); wrong == nil && t.port.given() {
		return fmt.Errorf("%q has a port; write it in the field port", text)
	}
	return err
}
