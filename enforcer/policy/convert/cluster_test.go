package convert

import "testing"

func TestAWSClusterNetworkPolicy(t *testing.T) {
	run(t, awsCNP, []check{
		{says: "P3: a direction without rules is not touched",
			spec: `{tier: Admin, priority: 7, subject: {namespaces: {}}, ingress: [], egress: [{name: r, action: Deny, to: [{networks: [0.0.0.0/0, "::/0"]}]}]}`,
			want: `admin 7 aws for pods(*/*)
				egress: r Deny 0.0.0.0/0 ::/0 on all ports`},
		{says: "P9: the AWS port forms",
			spec: `
tier: Baseline
priority: 1000
subject: {pods: {namespaceSelector: {matchLabels: {m: "1"}}, podSelector: {matchLabels: {p: "2"}}}}
ingress:
- action: Pass
  from: [{namespaces: {matchLabels: {a: b}}}, {pods: {namespaceSelector: {}, podSelector: {matchLabels: {c: d}}}}]
  ports: [{portNumber: {port: 80}}, {portNumber: {protocol: UDP, port: 53}}, {portRange: {start: 1, end: 9}}, {portRange: {protocol: SCTP, start: 5, end: 5}}, {namedPort: web}]`,
			want: `baseline 1000 aws for pods(m=1/p=2)
				ingress: Pass pods(a=b/*) pods(*/c=d) on tcp:80 udp:53 tcp:1-9 sctp:5 any:web`},
		{says: "P12: pods without namespaceSelector are those of all namespaces",
			spec: `{tier: Admin, priority: 0, subject: {pods: {podSelector: {matchLabels: {a: b}}}}, egress: [{action: Accept, to: [{pods: {podSelector: {}}}]}]}`,
			want: `admin 0 aws for pods(*/a=b)
				egress: Accept pods(*/*) on all ports`},
		{says: "N8: names under Deny and Pass are malformed",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Accept, to: [{domainNames: [a.b]}]}, {action: Deny, to: [{domainNames: [a.b]}]}, {action: Pass, to: [{domainNames: [a.b]}]}]}`,
			want: `admin 0 aws for pods(*/*)
				egress: Accept a.b on all ports
				egress: Deny MALFORMED on all ports
				egress: Pass MALFORMED on all ports`,
			problems: `spec.egress[1].to[0].domainNames: domainNames with Deny; they can be used with Accept only
				spec.egress[2].to[0].domainNames: domainNames with Pass; they can be used with Accept only`},
		{says: "P15: bad networks name their place",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {}}, {networks: [10.0.0.0/8, 10.0.0.0]}]}]}`,
			want: `admin 0 aws for pods(*/*)
				egress: Deny pods(*/*) 10.0.0.0/8 MALFORMED on all ports`,
			problems: `spec.egress[0].to[1].networks[1]: "10.0.0.0" has no prefix length; write 10.0.0.0/32`},
		{says: "P15: ports of no form or two forms",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{}, {namedPort: a, portNumber: {port: 1}}, {portNumber: {protocol: icmp, port: 1}}, {namedPort: ""}]}]}`,
			want: `admin 0 aws for pods(*/*)
				ingress: Deny pods(*/*) on MALFORMED MALFORMED MALFORMED MALFORMED`,
			problems: `spec.ingress[0].ports[0]: no port that this version knows; write portNumber, portRange or namedPort
				spec.ingress[0].ports[1]: portNumber, portRange and namedPort exclude each other; write an item for each
				spec.ingress[0].ports[2]: protocol "icmp" has no ports; write TCP, UDP or SCTP
				spec.ingress[0].ports[3]: "" is not a port name: must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`},
		{says: "P15: a list of ports without items is neither none nor all",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {}}], ports: []}]}`,
			want: `admin 0 aws for pods(*/*)
				egress: Deny pods(*/*) on MALFORMED`,
			problems: `spec.egress[0].ports: no ports; write at least one, or leave the field out for all`},
		{says: "P15: a podSelector that is missing closes its rule",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Deny, to: [{pods: {namespaceSelector: {}}}]}]}`, unknown: []string{"spec.egress[0].to[0].pods.podSelector"},
			want: `admin 0 aws for pods(*/*)
				egress: Deny MALFORMED on all ports`,
			problems: `spec.egress[0].to[0].pods.podSelector: no podSelector; write one, {} for all pods`},
		{says: "P15: a rule that is null denies",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: [null]}`, unknown: []string{"spec.ingress[0]"},
			want: `admin 0 aws for pods(*/*)
				ingress: Deny MALFORMED on all ports`,
			problems: `spec.ingress[0]: a rule that is null; write one, or remove it`},
		{says: "P15: a nodes peer, which this API does not have, closes its rule",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Accept, to: [{}]}]}`, unknown: []string{"spec.egress[0].to[0].nodes"},
			want: `admin 0 aws for pods(*/*)
				egress: Accept MALFORMED on all ports`,
			problems: `spec.egress[0].to[0].nodes: unknown field "nodes"; this version knows namespaces, pods, networks, domainNames`},
	})
}

func TestClusterNetworkPolicy(t *testing.T) {
	run(t, upstreamCNP, []check{
		{says: "P9: the upstream protocol forms, and no port means every port",
			spec: `
tier: Admin
priority: 10
subject: {namespaces: {matchLabels: {a: b}}}
egress:
- name: r
  action: Accept
  to: [{nodes: {}}, {nodes: {matchLabels: {x: z}}}, {networks: [10.0.0.0/8]}, {domainNames: ["*.example.com"]}]
  protocols: [{tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: 1, end: 9}}}}, {sctp: {}}, {tcp: {}}]`,
			want: `admin 10 for pods(a=b/*)
				egress: r Accept nodes() nodes(x=z) 10.0.0.0/8 *.example.com on tcp:80 udp:1-9 sctp:0-65535 tcp:0-65535`},
		{says: "P10: a named port has the protocol of the container port, and never matches nodes, networks and names",
			spec: `{tier: Baseline, priority: 0, subject: {namespaces: {}}, egress: [{action: Accept, to: [{namespaces: {}}, {nodes: {}}, {networks: [10.0.0.0/8]}], protocols: [{destinationNamedPort: web}]}]}`,
			want: `baseline 0 for pods(*/*)
				egress: Accept pods(*/*) nodes() 10.0.0.0/8 on any:web`,
			problems: `spec.egress[0].to[1].nodes: only pods have named ports, so this peer never matches here; give port numbers
				spec.egress[0].to[2].networks: only pods have named ports, so this peer never matches here; give port numbers`},
		{says: "P12: pods without namespaceSelector are those of all namespaces",
			spec: `{tier: Admin, priority: 0, subject: {pods: {podSelector: {matchLabels: {a: b}}}}, ingress: [{action: Deny, from: [{pods: {podSelector: {matchLabels: {c: d}}}}]}]}`,
			want: `admin 0 for pods(*/a=b)
				ingress: Deny pods(*/c=d) on all ports`},
		{says: "P15: peers that nobody recognises, and no peers at all",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{}]}, {action: Accept, from: []}], egress: [{action: Pass}]}`,
			want: `admin 0 for pods(*/*)
				ingress: Deny MALFORMED on all ports
				ingress: Accept MALFORMED on all ports
				egress: Pass MALFORMED on all ports`,
			problems: `spec.ingress[0].from[0]: no peer that this version knows; write one of namespaces, pods
				spec.ingress[1].from: no peers; write at least one
				spec.egress[0].to: no peers; write at least one`},
		{says: "P15: two kinds of peer in one item",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Accept, to: [{namespaces: {}, nodes: {}}]}]}`,
			want: `admin 0 for pods(*/*)
				egress: Accept MALFORMED on all ports`,
			problems: `spec.egress[0].to[0]: more than one kind of peer in one item; write an item for each`},
		{says: "P15: lists of networks and names that are empty, alone and beside another kind",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Accept, to: [{networks: []}, {domainNames: []}, {namespaces: {}, networks: []}]}]}`,
			want: `admin 0 for pods(*/*)
				egress: Accept MALFORMED MALFORMED MALFORMED on all ports`,
			problems: `spec.egress[0].to[0].networks: no networks; write at least one
				spec.egress[0].to[1].domainNames: no domain names; write at least one
				spec.egress[0].to[2]: more than one kind of peer in one item; write an item for each`},
		{says: "P11: networks as old objects have them; one that is IPv4 in IPv6 closes its rule",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [010.0.0.0/8, 10.1.2.3/16, "FD00:0::1/16", "::ffff:10.0.0.0/104"]}]}]}`,
			want: `admin 0 for pods(*/*)
				egress: Deny 10.0.0.0/8 10.1.0.0/16 fd00::/16 MALFORMED on all ports`,
			problems: `spec.egress[0].to[0].networks[3]: "::ffff:10.0.0.0/104" is an IPv4-mapped CIDR; write it as IPv4`},
		{says: "P9: a range of one port, which the schema refuses, is that port",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 5, end: 5}}}}, {udp: {destinationPort: {range: {start: 1, end: 65535}}}}]}]}`,
			want: `admin 0 for pods(*/*)
				ingress: Deny pods(*/*) on tcp:5 udp:1-65535`},
		{says: "P15: ranges that end before they start, and ports that do not exist",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 9, end: 5}}}}, {udp: {destinationPort: {range: {start: 0, end: 5}}}}, {sctp: {destinationPort: {number: 65536}}}]}]}`,
			want: `admin 0 for pods(*/*)
				ingress: Deny pods(*/*) on MALFORMED MALFORMED MALFORMED`,
			problems: `spec.ingress[0].protocols[0]: port range ends at 5, before it starts at 9
				spec.ingress[0].protocols[1]: port 0 does not exist; write 1 to 65535
				spec.ingress[0].protocols[2]: port 65536 does not exist; write 1 to 65535`},
		{says: "P15: protocols that nobody recognises",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{}, {tcp: {}, udp: {}}, {tcp: {destinationPort: {}}}, {tcp: {destinationPort: {number: 1, range: {start: 1, end: 2}}}}, {destinationNamedPort: WEB}]}]}`,
			want: `admin 0 for pods(*/*)
				ingress: Deny pods(*/*) on MALFORMED MALFORMED MALFORMED MALFORMED MALFORMED`,
			problems: `spec.ingress[0].protocols[0]: no protocol that this version knows; write tcp, udp, sctp or destinationNamedPort
				spec.ingress[0].protocols[1]: tcp, udp, sctp and destinationNamedPort exclude each other; write an item for each
				spec.ingress[0].protocols[2]: port 0 does not exist; write 1 to 65535
				spec.ingress[0].protocols[3]: number and range exclude each other; write an item for each
				spec.ingress[0].protocols[4]: "WEB" is not a port name: must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`},
		{says: "P15: a list of protocols without items is neither none nor all",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {}}], protocols: []}]}`,
			want: `admin 0 for pods(*/*)
				egress: Deny pods(*/*) on MALFORMED`,
			problems: `spec.egress[0].protocols: no protocols; write at least one, or leave the field out for all`},
		{says: "P15: a podSelector that is missing closes its rule",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Deny, to: [{pods: {namespaceSelector: {}}}]}]}`, unknown: []string{"spec.egress[0].to[0].pods.podSelector"},
			want: `admin 0 for pods(*/*)
				egress: Deny MALFORMED on all ports`,
			problems: `spec.egress[0].to[0].pods.podSelector: no podSelector; write one, {} for all pods`},
		{says: "P15: a rule that is null denies",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: [null]}`, unknown: []string{"spec.ingress[0]"},
			want: `admin 0 for pods(*/*)
				ingress: Deny MALFORMED on all ports`,
			problems: `spec.ingress[0]: a rule that is null; write one, or remove it`},
		{says: "P15: a protocol of a newer API closes its rule",
			spec: `{tier: Admin, priority: 0, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {}}]}]}`, unknown: []string{"spec.ingress[0].protocols[0].icmp"},
			want: `admin 0 for pods(*/*)
				ingress: Deny pods(*/*) on MALFORMED`,
			problems: `spec.ingress[0].protocols[0].icmp: unknown field "icmp"; this version knows tcp, udp, sctp, destinationNamedPort`},
	})
}

// What is not understood of a whole cluster policy never opens anything.
func TestClusterPolicyHardened(t *testing.T) {
	rules := `egress: [{action: Accept, to: [{namespaces: {}}]}, {action: Deny, to: [{networks: [10.0.0.0/8]}]}, {action: Pass, to: [{networks: [11.0.0.0/8]}]}]`
	closed := `
		egress: Accept MALFORMED on all ports
		egress: Deny 10.0.0.0/8 on all ports
		egress: Deny 11.0.0.0/8 on all ports`
	run(t, upstreamCNP, []check{
		{says: "an unknown tier",
			spec:     `{tier: Middle, priority: 5, subject: {namespaces: {matchLabels: {a: b}}}, ` + rules + `}`,
			want:     `admin 5 for pods(a=b/*)` + closed,
			problems: `spec.tier: tier "Middle" is unknown; write Admin or Baseline; until then what the policy denies stays denied and it allows nothing`},
		{says: "no subject",
			spec:     `{tier: Admin, priority: 5, subject: {}, ` + rules + `}`,
			want:     `admin 5 for pods(*/*)` + closed,
			problems: `spec.subject: no subject that this version knows; write namespaces or pods; until this is right, what the policy denies is denied to more pods and it allows nothing`},
		{says: "two subjects",
			spec:     `{tier: Admin, priority: 5, subject: {namespaces: {}, pods: {podSelector: {}}}, ` + rules + `}`,
			want:     `admin 5 for pods(*/*)` + closed,
			problems: `spec.subject: namespaces and pods exclude each other; until this is right, what the policy denies is denied to more pods and it allows nothing`},
		{says: "half a subject selects by the other half",
			spec:     `{tier: Admin, priority: 5, subject: {pods: {namespaceSelector: {matchLabels: {a: b}}, podSelector: {matchExpressions: [{key: x, operator: Near}]}}}, ` + rules + `}`,
			want:     `admin 5 for pods(a=b/*)` + closed,
			problems: `spec.subject.pods.podSelector: not a label selector: "Near" is not a valid label selector operator; until this is right, what the policy denies is denied to more pods and it allows nothing`},
		{says: "an unknown action denies what its rule names",
			spec: `{tier: Admin, priority: 5, subject: {namespaces: {}}, egress: [{action: Allow, to: [{networks: [10.0.0.0/8]}]}]}`,
			want: `admin 5 for pods(*/*)
				egress: Deny 10.0.0.0/8 on all ports`,
			problems: `spec.egress[0].action: action "Allow" is unknown and taken as Deny; write Accept, Deny or Pass`},
		{says: "a priority out of range keeps its order",
			spec:     `{tier: Admin, priority: 1001, subject: {namespaces: {}}}`,
			want:     `admin 1001 for pods(*/*)`,
			problems: `spec.priority: priority 1001; write 0 to 1000, the smaller goes first`},
	})
}
