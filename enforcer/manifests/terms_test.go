package manifests

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// N5, N10: a policy of every kind that can have names says what holds for what
// is learnt under them, and the pod's patterns have it.
func TestTermsOfEveryKind(t *testing.T) {
	const meta = `, annotations: {nameward.io/min-ttl: 5m, nameward.io/grace: 0s, nameward.io/allow-private: "10.0.0.0/8"}}` + "\nspec: "
	want := policy.Terms{
		Lives:   []policy.Life{{MinTTL: policy.Fixed(5 * time.Minute), Grace: policy.Fixed(0)}},
		Private: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}
	for says, text := range map[string]string{
		"ApplicationNetworkPolicy":      headApplication + meta + `{podSelector: {}, egress: [{to: [{domainNames: [a.example.com]}]}]}`,
		"ClusterNetworkPolicy of EKS":   headEKS + meta + `{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{domainNames: [a.example.com]}]}]}`,
		"ClusterNetworkPolicy upstream": headUpstream + meta + `{tier: Baseline, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{domainNames: [a.example.com]}]}]}`,
	} {
		t.Run(says, func(t *testing.T) {
			s := mustLoad(t, map[string]string{"cluster.yaml": read(t, "testdata/examples/cluster.yaml"), "p.yaml": text + "\n"})
			if len(s.Problems) > 0 {
				t.Errorf("got problems %v, want none", s.Problems)
			}
			found := 0
			for _, e := range policy.Compile(s.World("n1", settings.Settings{})).Tables.Endpoints {
				if e.Pod.Namespace != "lab" {
					continue
				}
				if found++; !reflect.DeepEqual(e.Terms, map[string]policy.Terms{"a.example.com": want}) {
					t.Errorf("%v: got %v, want %v", e.Pod, e.Terms, want)
				}
			}
			if found == 0 {
				t.Error("no pod was looked at")
			}
		})
	}
}

// N5: a NetworkPolicy has no names, so what its annotation says is told, with
// the line.
func TestTermsOfNetworkPolicyAreTold(t *testing.T) {
	s := mustLoad(t, map[string]string{"p.yaml": headNetworkPolicy + ",\n  annotations: {nameward.io/grace: 5m}}\nspec: {podSelector: {}}\n"})
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0].String(), "p.yaml:4: NetworkPolicy lab/p: metadata.annotations.nameward.io/grace: nothing comes of it") {
		t.Errorf("got %v, want the annotation told of", s.Problems)
	}
}
