package main

import (
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/caddy"
)

// upstreamDirectives is CoreDNS's own order.
var upstreamDirectives []string

func TestChainKeepsUpstreamOrder(t *testing.T) {
	rest := slices.DeleteFunc(slices.Clone(directives), func(d string) bool { return d == "nameward" })
	at := 0
	for _, d := range rest {
		i := slices.Index(upstreamDirectives[at:], d)
		if i < 0 {
			t.Fatalf("%s is no directive of this CoreDNS, or stands elsewhere there: %v", d, upstreamDirectives)
		}
		at += i + 1
	}
}

// TestPlace proves N11's precondition: below what shows answers, above all that
// makes or changes them.
func TestPlace(t *testing.T) {
	own := slices.Index(directives, "nameward")
	if own < 1 || directives[own-1] != "dnstap" || directives[own+1] != "local" {
		t.Errorf("nameward stands at %d of %v, want it between dnstap and local", own, directives)
	}
}

func TestEveryDirectiveIsLinked(t *testing.T) {
	linked := caddy.ListPlugins()["others"]
	for _, d := range directives {
		if !slices.Contains(linked, "dns."+d) {
			t.Errorf("%s is in the chain and not in the program", d)
		}
	}
	for _, p := range linked {
		if d, ok := strings.CutPrefix(p, "dns."); ok && !slices.Contains(directives, d) {
			t.Errorf("%s is in the program and not in the chain", d)
		}
	}
}

func TestVersionNamesNameward(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-version")
	cmd.Env = append(os.Environ(), run+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.HasPrefix(string(out), "CoreDNS-1.15.0+nameward-") {
		t.Errorf("got %q, want CoreDNS's version and ours", out)
	}
}

// TestBadCorefile proves S5 for the program: one line with file and line.
func TestBadCorefile(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-conf", "stdin")
	cmd.Env = append(os.Environ(), run+"=1")
	cmd.Stdin = strings.NewReader(".:0 {\n nameward {\n  listen tcp://:7353\n  hold 250\n }\n}\n")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("started: %s", out)
	}
	if want := "plugin/nameward: /dev/stdin:4 - Error during parsing: hold 250: want a duration from 0 to 5s, as in 250ms"; !strings.Contains(string(out), want) {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestVersionOf(t *testing.T) {
	tests := []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"a checkout", []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}}, "0123456789ab"},
		{"no checkout", nil, "devel"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := versionOf(&debug.BuildInfo{Settings: tt.settings}, true); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
