package fsck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// TestSayings finds something said about every flaw there is, and about nothing else.
func TestSayings(t *testing.T) {
	flaws := map[string]bool{}
	for _, dir := range []string{".", "../../../internal/platform/docstore", "../../../internal/platform/storage", "../../../*/internal/store"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", dir, err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			collect(t, file, flaws)
		}
	}
	if len(flaws) < 30 {
		t.Errorf("only %d flaws were found", len(flaws))
	}
	for flaw := range flaws {
		if Says(docstore.Flaw(flaw)) == "" {
			t.Errorf("nothing is said about %s", flaw)
		}
	}
	for flaw := range sayings {
		if !flaws[string(flaw)] {
			t.Errorf("there is no flaw %s", flaw)
		}
	}
}

// collect adds the constants of type Flaw of a file.
func collect(t *testing.T, file *ast.File, flaws map[string]bool) {
	t.Helper()
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) == 0 {
			return true
		}
		name := ""
		switch typ := spec.Type.(type) {
		case *ast.Ident:
			name = typ.Name
		case *ast.SelectorExpr:
			name = typ.Sel.Name
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if name != "Flaw" || !ok {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		flaws[text] = true
		return true
	})
}
