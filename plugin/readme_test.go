package nameward

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin"
)

// TestManPageIsWhole: users find every word of the block, with its arguments as
// an error shows them, and every metric; and nothing that is not there.
func TestManPageIsWhole(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	_, syntax, _ := strings.Cut(page, "## Syntax")
	block, explained, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(syntax), "~~~ txt"), "~~~")
	for name, w := range words {
		if line := strings.TrimSpace(name + " " + w.usage); !strings.Contains(block, "    "+line+"\n") {
			t.Errorf("the syntax has no line %q", line)
		}
		if !strings.Contains(explained, "* `"+name+"`") {
			t.Errorf("%s is not explained", name)
		}
	}
	for line := range strings.Lines(block) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !strings.HasPrefix(line, "    ") {
			continue
		}
		if _, ok := words[fields[0]]; !ok {
			t.Errorf("the syntax has %q, which the directive does not", fields[0])
		}
	}
	exported := make(map[string]bool)
	for _, name := range metricNames(t) {
		name = plugin.Namespace + "_" + pluginName + "_" + name
		exported[name] = true
		if !regexp.MustCompile("\\* `" + name + "[{`]").MatchString(page) {
			t.Errorf("metric %s is not explained", name)
		}
	}
	for _, name := range regexp.MustCompile(`\bcoredns_nameward_[a-z_]+`).FindAllString(page, -1) {
		if !exported[name] {
			t.Errorf("metric %s is explained and not exported", name)
		}
	}
}

// metricNames reads the names from this package's source: the registry shows no
// vector before its first value.
func metricNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if name, ok := metricName(n); ok {
				names = append(names, name)
			}
			return true
		})
	}
	if len(names) == 0 {
		t.Fatal("found no metric at all")
	}
	return names
}

// metricName reads the Name of prometheus' options, or the name that gauge or
// counter is called with.
func metricName(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Name" {
			return literal(n.Value)
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "gauge" || f.Name == "counter") {
			return literal(n.Args[0])
		}
	}
	return "", false
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}
