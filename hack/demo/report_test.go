package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

func TestReportIsPlainInALog(t *testing.T) {
	var out strings.Builder
	r := &report{out: &out}
	r.step(3, "a title")
	r.progress("never in a log")
	r.line(line{route: "a → b", want: allowed, got: allowed, why: "default"})
	r.note("meanwhile, %s", "a note")
	r.line(line{route: strings.Repeat("x", routeWidth+3), want: blocked, got: allowed})
	r.summary(true)
	want := strings.Join([]string{
		"",
		"Step 3: a title",
		"     route                                             expected     got          decided by",
		"  ok a → b                                             allowed      allowed      default",
		"  · meanwhile, a note",
		"  NO " + strings.Repeat("x", routeWidth+3) + " blocked      allowed",
		"",
		"not as expected: " + strings.Repeat("x", routeWidth+3) + ": expected blocked, got allowed ()",
		"1 of 2 lines as expected",
		"",
	}, "\n")
	if got := out.String(); got != want {
		t.Errorf("text:\ngot\n%s\nwant\n%s", got, want)
	}
}

func TestReportPaintsOnATerminal(t *testing.T) {
	var out strings.Builder
	r := &report{out: &out, color: true, terminal: true}
	r.progress("working")
	r.line(line{route: "a", want: "yes", got: "yes"})
	for _, want := range []string{"… working", "\r\x1b[K", "\x1b[32mok\x1b[0m a "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("text: got %q, want %q in it", out.String(), want)
		}
	}
}

func TestOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"no error is allowed":                 {nil, allowed},
		"silence is blocked":                  {context.DeadlineExceeded, blocked},
		"a deadline on a socket is blocked":   {os.ErrDeadlineExceeded, blocked},
		"anything else is an error, in words": {errors.New("refused"), "error: refused"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outcome(c.err); got != c.want {
				t.Errorf("outcome: got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSentenceNeverClaimsWhatWasNotCounted(t *testing.T) {
	if got, want := sentence(nil), "nothing was counted"; got != want {
		t.Errorf("sentence: got %q, want %q", got, want)
	}
	one := product.Verdict{Direction: "egress", Verdict: "deny", Tier: "default", Reason: "default"}
	if got, want := sentence([]product.Verdict{one, one}), "default (egress), default (egress)"; got != want {
		t.Errorf("sentence: got %q, want %q", got, want)
	}
}

func TestCrowdDoesEachOnce(t *testing.T) {
	var done [100]atomic.Int32
	crowd(t.Context(), len(done), 7, func(i int) { done[i].Add(1) })
	for i := range done {
		if got := done[i].Load(); got != 1 {
			t.Errorf("act %d: got %d times, want once", i, got)
		}
	}
}

func TestEveryPolicyOfTheStoryIsThere(t *testing.T) {
	for _, file := range []string{
		"1-allow-dns.yaml", "2-allow-example-com.yaml", "3-allow-intra-app.yaml",
		"5-allow-crawling.yaml", "10a-team-allows-all.yaml", "10b-admin-denies.yaml", "10c-admin-passes.yaml",
		"10d-team-allows-example.yaml", "10e-baseline-accepts.yaml", "10f-lab-restricts.yaml",
	} {
		if _, err := files.ReadFile("manifests/" + file); err != nil {
			t.Error(err)
		}
	}
}

// The three policies of the article mean something only as they were written.
func TestPoliciesOfTheArticleAreUnchanged(t *testing.T) {
	for file, want := range map[string]string{
		"1-allow-dns.yaml":         "c99608958b223631f600f4ab773b1ad2cf502d70f0c76df094b397d1b4016826",
		"2-allow-example-com.yaml": "ad689aeb23519669bfb3ec234c3e67586228d0e774c9f4fc53a01cf2bb8f6099",
		"3-allow-intra-app.yaml":   "8a0c6a8c409c90c23dd6427961b0f2f287b22b3741a9439348fdfcdb91e022ea",
	} {
		if got := digest(t, file); got != want {
			t.Errorf("SHA-256 of %s: got %s, want %s", file, got, want)
		}
	}
}

func digest(t *testing.T, file string) string {
	t.Helper()
	text, err := files.ReadFile("manifests/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

func TestRouteReadsWell(t *testing.T) {
	pod := &scene.Pod{Name: "client"}
	r := route{pod: pod, to: scene.ExampleCom, family: scene.V6, straight: true}
	if got, want := r.String(), "client → example.com:80, no lookup (IPv6)"; got != want {
		t.Errorf("route: got %q, want %q", got, want)
	}
}
