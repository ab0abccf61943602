package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

func registerFormat(f *pflag.FlagSet, format *string) {
	f.StringVarP(format, "output", "o", "text", "text, json or yaml")
}

func checkFormat(format string) error {
	if slices.Contains([]string{"text", "json", "yaml"}, format) {
		return nil
	}
	return fmt.Errorf("--output: %q: want text, json or yaml", format)
}

// render writes value in the format; text gives its form for people.
func render(w io.Writer, format string, value any, text func() string) error {
	var out []byte
	var err error
	switch format {
	case "json":
		out, err = json.MarshalIndent(value, "", "  ")
		out = append(out, '\n')
	case "yaml":
		out, err = yaml.Marshal(value)
	default:
		out = []byte(text())
	}
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// words are what people read.
var words = map[verdict]string{allow: "allowed", deny: "denied", mixed: "allowed on some ways, denied on others"}

func (a answer) title() string {
	port := ""
	if a.Port != "" {
		port = ":" + a.Port
	}
	to := a.To
	if strings.Contains(to, ":") && port != "" {
		to = "[" + to + "]"
	}
	return fmt.Sprintf("%s → %s%s/%s", a.From, to, port, a.Protocol)
}

// text tells each judgement once, with all addresses for which it is the same.
func (a answer) text() string {
	var b strings.Builder
	trial := ""
	if a.trial() != "" {
		trial = ", would be denied (audit)"
	}
	fmt.Fprintf(&b, "%s: %s%s\n", a.title(), words[a.Verdict], trial)
	for _, g := range a.groups() {
		b.WriteString("\n" + g.text())
	}
	if len(a.Assumptions) > 0 {
		b.WriteString("\nassumed:\n")
		for _, text := range a.Assumptions {
			b.WriteString("  " + text + "\n")
		}
	}
	return b.String()
}

// group is judgements that differ in nothing but the address.
type group struct {
	judgement
	addresses []string
}

func (a answer) groups() []*group {
	var all []*group
	known := map[string]*group{}
	for _, p := range a.Paths {
		for _, j := range p.Judgements {
			address := j.Address
			j.Address = ""
			text, _ := json.Marshal(j)
			g, ok := known[string(text)]
			if !ok {
				g = &group{judgement: j}
				known[string(text)] = g
				all = append(all, g)
			}
			if !slices.Contains(g.addresses, address) {
				g.addresses = append(g.addresses, address)
			}
		}
	}
	return all
}

func (g *group) text() string {
	var b strings.Builder
	peer := g.Peer
	if addresses := strings.Join(g.addresses, ", "); addresses != peer {
		peer += " (" + addresses + ")"
	}
	fmt.Fprintf(&b, "%s of %s %s %s: %s\n", g.Direction, g.Pod, g.preposition(), peer, words[g.Verdict])
	line := func(field, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", field, text)
		}
	}
	line("tier", g.Tier)
	if g.Policy != nil {
		line("policy", g.Policy.String())
	}
	line("rule", g.Rule)
	for _, p := range g.IsolatedBy {
		line("isolated", "by "+p.String())
	}
	line("pattern", g.pattern())
	if g.Lockdown != nil {
		line("lockdown", g.Lockdown.told())
	}
	for _, t := range g.Terms {
		line("terms", t.text())
	}
	line("why", g.Why)
	if g.WouldDeny != nil {
		line("audit", "would be denied (audit): "+g.WouldDeny.told())
	}
	return b.String()
}

// pattern says whether a rule of the pod speaks of the name.
func (g *group) pattern() string {
	switch {
	case g.Patterns == nil:
		return ""
	case len(*g.Patterns) == 0:
		return "no rule of the pod has " + g.Peer
	case g.Verdict == deny && g.Rule == "":
		return strings.Join(*g.Patterns, ", ") + ", in a rule for other ports"
	}
	return strings.Join(*g.Patterns, ", ")
}
