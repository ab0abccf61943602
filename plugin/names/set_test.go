package names

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSetMatch(t *testing.T) {
	patterns := []string{"example.com", "*.example.com", "*.b.example.com", "a.b.example.com", "*.example.com", "example.org"}
	for _, row := range []struct {
		sentence, name string
		want           []int
	}{
		{"every pattern that matches is reported", "a.b.example.com", []int{1, 4, 2, 3}},
		{"the apex is the exact pattern's", "example.com", []int{0}},
		{"case and trailing dot do not matter", "WWW.Example.Com.", []int{1, 4}},
		{"the apex of the deeper wildcard is the wider one's", "b.example.com", []int{1, 4}},
		{"a suffix of a pattern is nobody's", "com", nil},
		{"a stranger is nobody's", "example.net", nil},
		{"the root is nobody's", ".", nil},
		{"nothing is nobody's", "", nil},
		{"two trailing dots are nobody's", "example.com..", nil},
		{"an escaped trailing dot is nobody's", `example.com\.`, nil},
		{"an escaped dot makes one label", `a\.example.com.`, nil},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			if got := set(t, patterns...).Match(row.name, nil); !slices.Equal(got, row.want) {
				t.Errorf("Match(%q): got %v, want %v", row.name, got, row.want)
			}
		})
	}
}

func TestSetAppends(t *testing.T) {
	got := set(t, "example.com").Match("example.com", []int{7})
	if want := []int{7, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEmptySets(t *testing.T) {
	for _, s := range []*Set{nil, NewSet(nil), NewSet(make([]Pattern, 2))} {
		if s.Matches("example.com") || s.Matches("") {
			t.Errorf("set of %d matches", s.Len())
		}
	}
	if got := NewSet(make([]Pattern, 2)).Len(); got != 2 {
		t.Errorf("Len: got %d, want 2", got)
	}
}

// N1: the trie, Pattern.Matches and the sentence "one or more whole labels"
// say the same of every name.
func TestSetIsNaive(t *testing.T) {
	label := rapid.SampledFrom([]string{"a", "b", "aa", "_x", "com"})
	pattern := rapid.Custom(func(t *rapid.T) Pattern {
		text := strings.Join(rapid.SliceOfN(label, 2, 4).Draw(t, "labels"), ".")
		if rapid.Bool().Draw(t, "wildcard") {
			text = "*." + text
		}
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
	odd := rapid.SampledFrom([]string{"a", "B", "aA", "_X", "com", "", `a\`, `\.`, "*"})
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SliceOfN(pattern, 0, 12).Draw(t, "patterns")
		name := strings.Join(rapid.SliceOfN(odd, 0, 6).Draw(t, "name"), ".")
		if rapid.Bool().Draw(t, "rooted") {
			name += "."
		}
		var want []int
		for i, p := range patterns {
			says := truth(p, name) && !strings.Contains(name, `\`)
			if p.Matches(Canonical(name)) != says {
				t.Fatalf("%q.Matches(%q): got %v, want %v", p, name, !says, says)
			}
			if says {
				want = append(want, i)
			}
		}
		got := NewSet(patterns).Match(name, nil)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("Match(%q) in %v: got %v, want %v", name, patterns, got, want)
		}
	})
}

// A name never matches wrongly, whatever bytes and escapes it has.
func FuzzMatch(f *testing.F) {
	f.Add("*.example.com", `evil\.example.com.`)
	f.Add("*.example.com", "A.Example.com.")
	f.Add("example.com", `\101xample.com`)
	f.Add("*.b.c", `a\\.b.c`)
	f.Add("*.b.c", "..b.c")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, err := Parse(pattern)
		if err != nil {
			t.Skip()
		}
		got := NewSet([]Pattern{p}).Matches(name)
		if p.Matches(Canonical(name)) != got {
			t.Fatalf("%q and %q: set %v, pattern %v", p, name, got, !got)
		}
		want := truth(p, name)
		if got && !want {
			t.Fatalf("%q matches %q", p, name)
		}
		if want && !got && !strings.Contains(name, `\`) {
			t.Fatalf("%q does not match %q", p, name)
		}
	})
}

// truth decides on the labels that the presentation format stands for.
func truth(p Pattern, name string) bool {
	labels, ok := decode(name)
	if !ok {
		return false
	}
	want := strings.Split(p.suffix(), ".")
	front := len(labels) - len(want)
	if p.Wildcard() && front < 1 || !p.Wildcard() && front != 0 {
		return false
	}
	return slices.Equal(labels[front:], want)
}

// decode reads presentation format (RFC 1035, 5.1) into lower-case labels.
func decode(name string) (labels []string, ok bool) {
	var label []byte
	size := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '.':
			if len(label) == 0 {
				return nil, false
			}
			labels, label = append(labels, string(label)), nil
			size++
			continue
		case c == '\\' && i+3 < len(name) && digits(name[i+1:i+4]):
			c = (name[i+1]-'0')*100 + (name[i+2]-'0')*10 + name[i+3] - '0'
			i += 3
		case c == '\\' && i+1 < len(name):
			i++
			c = name[i]
		case c == '\\':
			return nil, false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		label = append(label, c)
		if size++; len(label) > maxLabel {
			return nil, false
		}
	}
	if len(label) > 0 {
		labels = append(labels, string(label))
		size++
	}
	return labels, len(labels) > 0 && size-1 <= maxName
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func TestNoAllocs(t *testing.T) {
	s := many(t)
	into := make([]int, 0, 16)
	for _, name := range []string{"host-17.zone-17.example.com", "HOST.Zone-18.Example.COM.", "unknown.example.net", `a\.b.example.com.`} {
		if got := testing.AllocsPerRun(100, func() { into = s.Match(name, into[:0]) }); got != 0 {
			t.Errorf("Match(%q): got %v allocations, want 0", name, got)
		}
		if got := testing.AllocsPerRun(100, func() { s.Matches(name) }); got != 0 {
			t.Errorf("Matches(%q): got %v allocations, want 0", name, got)
		}
	}
	if got := testing.AllocsPerRun(100, func() { Canonical("www.example.com.") }); got != 0 {
		t.Errorf("Canonical: got %v allocations, want 0", got)
	}
	p := parsed(t, "*.example.com")
	if got := testing.AllocsPerRun(100, func() { p.Matches("www.example.com") }); got != 0 {
		t.Errorf("Pattern.Matches: got %v allocations, want 0", got)
	}
}

func BenchmarkMatch10000(b *testing.B) {
	s := many(b)
	for _, row := range []struct{ sentence, name string }{
		{"exact", "host-4999.zone-4999.example.com."},
		{"wildcard", "www.api.zone-5001.example.com."},
		{"upper", "WWW.API.ZONE-5001.EXAMPLE.COM."},
		{"stranger", "www.elsewhere.test."},
		{"sibling", "www.zone-none.example.com."},
		{"deep", strings.Repeat("a.", 100) + "zone-5001.example.com."},
	} {
		b.Run(row.sentence, func(b *testing.B) {
			b.ReportAllocs()
			into := make([]int, 0, 16)
			for b.Loop() {
				into = s.Match(row.name, into[:0])
			}
		})
	}
}

// many is a set of 10,000 patterns, half of them wildcards.
func many(t testing.TB) *Set {
	var patterns []string
	for i := range 10_000 {
		if i%2 == 0 {
			patterns = append(patterns, fmt.Sprintf("*.zone-%d.example.com", i+1))
		} else {
			patterns = append(patterns, fmt.Sprintf("host-%d.zone-%d.example.com", i, i))
		}
	}
	return set(t, patterns...)
}

func set(t testing.TB, texts ...string) *Set {
	t.Helper()
	var patterns []Pattern
	for _, s := range texts {
		patterns = append(patterns, parsed(t, s))
	}
	return NewSet(patterns)
}
