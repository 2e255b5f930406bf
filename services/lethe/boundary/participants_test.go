package boundary

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/contract"
)

const suitePackage = command + "/internal/suite"

// holders returns the services whose contract has records that people own.
func holders(files []protoreflect.FileDescriptor) []string {
	found := map[string]bool{}
	for _, f := range files {
		for i := range f.Messages().Len() {
			if contract.Resource(f.Messages().Get(i)).GetOwner() == optionsv1.Owner_OWNER_SUBJECT {
				found[strings.Split(string(f.Package()), ".")[1]] = true
			}
		}
	}
	return sorted(found)
}

func sorted(set map[string]bool) []string {
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// passes says whether a test file holds a test that runs the suite of all participants.
func passes(text string) bool {
	parsed, err := parser.ParseFile(token.NewFileSet(), "x_test.go", text, parser.SkipObjectResolution)
	if err != nil {
		return false
	}
	calls := func(n ast.Node) (found bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := s.X.(*ast.Ident)
			found = found || (ok && pkg.Name == "participanttest" && s.Sel.Name == "Run")
			return true
		})
		return found
	}
	return slices.ContainsFunc(parsed.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && calls(f)
	})
}

// unproven returns what is wrong with services that hold personal records:
// nobody runs the suite of participants on them, or the all-in-one suite leaves them out.
func unproven(services []string, all []source, text func(file string) string) []string {
	var problems []string
	for _, name := range services {
		pkg := "lethe/services/" + name
		tested := func(s source) bool {
			return s.test && s.pkg == pkg && slices.Contains(s.imports, platform+"/participanttest") && passes(text(s.file))
		}
		if !slices.ContainsFunc(all, tested) {
			problems = append(problems, name+" holds personal records, and no test of it calls participanttest.Run")
		}
		started := func(s source) bool { return !s.test && s.pkg == suitePackage && slices.Contains(s.imports, pkg) }
		if !slices.ContainsFunc(all, started) {
			problems = append(problems, name+" holds personal records, and the suite does not start it")
		}
	}
	return problems
}

// A service that holds personal records passes the suite of participants and is started with the others.
func TestParticipantsAreProven(t *testing.T) {
	services := holders(contract.Files())
	all := sources(t, top)
	text := func(file string) string { return read(t, file) }
	for _, problem := range unproven(services, all, text) {
		t.Error(problem)
	}
	// The contract is read whole: what is not linked here would be missed.
	entries, err := os.ReadDir(top + "/gen/go/lethe")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		linked := false
		protoregistry.GlobalFiles.RangeFilesByPackage(protoreflect.FullName("lethe."+e.Name()+".v1"), func(protoreflect.FileDescriptor) bool {
			linked = true
			return false
		})
		if !linked {
			t.Errorf("the contract of %s is not linked into this test", e.Name())
		}
	}
	for _, name := range []string{"contacts", "privacy", "tickets"} {
		if !slices.Contains(services, name) {
			t.Errorf("personal records of %s were not seen", name)
		}
	}
}

// Each way out is noticed.
func TestParticipantControls(t *testing.T) {
	all := sources(t, top)
	real := func(file string) string { return read(t, file) }
	services := []string{"contacts", "tickets"}
	if problems := unproven(services, all, real); len(problems) > 0 {
		t.Fatal(problems)
	}
	noticed := func(what string, services []string, all []source, text func(string) string) {
		t.Helper()
		if len(unproven(services, all, text)) == 0 {
			t.Errorf("%s was not noticed", what)
		}
	}
	noticed("a service that is not there", []string{"diary"}, all, real)
	noticed("a test that is gone", services, slices.DeleteFunc(slices.Clone(all), func(s source) bool {
		return s.pkg == "lethe/services/tickets" && s.test && slices.Contains(s.imports, platform+"/participanttest")
	}), real)
	noticed("a suite that leaves a service out", services, slices.DeleteFunc(slices.Clone(all), func(s source) bool {
		return s.pkg == suitePackage && slices.Contains(s.imports, "lethe/services/tickets")
	}), real)
	for name, change := range map[string]func(string) string{
		"a call in a comment": func(s string) string {
			return strings.ReplaceAll(s, "participanttest.Run(", "_ = t // participanttest.Run(")
		},
		"a call of nothing":     func(s string) string { return strings.ReplaceAll(s, "participanttest.Run(", "participanttest.Walk(") },
		"a call outside a test": func(s string) string { return strings.ReplaceAll(s, "func TestParticipant", "func participant") },
		"a test that is a method": func(s string) string {
			return strings.ReplaceAll(s, "func TestParticipant", "func (d *desk) TestParticipant")
		},
	} {
		noticed(name, services, all, func(file string) string { return change(real(file)) })
	}
	if got := holders(nil); len(got) != 0 {
		t.Errorf("no contract has holders %v", got)
	}
}
