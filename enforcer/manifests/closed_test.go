package manifests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

const (
	headNetworkPolicy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: lab"
	headApplication   = "apiVersion: networking.k8s.aws/v1alpha1\nkind: ApplicationNetworkPolicy\nmetadata: {name: p, namespace: lab"
	headEKS           = "apiVersion: networking.k8s.aws/v1alpha1\nkind: ClusterNetworkPolicy\nmetadata: {name: p"
	headUpstream      = "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p"
)

// closed is a policy, what is told of it, and what becomes of flows of the
// pod lab/box.
type closed struct {
	says, head, spec string
	// told is how each problem begins, after the line and the object.
	told  []string
	flows []string
}

// P10, P15: what is not understood is told with file and line, allows nothing,
// and denies everything where it denies or passes on. The sentence is about
// the policy's pod, lab/box; the flows are as in the examples.
func TestWhatIsNotUnderstoodIsClosed(t *testing.T) {
	checkClosed(t, []closed{
		{"P10: a named port with a block never matches", headNetworkPolicy,
			`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.1.0.0/16}}], ports: [{port: http}]}]}`,
			[]string{"4: spec.egress[0].to[0].ipBlock: only pods have named ports"},
			[]string{"lab/box -> shop/web tcp/8080 deny"}},
		{"P10: a named port with a name never matches, a number beside it does", headApplication,
			`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{domainNames: [a.example.com]}], ports: [{port: http}]}, {to: [{domainNames: [b.example.com]}], ports: [{port: http}, {port: 443}]}]}`,
			[]string{"4: spec.egress[0].to[0].domainNames: only pods have named ports"},
			[]string{"lab/box -> a.example.com=203.0.113.1 tcp/8080 deny", "lab/box -> b.example.com=203.0.113.2 tcp/443 allow", "lab/box -> b.example.com=203.0.113.2 tcp/8080 deny"}},
		{"P10: a named port that no pod has isolates and matches nothing", headNetworkPolicy,
			`{podSelector: {}, ingress: [{ports: [{port: nobody}]}]}`, nil,
			[]string{"lab/box <- shop/web tcp/80 deny", "lab/box -> shop/web tcp/80 allow"}},
		{"P10: a denied named port of networks denies nothing", headUpstream,
			`{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [10.1.0.0/16]}], protocols: [{destinationNamedPort: http}]}]}`,
			[]string{"4: spec.egress[0].to[0].networks: only pods have named ports"},
			[]string{"lab/box -> shop/web tcp/8080 allow"}},
		{"P15: a peer of a newer API under Accept spoils its rule and no other", headNetworkPolicy,
			`{podSelector: {}, ingress: [{from: [{podSelector: {}}, {serviceAccounts: {}}]}, {from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}`,
			[]string{`4: spec.ingress[0].from[1].serviceAccounts: unknown field "serviceAccounts"`},
			[]string{"lab/box <- lab/canary tcp/80 deny", "lab/box <- 203.0.113.9 tcp/80 allow"}},
		{"P15: a peer of a newer API under Deny denies all", headUpstream,
			`{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{serviceAccounts: {}}]}]}`,
			[]string{`4: spec.egress[0].to[0].serviceAccounts: unknown field "serviceAccounts"`},
			[]string{"lab/box -> shop/web tcp/80 deny", "lab/box -> 2001:db8:9::9 icmp deny", "lab/box <- shop/web tcp/80 allow"}},
		{"P15: a peer of a newer API under Pass denies all, after the rules before it", headEKS,
			`{tier: Baseline, priority: 1, subject: {namespaces: {}}, ingress: [{action: Pass, from: [{nodes: {}}]}]}`,
			[]string{`4: spec.ingress[0].from[0].nodes: unknown field "nodes"`},
			[]string{"lab/box <- shop/web tcp/80 deny", "lab/box -> shop/web tcp/80 allow"}},
		{"P15: a port of a newer API under Deny denies all", headUpstream,
			`{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {matchLabels: {team: shop}}}], protocols: [{icmp: {}}]}]}`,
			[]string{`4: spec.ingress[0].protocols[0].icmp: unknown field "icmp"`},
			[]string{"lab/box <- shop/web tcp/80 deny", "lab/box <- payments/worker tcp/80 deny"}},
		{"P15: names under Deny deny all (N8)", headUpstream,
			`{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{domainNames: [a.example.com]}]}]}`,
			[]string{"4: spec.egress[0].to[0].domainNames: domainNames with Deny"},
			[]string{"lab/box -> shop/web tcp/80 deny"}},
		{"P15: an IPv4 network written in IPv6 allows nothing", headEKS,
			`{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{networks: ["::ffff:10.0.0.0/104"]}]}, {action: Deny, to: [{networks: [10.0.0.0/8]}]}]}`,
			[]string{"4: spec.egress[0].to[0].networks[0]: \"::ffff:10.0.0.0/104\" is an IPv4-mapped CIDR; write it as IPv4"},
			[]string{"lab/box -> 10.1.0.1 tcp/80 deny", "lab/box -> 203.0.113.9 tcp/80 allow"}},
		{"P11: host bits and leading zeros are what everybody means by them", headEKS,
			`{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [010.0.0.0/8, "FD01::77/64"]}]}]}`, nil,
			[]string{"lab/box -> shop/web tcp/80 deny", "lab/box -> 8.1.2.3 tcp/80 allow", "lab/box -> 203.0.113.9 tcp/80 allow"}},
		{"P11: a hole outside of its block carves nothing, and is told", headNetworkPolicy,
			`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.1.0.0/16, except: [10.2.0.0/16]}}, {ipBlock: {cidr: 10.2.0.0/16}}]}]}`,
			[]string{`4: spec.egress[0].to[0].ipBlock.except[0]: "10.2.0.0/16" lies outside of "10.1.0.0/16"`},
			[]string{"lab/box -> 10.1.0.1 tcp/80 allow", "lab/box -> 10.2.0.1 tcp/80 allow", "lab/box -> 10.3.0.2 tcp/80 deny"}},
		{"P9: endPort without port, port 0 and a protocol without ports allow nothing, the good port too", headNetworkPolicy,
			`{podSelector: {}, ingress: [{ports: [{endPort: 90}]}, {ports: [{port: 0}]}, {ports: [{protocol: ICMP}]}, {ports: [{port: 81}]}]}`,
			[]string{"4: spec.ingress[0].ports[0]: endPort 90 without port", "4: spec.ingress[1].ports[0]: port 0 does not exist", `4: spec.ingress[2].ports[0]: protocol "ICMP" has no ports`},
			[]string{"lab/box <- shop/web tcp/80 deny", "lab/box <- shop/web icmp deny", "lab/box <- shop/web tcp/81 allow"}},
		{"P13: odd policy types isolate both ways", headApplication,
			`{podSelector: {}, policyTypes: ["*"], egress: [{to: [{podSelector: {}}]}]}`,
			[]string{`4: spec.policyTypes[0]: policy type "*" is unknown`},
			[]string{"lab/box <- shop/web tcp/80 deny", "lab/box -> lab/canary tcp/80 allow", "lab/box -> shop/web tcp/80 deny"}},
		{"P3: an unknown tier allows nothing and denies what it denies", headEKS,
			`{tier: Middle, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{networks: [0.0.0.0/0]}]}, {action: Deny, to: [{networks: [203.0.113.0/24]}]}]}`,
			[]string{`4: spec.tier: tier "Middle" is unknown`},
			[]string{"lab/box -> 203.0.113.9 tcp/80 deny", "lab/box -> 198.51.100.9 tcp/80 allow"}},
		{"P3: an unknown action denies", headUpstream,
			`{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Allow, to: [{networks: [203.0.113.0/24]}]}]}`,
			[]string{`4: spec.egress[0].action: action "Allow" is unknown and taken as Deny`},
			[]string{"lab/box -> 203.0.113.9 tcp/80 deny", "lab/box -> 198.51.100.9 tcp/80 allow"}},
		{"N1: names in capitals and with a dot at the end are names, an address is none", headApplication,
			`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{domainNames: [WWW.Example.COM.]}]}, {to: [{domainNames: [203.0.113.7]}]}]}`,
			[]string{`4: spec.egress[1].to[0].domainNames[0]: domain name "203.0.113.7": is an address`},
			[]string{"lab/box -> www.example.com=203.0.113.1 tcp/80 allow", "lab/box -> 203.0.113.7 tcp/80 deny"}},
		{"P23: a mode nobody knows is no trial", headNetworkPolicy + ", annotations: {nameward.io/mode: try}",
			`{podSelector: {}, policyTypes: [Egress]}`,
			[]string{`3: metadata.annotations.nameward.io/mode: "try" is not a mode`},
			[]string{"lab/box -> shop/web tcp/80 deny"}},
		{"N9: a lockdown of another word is told, and its policy is in force", headNetworkPolicy + ", annotations: {nameward.io/lockdown: yes please}",
			`{podSelector: {}, policyTypes: [Egress]}`,
			[]string{`3: metadata.annotations.nameward.io/lockdown: "yes please" is neither true nor false`},
			[]string{"lab/box -> shop/web tcp/80 deny"}},
	})
}

// N9: the annotation of the manifest reaches the compiled endpoints.
func TestLockdownIsRead(t *testing.T) {
	dir := folder(t, map[string]string{
		"cluster.yaml": read(t, "testdata/examples/cluster.yaml"),
		"p.yaml":       headNetworkPolicy + ", annotations: {nameward.io/lockdown: \"true\"}}\nspec: {podSelector: {}, policyTypes: [Egress]}\n",
	})
	s, err := Load(dir)
	if err != nil || len(s.Problems) > 0 {
		t.Fatal(err, s.Problems)
	}
	for _, mode := range []convert.Mode{convert.ModeEnforce, convert.ModeAudit} {
		want := policy.LockdownOn
		if mode == convert.ModeAudit {
			want = policy.LockdownAudit
		}
		locked := 0
		for _, e := range policy.Compile(s.World("n1", settings.Settings{Default: policy.Allow, Mode: mode})).Tables.Endpoints {
			if e.Lockdown == want {
				locked++
			}
		}
		if locked == 0 {
			t.Errorf("mode %v: no pod has lockdown %d", mode, want)
		}
	}
}

// checkClosed asks the reference evaluator and the compiled tables.
func checkClosed(t *testing.T, table []closed) {
	t.Helper()
	cluster := read(t, "testdata/examples/cluster.yaml")
	for _, row := range table {
		t.Run(row.says, func(t *testing.T) {
			dir := folder(t, map[string]string{"cluster.yaml": cluster, "p.yaml": row.head + "}\nspec: " + row.spec + "\n"})
			s, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Problems) != len(row.told) {
				t.Errorf("got problems %v, want %d", s.Problems, len(row.told))
			}
			for i, p := range s.Problems {
				got := fmt.Sprintf("%d: %s: %s", p.Line, p.Field, p.Reason)
				if p.File != dir+"/p.yaml" || i < len(row.told) && !strings.HasPrefix(got, row.told[i]) {
					t.Errorf("problem %d of %s: got %s, want %s…", i, p.File, got, row.told[i])
				}
			}
			world := s.World("n1", settings.Settings{Default: policy.Allow})
			compiled := policy.Compile(world)
			for _, line := range row.flows {
				words := exampleFlow.FindStringSubmatch("#   " + line)
				if words == nil {
					t.Fatalf("no flow: %s", line)
				}
				for _, f := range exampleFlows(t, world, words) {
					checkFlow(t, line, world, compiled, f, stances[words[5]])
				}
			}
		})
	}
}

// P3, P15: a priority that is missing is no 0 that somebody wrote.
func TestLoadTellsMissingPriority(t *testing.T) {
	text := func(spec string) string {
		return "apiVersion: networking.k8s.aws/v1alpha1\nkind: ClusterNetworkPolicy\nmetadata: {name: a}\nspec:\n" + spec
	}
	for _, row := range []struct{ says, spec, want string }{
		{"it is written", "  {tier: Admin, priority: 0, subject: {namespaces: {}}}", ""},
		{"it is merged", "  <<: {priority: 0}\n  tier: Admin\n  subject: {namespaces: {}}", ""},
		{"it is missing", "  tier: Admin\n  subject: {namespaces: {}}", "no priority, so it is 0 and goes first; write 0 to 1000"},
		{"it is null", "  tier: Admin\n  subject: {namespaces: {}}\n  priority: null", "no priority, so it is 0 and goes first; write 0 to 1000"},
	} {
		t.Run(row.says, func(t *testing.T) {
			got := ""
			for _, p := range mustLoad(t, map[string]string{"a.yaml": text(row.spec)}).Problems {
				got += p.Reason
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
