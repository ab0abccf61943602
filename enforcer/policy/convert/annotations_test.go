package convert

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

// named has a rule with a domain name.
func named() policy.Policy {
	return policy.Policy{
		Ref:    policy.PolicyRef{Kind: "ApplicationNetworkPolicy", Namespace: "a", Name: "p"},
		Egress: &policy.Section{Rules: []policy.Rule{{Action: policy.ActionAccept, AllPorts: true, Peers: []policy.Peerage{{Name: "a.example.com"}}}}},
	}
}

func ranges(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// N5, N10, P15: what annotations say of names, and the stricter reading of what
// nobody understands, which is told with what would be right.
func TestAnnotationsOfNames(t *testing.T) {
	zero := policy.Fixed(0)
	minTTL := func(term policy.Term) policy.NameTerms { return policy.NameTerms{Life: policy.Life{MinTTL: term}} }
	grace := func(term policy.Term) policy.NameTerms { return policy.NameTerms{Life: policy.Life{Grace: term}} }
	private := func(all ...string) policy.NameTerms { return policy.NameTerms{Private: ranges(all...)} }
	for _, row := range []struct {
		sentence, key, value string
		want                 policy.NameTerms
		told                 string
	}{
		{"a shortest TTL", "min-ttl", "5m", minTTL(policy.Fixed(5 * time.Minute)), ""},
		{"none at all is something to say", "min-ttl", "0s", minTTL(zero), ""},
		{"a day is the longest", "min-ttl", "24h", minTTL(policy.Fixed(24 * time.Hour)), ""},
		{"more than a day is none", "min-ttl", "24h1s", minTTL(zero), `"24h1s" is out of range; write 0s to 24h; until then it is 0s`},
		{"a number without a unit is none", "min-ttl", "30", minTTL(zero), `"30" is not a duration; write a number and a unit, such as 30s or 5m; until then it is 0s`},
		{"nothing is no duration", "min-ttl", "", minTTL(zero), `"" is not a duration`},
		{"a grace", "grace", " 90s ", grace(policy.Fixed(90 * time.Second)), ""},
		{"a grace below zero is none", "grace", "-1s", grace(zero), `"-1s" is out of range; write 0s to 24h; until then it is 0s`},
		{"a grace that is a word is none", "grace", "long", grace(zero), `"long" is not a duration`},
		{"all private ranges", "allow-private", "True", private("0.0.0.0/0", "::/0"), ""},
		{"none of them", "allow-private", "false", private(), ""},
		{"some", "allow-private", "10.0.0.0/8, fd00::/8", private("10.0.0.0/8", "fd00::/8"), ""},
		{"host bits are no mistake", "allow-private", "10.1.2.3/16", private("10.1.0.0/16"), ""},
		{"a word is no range", "allow-private", "yes", private(), `"yes" is not a CIDR; write an address and a prefix length, such as 10.0.0.0/8 or fd00::/8; true stands for all private ranges; until then it allows nothing`},
		{"nothing is no range", "allow-private", " ", private(), `" " says nothing; write true, false or CIDRs such as "10.0.0.0/8, fd00::/8"`},
		{"one wrong range spoils the others", "allow-private", "10.0.0.0/8,10.0.0.1", private(), `"10.0.0.1" has no prefix length; write 10.0.0.1/32`},
		{"a comma too much spoils all", "allow-private", "10.0.0.0/8,", private(), `"" is not a CIDR`},
		{"an IPv4-mapped range would match nothing", "allow-private", "::ffff:10.0.0.0/104", private(), "is an IPv4-mapped CIDR; write it as IPv4"},
		{"loopback cannot be allowed", "allow-private", "10.0.0.0/8,127.0.0.0/8", private(), `"127.0.0.0/8" is of loopback addresses, which no name may lead to; remove it`},
		{"nor can link-local", "allow-private", "169.254.169.254/32", private(), "of link-local addresses"},
		{"nor IPv6 link-local", "allow-private", "fe80::/64", private(), "of link-local addresses"},
		{"nor multicast", "allow-private", "ff02::/16", private(), "of multicast addresses"},
		{"nor this host", "allow-private", "0.0.0.0/32", private(), "of unspecified addresses"},
		{"a range that holds more than that can", "allow-private", "128.0.0.0/1", private("128.0.0.0/1"), ""},
		{"an annotation nobody knows changes nothing", "min-tll", "5m", policy.NameTerms{}, "unknown annotation; a policy may have nameward.io/allow-private, nameward.io/grace, "},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			p := named()
			key := AnnotationPrefix + row.key
			_, problems := Annotations(&metav1.ObjectMeta{Annotations: map[string]string{key: row.value, "example.com/other": "x"}}, &p)
			if !reflect.DeepEqual(p.Names, row.want) {
				t.Errorf("got %+v, want %+v", p.Names, row.want)
			}
			if row.told == "" != (len(problems) == 0) || len(problems) > 1 {
				t.Fatalf("got problems %v, want %q", problems, row.told)
			}
			if row.told == "" {
				return
			}
			if got := problems[0]; got.Policy != p.Ref || got.Field != "metadata.annotations."+key || !strings.Contains(got.Reason, row.told) {
				t.Errorf("got %v, want %s: …%s…", got, key, row.told)
			}
		})
	}
}

// S5: an annotation about names on a policy without any is told, and harmless.
func TestAnnotationsWithoutNames(t *testing.T) {
	rule := policy.Rule{Action: policy.ActionAccept, AllPorts: true, Peers: []policy.Peerage{{Malformed: "odd"}}}
	for sentence, p := range map[string]policy.Policy{
		"no egress":             {},
		"no name that is a one": {Egress: &policy.Section{Rules: []policy.Rule{rule}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			meta := metav1.ObjectMeta{Annotations: map[string]string{MinTTLAnnotation: "1s", AllowPrivateAnnotation: "yes", ModeAnnotation: "audit"}}
			mode, problems := Annotations(&meta, &p)
			var got []string
			for _, problem := range problems {
				got = append(got, problem.Field+": "+problem.Reason[:12])
			}
			want := []string{
				`metadata.annotations.nameward.io/allow-private: "yes" is not`,
				"metadata.annotations.nameward.io/allow-private: nothing come",
				"metadata.annotations.nameward.io/min-ttl: nothing come",
			}
			if !reflect.DeepEqual(got, want) || mode != ModeAudit {
				t.Errorf("got %q and mode %v, want %q", got, mode, want)
			}
		})
	}
}

// P15: whatever an annotation holds, what is told allows nothing, and what is
// not told is within what may be written.
func TestAnnotationsAreClosed(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"true", "30s", "24h", "25h", "10.0.0.0/8", "127.0.0.1/8"}), rapid.StringMatching(`[0-9.:a-f/, smh-]{0,20}`))
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]string{MinTTLAnnotation: text.Draw(t, "min-ttl"), GraceAnnotation: text.Draw(t, "grace"), AllowPrivateAnnotation: text.Draw(t, "private")}
		p := named()
		_, problems := Annotations(&metav1.ObjectMeta{Annotations: values}, &p)
		told := map[string]bool{}
		for _, problem := range problems {
			told[strings.TrimPrefix(problem.Field, "metadata.annotations.")] = true
		}
		for key, term := range map[string]policy.Term{MinTTLAnnotation: p.Names.Life.MinTTL, GraceAnnotation: p.Names.Life.Grace} {
			if !term.Set || term.Value < 0 || term.Value > 24*time.Hour || told[key] && term.Value != 0 {
				t.Fatalf("%s %q: got %+v, told %v", key, values[key], term, told[key])
			}
		}
		if told[AllowPrivateAnnotation] && len(p.Names.Private) > 0 {
			t.Fatalf("%q: got %v, though %v", values[AllowPrivateAnnotation], p.Names.Private, problems)
		}
	})
}

// N10: only lengths that say where the IPv4 address is are NAT64 prefixes.
func TestNAT64(t *testing.T) {
	for text, want := range map[string]string{
		"64:ff9b::/96": "", "2001:db8:64::/48": "", "2001:db8::1/32": "",
		"2001:db8::/95": "of length 32, 40, 48, 56, 64 or 96", "10.0.0.0/32": "write an IPv6 one", "64:ff9b::": "has no prefix length",
	} {
		if _, err := NAT64(text); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("NAT64(%s): got %v, want %q", text, err, want)
		}
	}
}
