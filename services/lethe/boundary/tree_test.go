package boundary

import (
	"encoding/json"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// modulePath is what all modules of the repository begin with; in the rules it is written "lethe/".
const modulePath = "github.com/lethe-desk/lethe/"

// top is the repository's folder, seen from this package.
const top = "../../.."

// source is what one Go file says about its borders.
type source struct {
	// file is the path from the top of the repository.
	file string
	// pkg is the import path of its folder, "lethe/services/contacts/internal/app".
	pkg string
	// name is the name in its package clause.
	name string
	// test says that it is a _test.go file.
	test bool
	// imports are written like pkg.
	imports []string
}

// sources reads the package clause and the imports of every Go file below a
// folder, whatever its build tags are.
func sources(t *testing.T, root string) []source {
	t.Helper()
	var all []source
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(e.Name(), ".") && p != root && e.Name() != ".."
		if e.IsDir() && (hidden || e.Name() == "testdata" || e.Name() == "bin") {
			return fs.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(files, p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		s := source{file: rel, pkg: "lethe/" + path.Dir(rel), name: parsed.Name.Name, test: strings.HasSuffix(rel, "_test.go")}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if inside, ours := strings.CutPrefix(imported, modulePath); ours {
				imported = "lethe/" + inside
			}
			s.imports = append(s.imports, imported)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// standard says whether an import is of the standard library.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && first != "lethe"
}

// within says whether an import path is one of the given or below it.
func within(imported string, trees ...string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool {
		return imported == tree || strings.HasPrefix(imported, tree+"/")
	})
}

// module is a go.mod file as "go mod edit -json" prints it.
type module struct {
	// folder is where it lies, from the top of the repository.
	folder  string
	Module  struct{ Path string }
	Go      string
	Require []struct {
		Path, Version string
		Indirect      bool
	}
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

// modules reads every go.mod file of the repository.
func modules(t *testing.T) []module {
	t.Helper()
	var all []module
	err := filepath.WalkDir(top, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && strings.HasPrefix(e.Name(), ".") && p != top {
			return fs.SkipDir
		}
		if e.Name() != "go.mod" {
			return nil
		}
		m := module{}
		if m.folder, err = filepath.Rel(top, filepath.Dir(p)); err != nil {
			return err
		}
		m.folder = filepath.ToSlash(m.folder)
		if err := json.Unmarshal(run(t, ".", "mod", "edit", "-json", p), &m); err != nil {
			return err
		}
		all = append(all, m)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// run runs the go command in a folder with the workspace off and returns what it prints.
func run(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	command := filepath.Join(build.Default.GOROOT, "bin", "go")
	if _, err := os.Stat(command); err != nil {
		command = "go"
	}
	cmd := exec.CommandContext(t.Context(), command, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, problem.String())
	}
	return out
}
