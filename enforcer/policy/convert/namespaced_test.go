package convert

import "testing"

// P12, P13: what is written and what is left out.
func TestNetworkPolicy(t *testing.T) {
	run(t, np, []check{
		{says: "P13: without policyTypes and egress rules only ingress is isolated",
			spec: `podSelector: {}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: nothing`},
		{says: "P13: without policyTypes egress rules isolate egress too",
			spec: `{podSelector: {matchLabels: {a: b}}, egress: [{}]}`,
			want: `networkpolicy for pods(=ns/a=b)
				ingress: nothing
				egress: Accept all peers on all ports`},
		{says: "P6: a policy of type Egress leaves ingress alone, rules or not",
			spec: `{podSelector: {}, policyTypes: [Egress], ingress: [{}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: nothing`},
		{says: "P13: an empty list of ingress rules denies all",
			spec: `{podSelector: {}, policyTypes: [Ingress], ingress: []}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: nothing`},
		{says: "P12: podSelector alone means the policy's own namespace",
			spec: `{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {a: b}}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept pods(=ns/a=b) on all ports`},
		{says: "P12: an empty podSelector alone means every pod of the own namespace",
			spec: `{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept pods(=ns/*) on all ports`},
		{says: "P12: an empty namespaceSelector means every namespace",
			spec: `{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept pods(*/*) on all ports`},
		{says: "P12: both selectors in one item must match, items are alternatives",
			spec: `
podSelector: {}
ingress:
- from:
  - namespaceSelector: {matchExpressions: [{key: k, operator: NotIn, values: [v, ""]}]}
    podSelector: {matchExpressions: [{key: x, operator: DoesNotExist}]}
  - podSelector: {matchExpressions: [{key: z, operator: Exists}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept pods(k notin (,v)/!x) pods(=ns/z) on all ports`},
		{says: "P9: the protocol is TCP by default and a port without number is all of them",
			spec: `{podSelector: {}, ingress: [{ports: [{}, {protocol: UDP}, {port: 80}, {port: 8000, endPort: 8080, protocol: SCTP}, {port: 1, endPort: 1}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept all peers on tcp:0-65535 udp:0-65535 tcp:80 sctp:8000-8080 tcp:1`},
		{says: "P10: a named port keeps its protocol",
			spec: `{podSelector: {}, ingress: [{ports: [{port: web}, {port: dns, protocol: UDP}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept all peers on tcp:web udp:dns`},
		{says: "P10: a named port with a block stays as it is written and is told",
			spec: `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {}}], ports: [{port: web}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: Accept 10.0.0.0/8 pods(=ns/*) on tcp:web`,
			problems: `spec.egress[0].to[0].ipBlock: only pods have named ports, so this peer never matches here; give port numbers`},
		{says: "P10: a named port with a block beside a number is nothing to tell of",
			spec: `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: web}, {port: 80}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: Accept 10.0.0.0/8 on tcp:web tcp:80`},
		{says: "P11: host bits and leading zeros are tolerated, holes stay with their block",
			spec: `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 010.001.2.3/08, except: [10.1.2.3/16, 10.2.0.0/16]}}, {ipBlock: {cidr: "fd00::1/8"}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept 10.0.0.0/8-10.1.0.0/16-10.2.0.0/16 fd00::/8 on all ports`},
		{says: "a hole outside of its block, or as large, is kept and told",
			spec: `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/8, 10.0.0.0/8]}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept 10.0.0.0/8-11.0.0.0/8-10.0.0.0/8 on all ports`,
			problems: `spec.ingress[0].from[0].ipBlock.except[0]: "11.0.0.0/8" lies outside of "10.0.0.0/8" and carves nothing out of it
				spec.ingress[0].from[0].ipBlock.except[1]: "10.0.0.0/8" covers all of "10.0.0.0/8", so that the peer matches nothing`},
	})
}

// P15: what nobody understands is kept with its reason.
func TestNetworkPolicyMalformed(t *testing.T) {
	run(t, np, []check{
		{says: "an empty peer",
			spec: `{podSelector: {}, ingress: [{from: [{podSelector: {}}, {}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept pods(=ns/*) MALFORMED on all ports`,
			problems: `spec.ingress[0].from[1]: no peer that this version knows; write one of podSelector, namespaceSelector, ipBlock`},
		{says: "a field of a newer API beside a known one",
			spec: `{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`, unknown: []string{"spec.ingress[0].from[0].serviceAccountSelector"},
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept MALFORMED on all ports`,
			problems: `spec.ingress[0].from[0].serviceAccountSelector: unknown field "serviceAccountSelector"; this version knows podSelector, namespaceSelector, ipBlock`},
		{says: "a misspelt selector does not select everything",
			spec: `{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`, unknown: []string{"spec.ingress[0].from[0].podSelector.matchLables"},
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept MALFORMED on all ports`,
			problems: `spec.ingress[0].from[0].podSelector.matchLables: unknown field "podSelector.matchLables"; check its spelling`},
		{says: "P13, P15: a rule that is null is not one about everybody",
			spec: `{podSelector: {}, ingress: [null, {}]}`, unknown: []string{"spec.ingress[0]"},
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept MALFORMED on all ports
				ingress: Accept all peers on all ports`,
			problems: `spec.ingress[0]: a rule that is null; write one, or remove it`},
		{says: "P15: a port beyond 32 bits",
			spec: `{podSelector: {}, ingress: [{ports: [{port: 0}]}]}`, unknown: []string{"spec.ingress[0].ports[0].port"},
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept all peers on MALFORMED`,
			problems: `spec.ingress[0].ports[0].port: a number of more than 32 bits; write 1 to 65535`},
		{says: "an unknown field of peer 10 is not one of peer 1",
			spec: `{podSelector: {}, ingress: [{from: [{podSelector: {}}, {podSelector: {}}]}]}`, unknown: []string{"spec.ingress[0].from[10].x"},
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept pods(=ns/*) pods(=ns/*) on all ports`},
		{says: "a block together with a selector",
			spec: `{podSelector: {}, ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 0.0.0.0/0}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept MALFORMED on all ports`,
			problems: `spec.ingress[0].from[0]: selectors, ipBlock and domainNames exclude each other; write an item for each`},
		{says: "bad blocks and holes",
			spec: `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/33}}, {ipBlock: {cidr: 10.0.0.1}}, {ipBlock: {cidr: "::ffff:10.0.0.0/104"}}, {ipBlock: {cidr: 10.0.0.0/8, except: [x]}}, {ipBlock: {cidr: ""}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: Accept MALFORMED MALFORMED MALFORMED MALFORMED MALFORMED on all ports`,
			problems: `spec.egress[0].to[0].ipBlock.cidr: "10.0.0.0/33" has prefix length 33; at most 32 is possible
				spec.egress[0].to[1].ipBlock.cidr: "10.0.0.1" has no prefix length; write 10.0.0.1/32
				spec.egress[0].to[2].ipBlock.cidr: "::ffff:10.0.0.0/104" is an IPv4-mapped CIDR; write it as IPv4
				spec.egress[0].to[3].ipBlock.except[0]: "x" is not a CIDR; write an address and a prefix length, such as 10.0.0.0/8 or fd00::/8
				spec.egress[0].to[4].ipBlock.cidr: "" is not a CIDR; write an address and a prefix length, such as 10.0.0.0/8 or fd00::/8`},
		{says: "a selector with an operator that labels do not have",
			spec: `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: Near}]}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept MALFORMED on all ports`,
			problems: `spec.ingress[0].from[0].namespaceSelector: not a label selector: "Near" is not a valid label selector operator`},
		{says: "ports that do not exist",
			spec: `{podSelector: {}, ingress: [{ports: [{port: 0}, {port: 65536}, {port: 9, endPort: 8}, {endPort: 8}, {port: web, endPort: 8}, {port: "80"}, {protocol: ICMP}, {protocol: tcp}, {port: 80}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept all peers on MALFORMED MALFORMED MALFORMED MALFORMED MALFORMED MALFORMED MALFORMED MALFORMED tcp:80`,
			problems: `spec.ingress[0].ports[0]: port 0 does not exist; write 1 to 65535
				spec.ingress[0].ports[1]: port 65536 does not exist; write 1 to 65535
				spec.ingress[0].ports[2]: port range ends at 8, before it starts at 9
				spec.ingress[0].ports[3]: endPort 8 without port; add the port the range starts at
				spec.ingress[0].ports[4]: endPort 8 with the named port "web"; a range starts at a number
				spec.ingress[0].ports[5]: "80" is not a port name: must contain at least one letter (a-z); write a number without quotes
				spec.ingress[0].ports[6]: protocol "ICMP" has no ports; write TCP, UDP or SCTP
				spec.ingress[0].ports[7]: protocol "tcp" has no ports; write TCP, UDP or SCTP`},
		{says: "a subject that is not understood isolates the namespace and allows nothing",
			spec: `{podSelector: {matchExpressions: [{key: a, operator: In}]}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{ports: [{port: 53}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept MALFORMED on all ports
				egress: Accept MALFORMED on tcp:53`,
			problems: `spec.podSelector: not a label selector: values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty; until this is right, the policy isolates every pod of its namespace and allows nothing`},
		{says: "policy types in other letters are understood, others isolate both ways",
			spec: `{podSelector: {}, policyTypes: [egress]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: nothing`,
			problems: `spec.policyTypes[0]: "egress" is taken as Egress; write it so`},
		{says: "an unknown policy type isolates both ways",
			spec: `{podSelector: {}, policyTypes: [Sideways]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: nothing
				egress: nothing`,
			problems: `spec.policyTypes[0]: policy type "Sideways" is unknown, so both directions are isolated; write Ingress or Egress`},
	})
}

func TestApplicationNetworkPolicy(t *testing.T) {
	run(t, anp, []check{
		{says: "N1: names become peers in canonical form, one each",
			spec: `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{domainNames: [Example.COM., "*.Example.com"]}, {podSelector: {}}], ports: [{port: 443}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: Accept example.com *.example.com pods(=ns/*) on tcp:443`},
		{says: "N1: junk that the schema lets through closes its rule",
			spec: `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{domainNames: [example.com, 1.2.3.4]}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: Accept example.com MALFORMED on all ports`,
			problems: `spec.egress[0].to[0].domainNames[1]: domain name "1.2.3.4": is an address, not a name; select addresses by ipBlock or networks`},
		{says: "P15: an empty list of names is no peer",
			spec: `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{domainNames: []}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: Accept MALFORMED on all ports`,
			problems: `spec.egress[0].to[0].domainNames: no domain names; write at least one`},
		{says: "P15: an empty list of names beside a selector is still two kinds",
			spec: `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{domainNames: [], podSelector: {}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: Accept MALFORMED on all ports`,
			problems: `spec.egress[0].to[0]: selectors, ipBlock and domainNames exclude each other; write an item for each`},
		{says: "P13: types that are absent and no rules isolate ingress alone, as for a NetworkPolicy",
			spec: `{podSelector: {}}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: nothing`},
		{says: "P13: one type twice is that type, and rules of the other are left alone",
			spec: `{podSelector: {}, policyTypes: [Egress, Egress], ingress: [{}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: nothing`},
		{says: "P15: an odd type beside a good one isolates both ways",
			spec: `{podSelector: {}, policyTypes: [Egress, "*"], ingress: [{}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: Accept all peers on all ports
				egress: nothing`,
			problems: `spec.policyTypes[1]: policy type "*" is unknown, so both directions are isolated; write Ingress or Egress`},
		{says: "P15: names exclude a selector in the same item",
			spec: `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{domainNames: [a.b], podSelector: {}}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: Accept MALFORMED on all ports`,
			problems: `spec.egress[0].to[0]: selectors, ipBlock and domainNames exclude each other; write an item for each`},
		{says: "P10: a named port never matches a name",
			spec: `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{domainNames: [a.b]}], ports: [{port: web}]}]}`,
			want: `networkpolicy for pods(=ns/*)
				egress: Accept a.b on tcp:web`,
			problems: `spec.egress[0].to[0].domainNames: only pods have named ports, so this peer never matches here; give port numbers`},
		{says: "P13: types are derived where they are absent",
			spec: `{podSelector: {}, egress: [{}]}`,
			want: `networkpolicy for pods(=ns/*)
				ingress: nothing
				egress: Accept all peers on all ports`},
	})
}
