package main

import (
	"strings"
	"testing"
)

// S5: whatever is in a test file, it is refused with its name, or every case
// says all that is needed to judge it.
func FuzzParseTests(f *testing.F) {
	f.Add([]byte("- {from: a/b, to: example.com, port: 80, expect: allow}"))
	f.Add([]byte("- &a {from: a/b, to: {labels: x in (y)}, port: 53/udp, expect: deny, rule: r}\n- *a"))
	f.Add([]byte("- <<: {from: a/b}\n  to: ::1\n  protocol: icmp\n  expect: deny"))
	f.Add([]byte("- from: [\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		cases, err := parseTests("tests.yaml", content)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "tests.yaml") && strings.TrimSpace(line) == line {
					t.Fatalf("got %q, want the file in front", err)
				}
			}
			return
		}
		for _, c := range cases {
			if c.expect != allow && c.expect != deny || c.protocol == 0 || c.port.given() == (c.protocol == icmp) {
				t.Fatalf("got %+v, want a verdict, a protocol, and a port or ICMP", c)
			}
		}
	})
}

// S5: what a target is told as, people can write as a target again.
func FuzzParseTarget(f *testing.F) {
	for _, text := range []string{"example.com:80", "[::1]:53/udp", "app/web:http", "svc/app/web:80/sctp", "::1/icmp", "app/icmp/icmp", "a/b:c/d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseTarget(text)
		if err != nil {
			return
		}
		if first, err = first.over(0); err != nil {
			return
		}
		told := answer{To: first.party.String(), Protocol: first.protocol.String()}
		if first.port.given() {
			told.Port = first.port.String()
		}
		_, again, _ := strings.Cut(told.title(), " → ")
		second, err := parseTarget(again)
		if err != nil || second != first {
			t.Fatalf("%q is told as %q: got %+v, %v, want %+v", text, again, second, err, first)
		}
	})
}
