package names

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// crd is the pattern of the custom resource definitions, as published.
var crd = regexp.MustCompile(`^(\*\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$`)

// N1.
func TestParse(t *testing.T) {
	label63, label64 := strings.Repeat("a", 63), strings.Repeat("a", 64)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("a", 61)
	for _, row := range []struct{ sentence, text, want string }{
		{"a name is itself", "example.com", "example.com"},
		{"a wildcard keeps its star", "*.example.com", "*.example.com"},
		{"upper case is lowered", "API.Example.COM", "api.example.com"},
		{"a trailing dot goes", "*.Example.com.", "*.example.com"},
		{"an underscore may lead a label", "_dmarc.example.com", "_dmarc.example.com"},
		{"an underscore may stand inside a label", "a_b.example.com", "a_b.example.com"},
		{"an underscore may be a label", "_.example.com", "_.example.com"},
		{"a reverse name is a name", "4.3.2.1.in-addr.arpa", "4.3.2.1.in-addr.arpa"},
		{"numbers may lead", "1.2.3.4.example.com", "1.2.3.4.example.com"},
		{"a label that only looks hexadecimal is a label", "0xfg.0x1", "0xfg.0x1"},
		{"a label may have 63 characters", label63 + ".com", label63 + ".com"},
		{"a name may have 253 characters", name253, name253},
		{"the trailing dot does not count", name253 + ".", name253},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			got, err := Parse(row.text)
			if err != nil || got.String() != row.want {
				t.Errorf("Parse(%q): got %q, %v, want %q", row.text, got, err, row.want)
			}
			if !crd.MatchString(row.text) {
				t.Errorf("%q is not what the CRD takes", row.text)
			}
		})
	}
	for _, row := range []struct{ sentence, text, want string }{
		{"nothing is no name", "", "is empty"},
		{"the root is no name", ".", "is empty"},
		{"a star alone is everything", "*", "not the whole first label"},
		{"one label is not enough", "localhost", "two labels"},
		{"a wildcard of a top-level domain is too wide", "*.com", "two labels"},
		{"a star in the middle", "a.*.com", "only in front"},
		{"a star in a label", "*a.example.com", "only in front"},
		{"two stars", "*.*.example.com", "only in front"},
		{"a caret, which the CRD takes", "^.com", `contains '^'`},
		{"a bracket, which the CRD takes", "[.com", `contains '['`},
		{"a backslash, which the CRD takes", `\.com`, `contains '\\'`},
		{"a backquote, which the CRD takes", "`.com", "contains '`'"},
		{"a label over 63", label64 + ".com", "at most 63"},
		{"a name over 253", "a" + name253, "at most 253"},
		{"a wildcard that no name has room for", "*." + name253, "at most 253"},
		{"an IPv4 address", "1.2.3.4", "is an address"},
		{"an IPv4 address with a trailing dot", "1.2.3.4.", "is an address"},
		{"a short IPv4 address", "127.1", "is an address"},
		{"a hexadecimal IPv4 address", "0x7F.0.0.1", "is an address"},
		{"a wildcard of numbers", "*.2.3.4", "is an address"},
		{"an IPv6 address", "fd00:ec2::254", "is an address"},
		{"a CIDR", "10.0.0.0/8", "is an address"},
		{"a URL", "https://example.com", "host name alone"},
		{"a port", "example.com:443", "host name alone"},
		{"an empty label", "a..example.com", "empty label"},
		{"a leading dot", ".example.com", "empty label"},
		{"two trailing dots", "example.com..", "empty label"},
		{"a leading hyphen", "-a.example.com", "begin with"},
		{"a trailing hyphen", "a-.example.com", "end with"},
		{"a trailing underscore", "a_.example.com", "end with"},
		{"an umlaut", "bücher.example", "xn--"},
		{"a space", "exam ple.com", `contains ' '`},
		{"a line break at the end", "example.com\n", `contains '\n'`},
	} {
		t.Run("rejected: "+row.sentence, func(t *testing.T) {
			got, err := Parse(row.text)
			var fault *ParseError
			if !errors.As(err, &fault) || got != (Pattern{}) {
				t.Fatalf("Parse(%q): got %q, %v, want a ParseError", row.text, got, err)
			}
			if fault.Pattern != row.text || !strings.Contains(fault.Reason, row.want) {
				t.Errorf("Parse(%q): got %+v, want reason with %q", row.text, fault, row.want)
			}
		})
	}
}

func TestParseErrorIsReadable(t *testing.T) {
	_, err := Parse(strings.Repeat("a", 5000) + ".com")
	if got := err.Error(); len(got) > 300 || !strings.HasPrefix(got, `domain name "aaa`) {
		t.Errorf("got %d bytes: %.100s", len(got), got)
	}
}

// N1: the sentences of the API documentation, and what attackers try.
func TestMatches(t *testing.T) {
	for _, row := range []struct {
		sentence, pattern, name string
		want                    bool
	}{
		{"a name matches itself", "kubernetes.io", "kubernetes.io", true},
		{"a name does not match its subdomains", "kubernetes.io", "www.kubernetes.io", false},
		{"a name does not match what ends like it", "kubernetes.io", "my-kubernetes.io", false},
		{"a wildcard matches one label", "*.kubernetes.io", "www.kubernetes.io", true},
		{"a wildcard matches two labels", "*.kubernetes.io", "latest.blog.kubernetes.io", true},
		{"a wildcard does not match the apex", "*.kubernetes.io", "kubernetes.io", false},
		{"a wildcard matches whole labels only", "*.example.com", "evilexample.com", false},
		{"a wildcard does not match a name that goes on", "*.example.com", "www.example.com.evil.org", false},
		{"a wildcard does not match an empty label", "*.example.com", ".example.com", false},
		{"a wildcard does not match empty labels further in front", "*.example.com", "a..b.example.com", false},
		{"a wildcard matches the query for a star", "*.example.com", "*.example.com", true},
		{"a wildcard matches service labels", "*.example.com", "_https._tcp.example.com", true},
		{"an escaped dot is no boundary", "*.example.com", `evil\.example.com`, false},
		{"an escaped byte is never decoded", "example.com", `\101xample.com`, false},
		{"an escaped backslash before a boundary is refused as well", "*.example.com", `a\\.example.com`, false},
		{"an escape further in front is refused as well", "*.example.com", `a\.b.example.com`, false},
		{"the root matches nothing", "example.com", "", false},
		{"one label matches nothing", "*.example.com", "com", false},
		{"a label over 63 matches nothing", "*.example.com", strings.Repeat("a", 64) + ".example.com", false},
		{"a name over 253 matches nothing", "*.example.com", strings.Repeat("a.", 125) + "example.com", false},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			p := parsed(t, row.pattern)
			if got := p.Matches(row.name); got != row.want {
				t.Errorf("%q.Matches(%q): got %v, want %v", p, row.name, got, row.want)
			}
			if got := NewSet([]Pattern{p}).Matches(row.name); got != row.want {
				t.Errorf("Set{%q}.Matches(%q): got %v, want %v", p, row.name, got, row.want)
			}
		})
	}
}

func TestZeroPattern(t *testing.T) {
	var zero Pattern
	if zero.Matches("") || zero.Matches("example.com") || zero.Wildcard() || zero.String() != "" {
		t.Error("the zero Pattern matches something")
	}
}

func TestCanonical(t *testing.T) {
	for _, row := range []struct{ sentence, name, want string }{
		{"canonical stays", "example.com", "example.com"},
		{"upper case is lowered", "eXample.COM", "example.com"},
		{"the trailing dot goes", "example.com.", "example.com"},
		{"the root is empty", ".", ""},
		{"only ASCII has case", "ÄA.example", "Äa.example"},
		{"an empty label at the end stays", "example.com..", "example.com.."},
		{"an escaped dot at the end stays", `example.com\.`, `example.com\.`},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			if got := Canonical(row.name); got != row.want {
				t.Errorf("Canonical(%q): got %q, want %q", row.name, got, row.want)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOf(rapid.SampledFrom([]rune(`aB.\Ä`))).Draw(t, "name")
		if once := Canonical(name); Canonical(once) != once {
			t.Fatalf("Canonical(%q) = %q is not canonical", name, once)
		}
	})
}

// N1: Parse takes what the CRD takes, less junk of a stated kind.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"example.com", "*.Example.com.", "^.com", "1.2.3.4", "_dmarc.example.com", "a..b", `a\.b`, "0x1.2", "*.*.a.b", "a-.b", "ü.de", "com", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if want := crd.MatchString(s) && !junk(s); (err == nil) != want {
			t.Fatalf("Parse(%q): %v, want accepted: %v", s, err, want)
		}
		if err != nil {
			if p != (Pattern{}) {
				t.Fatalf("Parse(%q): got %q beside %v", s, p, err)
			}
			return
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Fatalf("Parse(%q): got %q, %v, want %q again", p.String(), again, err, p)
		}
		apex := p.suffix()
		if p.Matches(apex) == p.Wildcard() {
			t.Fatalf("%q matches its apex: %v", p, !p.Wildcard())
		}
		if len(apex) < maxName-1 && p.Matches("a."+apex) != p.Wildcard() {
			t.Fatalf("%q matches a subdomain: %v", p, !p.Wildcard())
		}
		if p.Matches("evil" + apex) {
			t.Fatalf("%q matches %q", p, "evil"+apex)
		}
	})
}

// junk is what the CRD takes and Parse must not, in other words than Parse's.
func junk(s string) bool {
	if strings.ContainsAny(s, "[\\]^`") {
		return true
	}
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return true
	}
	labels := strings.Split(strings.TrimPrefix(s, "*."), ".")
	numeric := regexp.MustCompile(`^([0-9]+|0[xX][0-9a-fA-F]*)$`)
	numbers := 0
	for _, label := range labels {
		if len(label) > 63 {
			return true
		}
		if numeric.MatchString(label) {
			numbers++
		}
	}
	return numbers == len(labels)
}

func parsed(t testing.TB, s string) Pattern {
	t.Helper()
	p, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
