package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mustHaveTests are the lines without which there is no release.
const mustHaveTests = "P,N,D1-D10,D12,S"

// TestTableIsUpToDate: the committed table is what the tests say now.
func TestTableIsUpToDate(t *testing.T) {
	table, err := read("../..")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("TABLE.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(table.markdown(), string(kept)); diff != "" {
		t.Errorf("TABLE.md is not what the tests say; run make semantics (-want +got):\n%s", diff)
	}
}

// TestNoHoles: every policy line and the datapath's first seven have a test, and
// no test names a line that there is not.
func TestNoHoles(t *testing.T) {
	table, err := read("../..")
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := selection(mustHaveTests, table.contract)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range table.wrong(wanted) {
		t.Error(wrong)
	}
	sections := map[byte]int{}
	for _, l := range table.contract {
		if sections[l.id.section]++; l.id.number != sections[l.id.section] {
			t.Errorf("after %d lines of %c: got %s, want no gap and no line out of place", sections[l.id.section]-1, l.id.section, l.id)
		}
	}
	if len(sections) != 4 {
		t.Errorf("got sections %v, want P, N, D and S", sections)
	}
}

func TestMentions(t *testing.T) {
	for _, c := range []struct{ sentence, text, want string }{
		{"one id", "P6: isolation", "P6"},
		{"several", "P16, P21 and N10.", "P16 P21 N10"},
		{"a range counts for each of it", "P2 to P4: tables", "P2 P3 P4"},
		{"a range with a dash", "D1-D3", "D1 D2 D3"},
		{"two sections make no range", "P2 to D3", "D3 P2"},
		{"a word with an id in it", "HTTP2, IPv4, P2P, S3cret", ""},
		{"a name of the tests' own", "node n1, pod p0", ""},
	} {
		t.Run(c.sentence, func(t *testing.T) { wantIDs(t, mentions(c.text), c.want) })
	}
}

func wantIDs(t *testing.T, got []id, want string) {
	t.Helper()
	if text := strings.Trim(fmt.Sprint(got), "[]"); text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

// claimsOf reads tests that never were compiled.
func claimsOf(t *testing.T, folder, base, text string) []claim {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, folder), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, folder, base), []byte("package x\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := readClaims(root)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestClaims(t *testing.T) {
	for _, c := range []struct{ sentence, text, want string }{
		{"a comment counts", "// TestA proves P6.\nfunc TestA(t *T) {}", "P6"},
		{"so does a name", "func TestP6AndMore(t *T) {}", "P6"},
		{"but no word that holds one", "func TestHTTP2(t *T) {}", ""},
		{"a row's sentence", `func TestA(t *T) { run([]row{{sentence: "P3 first", peer: "P4"}}) }`, "P3"},
		{"a row's first field", `func TestA(t *T) { run([]row{{"P3 first, P5 last", "P4"}}) }`, "P3 P5"},
		{"a subtest's name", `func TestA(t *T) { t.Run("P3: first", nil) }`, "P3"},
		{"a message that begins with it", `func TestA(t *T) { t.Error("P3: bad"); open("P4 is bad", "x P5: y") }`, "P3"},
		{"a list of texts is input", `func TestA(t *T) { run([]string{"P3", "P4"}) }`, ""},
		{"a comment inside is none of it", "func TestA(t *T) { /* P3 */ }", ""},
		{"rows in a variable", `var rows = []row{{says: "P3"}}; func TestA(t *T) { run(rows) }`, "P3"},
		{"no test", "// lint is for P3.\nfunc lint() {}", ""},
		{"a fuzz target and a benchmark", "// D3.\nfunc FuzzA(f *F) {}\n// D5.\nfunc BenchmarkA(b *B) {}", "D5 D3"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var got []id
			for _, found := range claimsOf(t, "folder", "a_test.go", c.text) {
				got = append(got, found.ids...)
			}
			wantIDs(t, got, c.want)
		})
	}
}

// TestStepsClaim: steps of the demo count, other code beside them does not.
func TestStepsClaim(t *testing.T) {
	text := "// a is step 9: P7.\nfunc (d *demo) a() {}\n// b: P8.\nfunc b() {}"
	if got := claimsOf(t, "hack/demo", "step_a.go", text); len(got) != 1 || got[0].test != "hack/demo.a" {
		t.Errorf("got %v, want the step alone", got)
	}
	if got := claimsOf(t, "hack/demo", "probe.go", text); len(got) != 0 {
		t.Errorf("got %v of a file without steps, want none", got)
	}
}

// TestTable: what is printed, what is a hole, and what a check complains of.
func TestTable(t *testing.T) {
	contract := []line{{id{'P', 1}, "One `a \\| b`. Two."}, {id{'D', 1}, "Three"}}
	table := newTable(contract, []claim{{"f.TestA", "f/a_test.go", []id{{'P', 1}, {'P', 9}}}})
	text := table.markdown()
	for _, want := range []string{"| P1 | One a / b | [f.TestA](../../f/a_test.go) |\n", "| D1 | Three | **none** |\n", "Holes: D1, of 2 lines."} {
		if !strings.Contains(text, want) {
			t.Errorf("got\n%s\nwant %q in it", text, want)
		}
	}
	got := strings.Join(table.wrong(map[id]bool{{'D', 1}: true}), "\n")
	if want := "f.TestA (f/a_test.go) names P9, which the contract does not have\nD1: no test names it"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := table.wrong(map[id]bool{{'P', 1}: true}); len(got) != 1 {
		t.Errorf("got %q, want the strange claim alone", got)
	}
}

// TestRun: the exit status says whether the check holds.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		sentence string
		args     []string
		want     int
	}{
		{"a line that has tests", []string{"-check", "P6"}, 0},
		{"no such part of the contract", []string{"-check", "X"}, 2},
		{"no such folder", []string{"-root", "nowhere"}, 2},
		{"no such flag", []string{"-x"}, 2},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got := run(append([]string{"-root", "../.."}, c.args...), io.Discard, io.Discard); got != c.want {
				t.Errorf("got exit status %d, want %d", got, c.want)
			}
		})
	}
}
