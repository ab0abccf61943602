package decode_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/policy/decode"
)

var (
	networkKind = decode.Kind{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}
	appKind     = decode.Kind{APIVersion: "networking.k8s.aws/v1alpha1", Kind: "ApplicationNetworkPolicy"}
	clusterKind = decode.Kind{APIVersion: "networking.k8s.aws/v1alpha1", Kind: "ClusterNetworkPolicy"}
)

func tree(t *testing.T, spec string) map[string]any {
	t.Helper()
	var tree map[string]any
	text := `{"metadata": {"name": "p", "namespace": "shop", "uid": "u", "managedFields": [{"x": 1}]}, "status": 5, "spec": ` + spec + `}`
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

func read(t *testing.T, kind decode.Kind, spec string) (policy.Policy, []policy.Problem) {
	t.Helper()
	switch kind {
	case networkKind:
		return closed(t, kind, spec, convert.NetworkPolicy)
	case appKind:
		return closed(t, kind, spec, convert.ApplicationNetworkPolicy)
	}
	return closed(t, kind, spec, convert.AWSClusterNetworkPolicy)
}

func closed[T any](t *testing.T, kind decode.Kind, spec string, into func(*T, ...string) (policy.Policy, []policy.Problem)) (policy.Policy, []policy.Problem) {
	value, unclear, lost := decode.Salvage[T](kind, tree(t, spec))
	p, problems := into(value, unclear...)
	return p, convert.Close(&p, problems, lost)
}

// sketch says of each rule whether it is closed.
func sketch(p policy.Policy) string {
	var b strings.Builder
	for _, side := range []struct {
		name    string
		section *policy.Section
	}{{"in", p.Ingress}, {"out", p.Egress}} {
		if side.section == nil {
			continue
		}
		b.WriteString(side.name + "[")
		for i, rule := range side.section.Rules {
			if i > 0 {
				b.WriteByte(' ')
			}
			state := "open"
			for _, peer := range rule.Peers {
				if peer.Malformed != "" {
					state = "closed"
				}
			}
			for _, port := range rule.Ports {
				if port.Malformed != "" {
					state = "closed"
				}
			}
			fmt.Fprintf(&b, "%v:%s", rule.Action, state)
		}
		b.WriteString("] ")
	}
	if p.Subject.Pods == nil && p.Subject.Namespaces == nil {
		b.WriteString("all")
	}
	return strings.TrimSpace(b.String())
}

// P15: of an object that a server has accepted and this version cannot read, what
// is not understood is closed, what is understood stays, and each is told.
func TestSalvage(t *testing.T) {
	const good = `"podSelector": {"matchLabels": {"app": "web"}}`
	const anyone = `"tier": "Admin", "priority": 1, "subject": {"namespaces": {"matchLabels": {"team": "a"}}}`
	for _, row := range []struct {
		name string
		kind decode.Kind
		spec string
		want string
		told string
	}{
		{"a policy that is understood is left alone", networkKind,
			`{` + good + `, "ingress": [{"from": [{"podSelector": {}}]}]}`, "in[Accept:open]", ""},
		{"a peer's unknown field closes its rule and no other", networkKind,
			`{` + good + `, "ingress": [{"from": [{"podSelector": {}, "zone": "a"}]}, {"from": [{"podSelector": {}}]}]}`, "in[Accept:closed Accept:open]", "spec.ingress[0].from[0].zone"},
		{"a rule's unknown field closes the rule", networkKind,
			`{` + good + `, "ingress": [{"schedule": "night"}, {}]}`, "in[Accept:closed Accept:open]", "spec.ingress[0].schedule"},
		{"a value of another type closes its rule", networkKind,
			`{` + good + `, "egress": [{"ports": [{"port": {"from": 1}}]}, {}], "policyTypes": ["Egress"]}`, "out[Accept:closed Accept:open]", "spec.egress[0].ports[0].port"},
		{"rules that are no list are one that allows nothing", networkKind,
			`{` + good + `, "ingress": "all"}`, "in[Accept:closed]", "spec.ingress"},
		{"an unknown field of the spec closes all rules", networkKind,
			`{` + good + `, "ingress": [{}], "until": "2030"}`, "in[Accept:closed]", "spec.until"},
		{"a subject that cannot be read is every pod of the namespace", networkKind,
			`{"podSelector": {"matchFields": {"x": "y"}}, "ingress": [{}]}`, "in[Accept:closed] all", "spec.podSelector.matchFields"},
		{"policy types that cannot be read isolate both ways", networkKind,
			`{` + good + `, "policyTypes": "Ingress"}`, "in[] out[]", "spec.policyTypes"},
		{"a spec that is none isolates every pod of the namespace", networkKind,
			`7`, "in[Accept:closed] out[Accept:closed] all", "spec"},
		{"a podSelector that is missing is every pod of the namespace", appKind,
			`{"policyTypes": ["Egress"], "egress": [{"to": [{"domainNames": ["example.com"]}]}]}`, "out[Accept:closed] all", "spec.podSelector"},
		{"an unknown field of a Deny rule denies all", clusterKind,
			`{` + anyone + `, "egress": [{"action": "Deny", "to": [{"networks": ["10.0.0.0/8"]}], "when": "now"}]}`, "out[Deny:closed]", "spec.egress[0].when"},
		{"an action that is no text denies all", clusterKind,
			`{` + anyone + `, "egress": [{"action": 1, "to": [{"networks": ["10.0.0.0/8"]}]}]}`, "out[Deny:closed]", "spec.egress[0].action"},
		{"an unknown field of the spec closes Accept and turns Pass to Deny", clusterKind,
			`{` + anyone + `, "ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}, {"action": "Pass", "from": [{"namespaces": {}}]}], "except": []}`, "in[Accept:closed Deny:open]", "spec.except"},
		{"a subject that cannot be read is every pod", clusterKind,
			`{"tier": "Admin", "priority": 1, "subject": 1, "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}]}`, "in[Deny:open] all", "spec.subject"},
		{"a spec that is none denies all to every pod", clusterKind,
			`[]`, "in[Deny:closed] out[Deny:closed] all", "spec"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, problems := read(t, row.kind, row.spec)
			if got := sketch(p); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
			var told []string
			for _, problem := range problems {
				told = append(told, problem.Field)
			}
			if got := strings.Join(told, " "); got != row.told {
				t.Errorf("told of %q, want %q: %v", got, row.told, problems)
			}
		})
	}
}
