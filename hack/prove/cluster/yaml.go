package cluster

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// YAML is the cluster as a file of manifests. What no manifest can say stands
// above it in comments.
func (c *Cluster) YAML() string {
	var b strings.Builder
	for _, a := range c.Local {
		fmt.Fprintf(&b, "# a local address of %s besides: %s\n", Here, a)
	}
	for _, l := range c.Lessons {
		fmt.Fprintf(&b, "# %s learnt %s as %s", l.Pod, l.Peer, strings.Join(l.Names, " "))
		if l.Expired {
			b.WriteString(", which has expired")
		}
		b.WriteByte('\n')
	}
	for _, o := range c.Namespaces {
		write(&b, o, nil)
	}
	for _, o := range c.Nodes {
		write(&b, o, nil)
	}
	if c.Settings != nil {
		write(&b, c.Settings, nil)
	}
	for _, p := range c.Pods {
		write(&b, p.Object, nil)
	}
	for _, s := range c.Services {
		write(&b, s.Object, nil)
		for _, slice := range s.Slices {
			write(&b, slice, nil)
		}
	}
	for _, p := range c.Policies {
		write(&b, p.Object, p.Unknown)
	}
	return b.String()
}

func write(b *strings.Builder, object any, unknown []string) {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err) // API objects are always possible in JSON
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		panic(err)
	}
	if status, ok := tree["status"].(map[string]any); ok {
		delete(status, "nodeInfo")
		delete(status, "daemonEndpoints")
	}
	clean(tree)
	for _, path := range unknown {
		plant(tree, path)
	}
	out, err := yaml.Marshal(tree)
	if err != nil {
		panic(err)
	}
	b.WriteString("---\n")
	b.Write(out)
}

// idle are fields that Go's types write though nobody would: empty, they say
// nothing. An empty selector does.
var idle = map[string]bool{
	"creationTimestamp": true, "resources": true, "status": true, "loadBalancer": true,
}

// clean removes idle fields and says whether anything is left.
func clean(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for key, inside := range value {
			if left := clean(inside); !left && (idle[key] || inside == nil) {
				delete(value, key)
			}
		}
		if spec, ok := value["spec"].(map[string]any); ok && len(spec) == 0 {
			delete(value, "spec")
		}
		return len(value) > 0
	case []any:
		for _, inside := range value {
			clean(inside)
		}
		return len(value) > 0
	case string:
		return value != ""
	case float64:
		return value != 0
	}
	return value != nil
}

var step = regexp.MustCompile(`^(\w+)(?:\[(\d+)\])?$`)

// plant sets the field of that path, such as spec.egress[0].to[1].field,
// unless what is around it is not there.
func plant(tree map[string]any, path string) {
	at, steps := tree, strings.Split(path, ".")
	for _, s := range steps[:len(steps)-1] {
		parts := step.FindStringSubmatch(s)
		var next any = at[parts[1]]
		if list, ok := next.([]any); ok && parts[2] != "" {
			i, _ := strconv.Atoi(parts[2])
			if i >= len(list) {
				return
			}
			next = list[i]
		}
		inside, ok := next.(map[string]any)
		if !ok {
			return
		}
		at = inside
	}
	at[steps[len(steps)-1]] = map[string]any{}
}
