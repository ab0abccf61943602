package convert

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	networkingv1 "k8s.io/api/networking/v1"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/aws"
)

// The four kinds, each from the text of a spec.

func np(t *testing.T, spec string, unknown ...string) (policy.Policy, []policy.Problem) {
	t.Helper()
	return NetworkPolicy(object[networkingv1.NetworkPolicy](t, spec), unknown...)
}

func anp(t *testing.T, spec string, unknown ...string) (policy.Policy, []policy.Problem) {
	t.Helper()
	return ApplicationNetworkPolicy(object[aws.ApplicationNetworkPolicy](t, spec), unknown...)
}

func awsCNP(t *testing.T, spec string, unknown ...string) (policy.Policy, []policy.Problem) {
	t.Helper()
	return AWSClusterNetworkPolicy(object[aws.ClusterNetworkPolicy](t, spec), unknown...)
}

func upstreamCNP(t *testing.T, spec string, unknown ...string) (policy.Policy, []policy.Problem) {
	t.Helper()
	return ClusterNetworkPolicy(object[policyv1alpha2.ClusterNetworkPolicy](t, spec), unknown...)
}

// object decodes leniently where a test is about unknown fields.
func object[T any](t *testing.T, spec string) *T {
	t.Helper()
	text := "metadata: {name: p, namespace: ns}\nspec:\n" + indent(spec)
	value := new(T)
	if err := yaml.Unmarshal([]byte(text), value); err != nil {
		t.Fatalf("decoding the test's own manifest: %v\n%s", err, text)
	}
	return value
}

func indent(spec string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ")
}

// The rendering of a policy: one line for the head, one for each rule.

func text(p policy.Policy) string {
	head := p.Tier.String()
	if p.Tier != policy.TierNetworkPolicy {
		head += fmt.Sprintf(" %d", p.Priority)
	}
	if p.AWS {
		head += " aws"
	}
	lines := []string{head + " for " + podsText(&p.Subject)}
	lines = append(lines, sectionText("ingress", p.Ingress)...)
	lines = append(lines, sectionText("egress", p.Egress)...)
	return strings.Join(lines, "\n")
}

func sectionText(direction string, s *policy.Section) []string {
	if s == nil {
		return nil
	}
	if len(s.Rules) == 0 {
		return []string{direction + ": nothing"}
	}
	var lines []string
	for i := range s.Rules {
		lines = append(lines, direction+": "+ruleText(&s.Rules[i]))
	}
	return lines
}

func ruleText(r *policy.Rule) string {
	parts := []string{r.Action.String()}
	if r.Name != "" {
		parts = []string{r.Name, r.Action.String()}
	}
	if r.AllPeers {
		parts = append(parts, "all peers")
	}
	for i := range r.Peers {
		parts = append(parts, peerText(&r.Peers[i]))
	}
	parts = append(parts, "on")
	if r.AllPorts {
		parts = append(parts, "all ports")
	}
	for _, p := range r.Ports {
		parts = append(parts, portText(p))
	}
	return strings.Join(parts, " ")
}

func peerText(p *policy.Peerage) string {
	switch {
	case p.Malformed != "":
		return "MALFORMED"
	case p.Pods != nil:
		return podsText(p.Pods)
	case p.Nodes != nil:
		return "nodes(" + p.Nodes.String() + ")"
	case p.Block != nil:
		s := p.Block.CIDR.String()
		for _, hole := range p.Block.Except {
			s += "-" + hole.String()
		}
		return s
	}
	return p.Name
}

func podsText(s *policy.PodSelector) string {
	namespaces := selectorText(s.Namespaces)
	if s.Namespace != "" {
		namespaces = "=" + s.Namespace
	}
	return fmt.Sprintf("pods(%s/%s)", namespaces, selectorText(s.Pods))
}

func selectorText(s labels.Selector) string {
	if s == nil {
		return "*"
	}
	return s.String()
}

func portText(p policy.Port) string {
	protocol := map[uint8]string{0: "any", 6: "tcp", 17: "udp", 132: "sctp"}[p.Protocol]
	switch {
	case p.Malformed != "":
		return "MALFORMED"
	case p.Name != "":
		return protocol + ":" + p.Name
	case p.First == p.Last:
		return fmt.Sprintf("%s:%d", protocol, p.First)
	}
	return fmt.Sprintf("%s:%d-%d", protocol, p.First, p.Last)
}

func problemsText(problems []policy.Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Field+": "+p.Reason)
	}
	return strings.Join(lines, "\n")
}

// check is one row of a table: a sentence, a spec, and what it becomes.
type check struct {
	says     string
	spec     string
	unknown  []string
	want     string
	problems string
}

func run(t *testing.T, convert func(*testing.T, string, ...string) (policy.Policy, []policy.Problem), table []check) {
	t.Helper()
	for _, c := range table {
		t.Run(c.says, func(t *testing.T) {
			p, problems := convert(t, c.spec, c.unknown...)
			if got, want := text(p), trim(c.want); got != want {
				t.Errorf("policy:\n got\n%s\n want\n%s", got, want)
			}
			if got, want := problemsText(problems), trim(c.problems); got != want {
				t.Errorf("problems:\n got\n%s\n want\n%s", got, want)
			}
		})
	}
}

func trim(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}
