package manifests

import "testing"

// P13, P15: an item that is null, an empty list where the API demands an item,
// a selector that is missing and a port beyond 32 bits are no wish for
// everything. They are told, close their rule and leave its neighbours alone.
func TestWhatIsLeftOutIsClosed(t *testing.T) {
	const (
		before = `{tier: Admin, priority: 1, subject: {namespaces: {}}, `
		denied = "lab/box -> shop/web tcp/80 deny"
		open   = "lab/box -> shop/web tcp/80 allow"
		refuse = "lab/box <- shop/web tcp/80 deny"
		let    = "lab/box <- shop/web tcp/80 allow"
		// isolated is a second object under which only what is accepted before
		// it passes.
		isolated = "\n---\n" + headNetworkPolicy + "}\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}"
	)
	var table []closed
	for _, head := range []struct{ name, text string }{{"NetworkPolicy", headNetworkPolicy}, {"ApplicationNetworkPolicy", headApplication}} {
		of := func(says, spec, told string, flows ...string) {
			table = append(table, closed{head.name + ": " + says, head.text, spec, []string{told}, flows})
		}
		of("P13, P15: an ingress rule that is null allows nothing, the next one what it says",
			`{podSelector: {}, ingress: [null, {from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}`,
			"4: spec.ingress[0]: a rule that is null", refuse, "lab/box <- 203.0.113.9 tcp/80 allow", open)
		of("P13, P15: an egress rule of a bare dash allows nothing and isolates",
			"\n  podSelector: {}\n  egress:\n  -\n  - ports: [{port: 81}]",
			"7: spec.egress[0]: a rule that is null", denied, "lab/box -> shop/web tcp/81 allow", refuse)
		of("P15: a source that is null closes its rule",
			`{podSelector: {}, ingress: [{from: [null, {podSelector: {}}]}]}`,
			"4: spec.ingress[0].from[0]: an item that is null; write one of podSelector", refuse, "lab/box <- lab/canary tcp/80 deny")
		of("P15: a destination that is null closes its rule",
			`{podSelector: {}, policyTypes: [Egress], egress: [{to: [null]}]}`,
			"4: spec.egress[0].to[0]: an item that is null", denied, let)
		of("P13, P15: a port that is null is not every port of TCP",
			`{podSelector: {}, ingress: [{ports: [null]}]}`,
			"4: spec.ingress[0].ports[0]: an item that is null; write one of protocol, port, endPort", refuse)
		of("P15: a value that is null is not the empty one",
			`{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: nobody, operator: NotIn, values: [null]}]}}]}]}`,
			"4: spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values[0]: an item that is null; write a value", refuse)
		of("P15: a port beyond 32 bits is not what its last 16 bits are",
			"\n  podSelector: {}\n  ingress:\n  - ports:\n    - port: 4294967376\n  - ports: [{port: 81}]",
			"8: spec.ingress[0].ports[0].port: a number of more than 32 bits; write 1 to 65535", refuse, "lab/box <- shop/web tcp/81 allow")
		of("P15: a port below 32 bits closes its rule, good ports with it",
			`{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}, {port: -4294967216, endPort: 90}]}]}`,
			"4: spec.egress[0].ports[1].port: a number of more than 32 bits", denied)
		table = append(table, closed{head.name + ": P13: an empty list of peers or ports is everything", head.text,
			`{podSelector: {}, ingress: [{from: [], ports: []}], egress: [{to: [], ports: []}]}`, nil, []string{let, open, "lab/box <- shop/web icmp allow"}})
	}
	for _, api := range []struct{ name, text, ports, one string }{
		{"EKS", headEKS, "ports", "{portNumber: {port: 80}}"}, {"upstream", headUpstream, "protocols", "{tcp: {destinationPort: {number: 80}}}"},
	} {
		of := func(says, spec, told string, flows ...string) {
			table = append(table, closed{api.name + ": P15: " + says, api.text, before + spec, []string{told}, flows})
		}
		of("an ingress rule that is null denies all", `ingress: [null]}`,
			"4: spec.ingress[0]: a rule that is null", refuse, "lab/box <- 203.0.113.9 icmp deny", open)
		of("an egress rule of a null allows nothing", `egress: [null]}`+isolated,
			"4: spec.egress[0]: a rule that is null", denied, "lab/box -> 203.0.113.9 icmp deny")
		for _, action := range []string{"Accept", "Deny", "Pass"} {
			behind := isolated
			if action != "Accept" {
				behind = ""
			}
			of := func(says, rest, told string) {
				of(says+" under "+action, `egress: [{action: `+action+`, `+rest+`}]}`+behind, told, denied, "lab/box -> 203.0.113.9 icmp deny")
			}
			of("an empty list of ports", `to: [{namespaces: {}}], `+api.ports+`: []`,
				"4: spec.egress[0]."+api.ports+": no "+api.ports+"; write at least one, or leave the field out for all")
			of("a port that is null", `to: [{namespaces: {}}], `+api.ports+`: [`+api.one+`, null]`,
				"4: spec.egress[0]."+api.ports+"[1]: an item that is null")
			of("an empty list of destinations", `to: []`,
				"4: spec.egress[0].to: no peers; write at least one")
			of("a destination that is null", `to: [null]`,
				"4: spec.egress[0].to[0]: an item that is null")
			of("a destination without podSelector", `to: [{pods: {namespaceSelector: {matchLabels: {team: shop}}}}]`,
				"4: spec.egress[0].to[0].pods.podSelector: no podSelector; write one, {} for all pods")
		}
		of("a source whose podSelector is null", `ingress: [{action: Accept, from: [{pods: {namespaceSelector: {}, podSelector: null}}]}]}`+isolated,
			"4: spec.ingress[0].from[0].pods.podSelector: no podSelector", refuse)
		of("an empty list of sources that are denied", `ingress: [{action: Deny, from: []}]}`,
			"4: spec.ingress[0].from: no peers", refuse, "lab/box <- 203.0.113.9 icmp deny", open)
		table = append(table, closed{api.name + ": P13: ports that are null are none, so all", api.text,
			before + `egress: [{action: Accept, to: [{namespaces: {}}], ` + api.ports + `: null}]}` + isolated, nil, []string{open, refuse}})
	}
	pods := before + `egress: [{action: Accept, to: [{pods: {podSelector: {}}}]}]}` + isolated
	table = append(table,
		closed{"P15: EKS demands a namespaceSelector", headEKS, pods,
			[]string{"4: spec.egress[0].to[0].pods.namespaceSelector: no namespaceSelector; write one, {} for all namespaces"}, []string{denied}},
		closed{"P15: upstream takes a missing namespaceSelector for all namespaces", headUpstream, pods, nil, []string{open}},
		closed{"P13: a NetworkPolicy without podSelector selects all pods, as its API says", headNetworkPolicy, `{policyTypes: [Egress]}`, nil, []string{denied}},
	)
	checkClosed(t, table)
}

// P15: an object of which nobody knows whom it selects is refused, as an API
// server does.
func TestLoadRefusesPoliciesWithoutSubject(t *testing.T) {
	const cluster = "}\nspec:\n  tier: Admin\n  priority: 1\n"
	refuse(t, []refused{
		{"an ApplicationNetworkPolicy without podSelector", map[string]string{"a.yaml": headApplication + "}\nspec: {policyTypes: [Egress]}\n"},
			`a.yaml:4: spec.podSelector: no podSelector; write one, {} for all pods of the namespace`},
		{"a podSelector that is null", map[string]string{"a.yaml": headApplication + "}\nspec:\n  podSelector:\n  policyTypes: [Egress]\n"},
			`a.yaml:5: spec.podSelector: no podSelector; write one, {} for all pods of the namespace`},
		{"a podSelector with a value that is null", map[string]string{"a.yaml": headApplication + "}\nspec:\n  podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [null]}]}\n"},
			`a.yaml:5: spec.podSelector.matchExpressions[0].values[0]: an item that is null; write a value, or remove it`},
		{"a subject of pods without anything, for EKS", map[string]string{"a.yaml": headEKS + cluster + "  subject:\n    pods: {}\n"},
			"a.yaml:8: spec.subject.pods.namespaceSelector: no namespaceSelector; write one, {} for all\n" +
				`a.yaml:8: spec.subject.pods.podSelector: no podSelector; write one, {} for all`},
		{"a subject of pods without podSelector", map[string]string{"a.yaml": headUpstream + cluster + "  subject:\n    pods:\n      namespaceSelector: {}\n"},
			`a.yaml:8: spec.subject.pods.podSelector: no podSelector; write one, {} for all`},
		{"a port that is none has its own line", map[string]string{"a.yaml": headNetworkPolicy + "}\nspec:\n  podSelector: {}\n  ingress:\n  - ports:\n    - port: 80\n    - port: true\n"},
			`a.yaml:9: spec.ingress[0].ports[1].port: is not a port; write a number from 1 to 65535, or a name`},
		{"a port with a fraction", map[string]string{"a.yaml": headApplication + "}\nspec:\n  podSelector: {}\n  egress:\n  - ports:\n    - port: 80.5\n"},
			`a.yaml:8: spec.egress[0].ports[0].port: is not a port; write a number from 1 to 65535, or a name`},
		{"a port that is an object", map[string]string{"a.yaml": headApplication + "}\nspec:\n  podSelector: {}\n  egress:\n  - ports:\n    - port: {}\n"},
			`a.yaml:8: spec.egress[0].ports[0].port: is not a port; write a number from 1 to 65535, or a name`},
		{"an endPort beyond 32 bits", map[string]string{"a.yaml": headNetworkPolicy + "}\nspec:\n  podSelector: {}\n  ingress:\n  - ports:\n    - port: 80\n      endPort: 4294967376\n"},
			`a.yaml:9: spec.ingress[0].ports[0].endPort: is a number 4294967376, where a whole number (int32) is wanted`},
		{"a targetPort beyond 32 bits", map[string]string{"a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - port: 80\n    targetPort: 4294967376\n"},
			`a.yaml:7: spec.ports[0].targetPort: is not a port; write a number from 1 to 65535, or a name`},
	})
}
