package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// claim is a test that says which lines it proves.
type claim struct {
	// test is its folder and name, such as enforcer/policy.TestTiers.
	test string
	// path is its file, from the root of the repository.
	path string
	ids  []id
}

// sentences are the fields of a table's row that say what it proves.
var sentences = []string{"sentence", "says", "name", "title", "what", "when"}

// stepsFolder has a program whose steps count as tests: they show what they
// name, and fail where it is not so.
const stepsFolder = "hack/demo"

// readClaims walks every test of the repository, nested modules included.
func readClaims(root string) ([]claim, error) {
	files := map[string][]string{} // by folder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() {
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		if strings.HasSuffix(name, "_test.go") || folder == stepsFolder && strings.HasSuffix(name, ".go") {
			files[folder] = append(files[folder], path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for tests: %w", err)
	}
	var all []claim
	for folder, paths := range files {
		found, err := folderClaims(folder, paths)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b claim) int { return strings.Compare(a.test, b.test) })
	return all, nil
}

func folderClaims(folder string, paths []string) ([]claim, error) {
	files := map[string]*ast.File{}
	tables := map[string]ast.Expr{}
	for _, path := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read tests: %w", err)
		}
		files[filepath.Base(path)] = f
		gatherTables(f, tables)
	}
	var found []claim
	for base, f := range files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !isTest(fn) && !isStep(fn, folder, base) {
				continue
			}
			if ids := claimed(fn, tables); len(ids) > 0 {
				found = append(found, claim{folder + "." + fn.Name.Name, folder + "/" + base, ids})
			}
		}
	}
	return found, nil
}

// gatherTables notes the variables of a file that a test may have its rows in.
func gatherTables(f *ast.File, tables map[string]ast.Expr) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			for i, value := range v.Values {
				tables[v.Names[i].Name] = value
			}
		}
	}
}

var testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark)([^a-z]|$)`)

func isTest(f *ast.FuncDecl) bool { return f.Recv == nil && testName.MatchString(f.Name.Name) }

func isStep(f *ast.FuncDecl, folder, base string) bool {
	return f.Recv != nil && folder == stepsFolder && strings.HasPrefix(base, "step_")
}

// claimed gives the ids that a test names: in its comment, in its name and in
// the sentences of its rows. Other texts in it are input, not promises.
func claimed(f *ast.FuncDecl, tables map[string]ast.Expr) []id {
	found := append(inName(f.Name.Name), mentions(f.Doc.Text())...)
	seen := map[string]bool{}
	var look func(ast.Node) bool
	look = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			found = append(found, inRow(n)...)
		case *ast.CallExpr:
			found = append(found, inCall(n)...)
		case *ast.Ident:
			if table, ok := tables[n.Name]; ok && !seen[n.Name] {
				seen[n.Name] = true
				ast.Inspect(table, look)
			}
		}
		return true
	}
	if f.Body != nil {
		ast.Inspect(f.Body, look)
	}
	slices.SortFunc(found, compareIDs)
	return slices.Compact(found)
}

func compareIDs(a, b id) int {
	if a.section != b.section {
		return strings.IndexByte("PNDS", a.section) - strings.IndexByte("PNDS", b.section)
	}
	return a.number - b.number
}

var idInName = regexp.MustCompile(`(?:^(?:Test|Fuzz|Benchmark)|_)([PNDS])(\d{1,3})(?:[^0-9]|$)`)

// inName: TestP6Isolation and Test_D3. An id within a word is none, as in
// TestHTTP2.
func inName(name string) []id {
	var found []id
	for _, m := range idInName.FindAllStringSubmatch(name, -1) {
		found = append(found, mentions(m[1]+m[2])...)
	}
	return found
}

// inRow: the sentence of a row, which is a field of such a name, or the first
// where fields have none.
func inRow(row *ast.CompositeLit) []id {
	if _, list := row.Type.(*ast.ArrayType); list {
		return nil
	}
	var found []id
	for i, element := range row.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && slices.Contains(sentences, key.Name) {
				found = append(found, mentions(literal(pair.Value))...)
			}
			if text := literal(pair.Key); text != "" { // a map of sentences
				found = append(found, mentions(text)...)
			}
		} else if i == 0 {
			found = append(found, mentions(literal(element))...)
		}
	}
	return found
}

var leading = regexp.MustCompile(`^[PNDS]\d{1,3}(, [PNDS]\d{1,3})*: `)

// inCall: the name of a subtest, and any argument that begins with an id and a
// colon, as messages and sentences do.
func inCall(call *ast.CallExpr) []id {
	var found []id
	method, _ := call.Fun.(*ast.SelectorExpr)
	for i, argument := range call.Args {
		text := literal(argument)
		if i == 0 && method != nil && method.Sel.Name == "Run" {
			found = append(found, mentions(text)...)
			continue
		}
		found = append(found, mentions(leading.FindString(text))...)
	}
	return found
}

// literal gives the text of a literal, or of a sum of them, else "".
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return ""
}
