// Package boundary checks the import rules of the repository, over all modules:
// the compiler's rule about internal folders guards most of them, this guards
// the rest. Each rule comes with a file it must refuse.
package boundary

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// The cache of test results does not watch files of other modules. Linking the
	// suite makes the test run again whenever a service's code has changed.
	_ "github.com/lethe-desk/lethe/services/lethe/internal/suite"
)

func TestImports(t *testing.T) {
	all := sources(t, top)
	for _, folder := range []string{"gen", "services/contacts", "services/tickets", "services/privacy", "services/gateway", "services/lethe", "services/internal/platform"} {
		if !slices.ContainsFunc(all, func(s source) bool { return within("lethe/"+path.Dir(s.file), "lethe/"+folder) }) {
			t.Errorf("no source was read below %s", folder)
		}
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, s := range all {
				for _, problem := range r.check(s) {
					t.Error(problem)
				}
			}
		})
	}
}

// Each rule finds the fault of its control, and none where none is.
func TestImportControls(t *testing.T) {
	for _, r := range rules {
		if len(r.check(r.refused)) == 0 {
			t.Errorf("%s: did not refuse %s importing %v", r.name, r.refused.file, r.refused.imports)
		}
		if problems := r.check(r.allowed); len(problems) > 0 {
			t.Errorf("%s: refused %v", r.name, problems)
		}
	}
}

// What is read from files is what the rules see: a tree with one bad file is refused.
func TestReadingControl(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "services", "tickets", "internal", "ticket")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "//go:build never\n\npackage ticket\n\nimport (\n\t\"time\"\n\n\tx \"" + modulePath + "services/contacts\"\n)\n\nvar _ = x.Name + time.Kitchen\n"
	if err := os.WriteFile(filepath.Join(dir, "bad.go"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, s := range sources(t, root) {
		for _, r := range rules {
			refused += len(r.check(s))
		}
	}
	if refused != 2 {
		t.Errorf("%d rules refused a domain package that imports another service, want 2", refused)
	}
}

// An exception that nobody needs any more hides the next one who breaks the rule.
func TestExceptionsAreUsed(t *testing.T) {
	used, named := map[[2]string]bool{}, map[string]bool{}
	for _, s := range sources(t, top) {
		named[s.pkg] = true
		for _, imported := range s.imports {
			used[[2]string{s.pkg, imported}] = true
		}
	}
	for pair, reason := range exceptions {
		if !used[pair] || reason == "" {
			t.Errorf("the exception %v is not used, or has no reason", pair)
		}
	}
	for pkg := range roles {
		if !named[pkg] {
			t.Errorf("there is no package %s", pkg)
		}
	}
}

// The gateway's program holds no store and no driver, whatever imports what on the way.
func TestGatewayLinksNoStore(t *testing.T) {
	linked := func(service string) []string {
		out := run(t, filepath.Join(top, "services", service), "list", "-deps", "./...")
		return slices.DeleteFunc(strings.Fields(strings.ReplaceAll(string(out), modulePath, "lethe/")), func(p string) bool {
			return standard(p) || !within(p, stores...) // database/sql is linked by collectors of metrics, and drives nothing
		})
	}
	if found := linked("gateway"); len(found) > 0 {
		t.Errorf("the gateway links %v", found)
	}
	// The control: the same question finds the store of a service that has one.
	if found := linked("contacts"); !slices.Contains(found, docstore) || !slices.Contains(found, drivers[0]) {
		t.Errorf("of the store of contacts only this was seen: %v", found)
	}
}
