package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMutantsApply: each is where it says, so that none proves less than it
// did when the code around it changes. That the tests catch them is for make
// mutants, which takes minutes.
func TestMutantsApply(t *testing.T) {
	all := mutants()
	if len(all) < 24 {
		t.Errorf("got %d mutants, want at least 24", len(all))
	}
	names := map[string]bool{}
	for _, m := range all {
		t.Run(m.name, func(t *testing.T) {
			if names[m.name] {
				t.Error("a second mutant of this name; -only cannot tell them apart")
			}
			names[m.name] = true
			text, err := os.ReadFile(filepath.Join("../..", m.file))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.change(string(text)); err != nil {
				t.Error(err)
			}
			if m.line == "" || m.tests.packages == "" {
				t.Errorf("got line %q and tests %q, want both", m.line, m.tests)
			}
		})
	}
}

// TestChange: the old text must be there once, and the new be another.
func TestChange(t *testing.T) {
	for _, c := range []struct {
		sentence, text, old, new, want string
		fails                          bool
	}{
		{sentence: "once is changed", text: "a b c", old: "b", new: "x", want: "a x c"},
		{sentence: "not there", text: "a c", old: "b", new: "x", fails: true},
		{sentence: "there twice", text: "b b", old: "b", new: "x", fails: true},
		{sentence: "changed to itself", text: "b", old: "b", new: "b", fails: true},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got, err := mutant{old: c.old, new: c.new}.change(c.text)
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("got %q, %v, want %q and an error: %v", got, err, c.want, c.fails)
			}
		})
	}
}

// TestOutcome reads what go test says of itself.
func TestOutcome(t *testing.T) {
	for _, c := range []struct {
		sentence, lines string
		failed          bool
		first, unbuilt  string
	}{
		{"all pass", `{"Action":"pass","Package":"p","Test":"TestA"}`, false, "the run as a whole", ""},
		{"a test fails", `{"Action":"fail","Package":"github.com/nameward/nameward/p","Test":"TestA/x|y"}{"Action":"fail","Package":"p"}`,
			true, `p.TestA/x\|y`, ""},
		{"a package fails without a test", `{"Action":"fail","Package":"p"}`, true, "the run as a whole", ""},
		{"it does not compile", `{"Action":"build-output","Output":"x.go:1:\n bad"}{"Action":"build-fail"}{"Action":"fail","Package":"p"}`,
			true, "the run as a whole", "it does not compile: x.go:1: bad"},
		{"the kernel refuses it", `{"Action":"output","Output":"load program: permission denied\n"}`,
			false, "the run as a whole", "the kernel refuses the program: load program: permission denied"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			o, err := readOutcome(strings.NewReader(c.lines))
			if err != nil {
				t.Fatal(err)
			}
			if o.failed != c.failed || o.first() != c.first || o.unbuilt != c.unbuilt {
				t.Errorf("got %+v, first %q, want failed %v, first %q, unbuilt %q", o, o.first(), c.failed, c.first, c.unbuilt)
			}
		})
	}
}

// product is a small one with a test, for mutants that need no whole build.
var product = map[string]string{
	"go.mod":    "module product\n\ngo 1.26\n",
	"a.go":      "package product\n\nfunc allowed(port int) bool { return port == 80 || port == 81 }\n\nvar unused = 1\n",
	"a_test.go": "package product\n\nimport \"testing\"\n\nfunc TestAllowed(t *testing.T) {\n\tif !allowed(80) || allowed(79) {\n\t\tt.Error(\"bad\")\n\t}\n}\n",
	"b_test.go": "package product\n\nimport \"testing\"\n\nfunc TestBroken(t *testing.T) { t.Error(\"always\") }\n",
}

// TestSlowTestsProveNothing: a run that was cut short is no objection.
func TestSlowTestsProveNothing(t *testing.T) {
	c := &repositoryCopy{folder: t.TempDir()}
	for name, text := range product {
		if err := os.WriteFile(filepath.Join(c.folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lab := &laboratory{copy: c, timeout: -time.Hour}
	if o, err := lab.test(t.Context(), tests{"./...", ""}); err == nil || !strings.Contains(err.Error(), "-timeout") {
		t.Errorf("got %+v, %v, want an error about the time", o, err)
	}
}

// TestForget: what a failing property test has left to repeat itself by is gone
// before the next mutant, and nothing else is.
func TestForget(t *testing.T) {
	c := &repositoryCopy{folder: t.TempDir()}
	left, kept := filepath.Join(c.folder, "p", "testdata", "rapid", "TestA"), filepath.Join(c.folder, "p", "testdata", "corpus")
	for _, folder := range []string{left, kept} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.forget(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("got the seeds still there, want them gone")
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("got %v, want other test data left alone", err)
	}
}

// TestFates: what is caught, what survives, and what proves nothing.
func TestFates(t *testing.T) {
	folder := t.TempDir()
	for name, text := range product {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lab := &laboratory{copy: &repositoryCopy{folder, t.TempDir(), map[string]string{}}, timeout: time.Minute, sound: map[string]error{}}
	for name := range product {
		if err := lab.copy.take(name); err != nil {
			t.Fatal(err)
		}
	}
	sound, flawed, none := tests{"./...", "TestAllowed"}, tests{"./...", ""}, tests{"./...", "TestNothing"}
	for _, c := range []struct {
		sentence string
		mutant   mutant
		want     fate
		by       string
	}{
		{"a test objects", mutant{file: "a.go", old: "== 80", new: "== 79", tests: sound}, caught, "TestAllowed"},
		{"no test objects", mutant{file: "a.go", old: "== 81", new: "== 82", tests: sound}, survived, "TestAllowed"},
		{"it does not compile", mutant{file: "a.go", old: "var unused", new: "var allowed", tests: sound}, broken, "redeclared"},
		{"its place is gone", mutant{file: "a.go", old: "== 83", new: "== 84", tests: sound}, broken, "0 times"},
		{"the test fails anyway", mutant{file: "a.go", old: "== 80", new: "== 79", tests: flawed}, broken, "as it is"},
		{"there is no test", mutant{file: "a.go", old: "== 80", new: "== 79", tests: none}, broken, "runs no test"},
		{"the one before left nothing behind", mutant{file: "a.go", old: "== 80", new: "== 79", tests: sound}, caught, "TestAllowed"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			// What is done to the repository meanwhile makes no difference.
			if err := os.WriteFile(filepath.Join(folder, "a.go"), []byte("package product\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := lab.try(t.Context(), c.mutant); got.fate != c.want || !strings.Contains(got.by, c.by) {
				t.Errorf("got %+v, want fate %d by %q", got, c.want, c.by)
			}
		})
	}
}
