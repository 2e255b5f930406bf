package boundary

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/lethe-desk/lethe/services/internal/platform/contract"
)

const participantContract = "lethe.participant.v1.PersonalDataService"

// declaredCalls are "caller service" for every caller that the contract declares.
func declaredCalls(files []protoreflect.FileDescriptor) map[string]bool {
	calls := map[string]bool{}
	for _, f := range files {
		for i := range f.Services().Len() {
			sd := f.Services().Get(i)
			for _, caller := range contract.Callers(sd) {
				calls[caller+" "+string(sd.FullName())] = true
			}
		}
	}
	return calls
}

// pairsOf are "caller holder" of calls; every participant holds that contract.
func pairsOf(calls map[string]bool, participants []string) map[string]bool {
	pairs := map[string]bool{}
	for call := range calls {
		caller, service, _ := strings.Cut(call, " ")
		if service != participantContract {
			pairs[caller+" "+strings.Split(service, ".")[1]] = true
			continue
		}
		for _, p := range participants {
			pairs[caller+" "+p] = true
		}
	}
	return pairs
}

var (
	contractPackage = regexp.MustCompile(`^(\w+)v1$`)
	clientOf        = regexp.MustCompile(`^New(\w+)Client$`)
)

// clients are the services whose client a file makes.
func clients(text string) (services []string) {
	inspect(text, func(n ast.Node) {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return
		}
		x, ok := s.X.(*ast.Ident)
		if !ok {
			return
		}
		pkg, made := contractPackage.FindStringSubmatch(x.Name), clientOf.FindStringSubmatch(s.Sel.Name)
		if pkg != nil && made != nil {
			services = append(services, "lethe."+pkg[1]+".v1."+made[1])
		}
	})
	return services
}

func inspect(text string, f func(ast.Node)) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "x.go", text, parser.SkipObjectResolution)
	if err != nil {
		panic(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		f(n)
		return true
	})
}

// madeCalls are "caller service" of the clients that callers make outside of tests.
func madeCalls(callers []string, all []source, text func(file string) string) map[string]bool {
	calls := map[string]bool{}
	for _, s := range all {
		parts := strings.Split(s.file, "/")
		if s.test || len(parts) < 3 || parts[0] != "services" || !slices.Contains(callers, parts[1]) {
			continue
		}
		for _, service := range clients(text(s.file)) {
			calls[parts[1]+" "+service] = true
		}
	}
	return calls
}

// suitePairs are "caller holder" of the connections that the suite makes: conn
// and user by name; a name that is not written out is that of every member.
func suitePairs(text string, members []string) map[string]bool {
	pairs := map[string]bool{}
	inspect(text, func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		switch {
		case ok && fun.Sel.Name == "conn" && len(call.Args) == 2:
			for _, from := range written(call.Args[0], members) {
				for _, to := range written(call.Args[1], members) {
					pairs[from+" "+to] = true
				}
			}
		case ok && fun.Sel.Name == "user" && len(call.Args) == 1:
			for _, to := range written(call.Args[0], members) {
				pairs["gateway "+to] = true
			}
		}
	})
	return pairs
}

// written are the services that an argument names: one for contacts.Name.
func written(arg ast.Expr, members []string) []string {
	if s, ok := arg.(*ast.SelectorExpr); ok && s.Sel.Name == "Name" {
		if x, ok := s.X.(*ast.Ident); ok {
			return []string{x.Name}
		}
	}
	return members
}

// differ says what only one of two sets has.
func differ(declared, real map[string]bool) (problems []string) {
	for call := range declared {
		if !real[call] {
			problems = append(problems, "declared and not made: "+call)
		}
	}
	for call := range real {
		if !declared[call] {
			problems = append(problems, "made and not declared: "+call)
		}
	}
	slices.Sort(problems)
	return problems
}

// The data map draws who hands what to whom from the callers that the contract
// declares: they are those who have a client, and a connection in the suite.
func TestDeclaredCallersCall(t *testing.T) {
	all := sources(t, top)
	text := func(file string) string { return read(t, file) }
	members := holders(contract.Files())
	declared, made, suite := declaredCalls(contract.Files()), madeCalls(append(members, "gateway"), all, text), suiteText(all, text)
	for _, p := range differ(declared, made) {
		t.Error("clients: " + p)
	}
	connected := map[string]bool{}
	for _, one := range suite {
		for pair := range suitePairs(one, members) {
			connected[pair] = true
		}
	}
	pairs := pairsOf(declared, members)
	for _, p := range differ(pairs, connected) {
		t.Error("suite: " + p)
	}

	// Each way out is noticed.
	without := func(set map[string]bool, key string) map[string]bool {
		out := maps.Clone(set)
		delete(out, key)
		return out
	}
	for name, problems := range map[string][]string{
		"a caller nobody declared":        differ(without(declared, "ratings lethe.tickets.v1.TicketsService"), made),
		"a caller that does not call":     differ(declared, without(made, "tickets lethe.contacts.v1.ContactsService")),
		"a connection nobody declared":    differ(pairs, suitePairs("package p\nfunc f() { s.conn(ratings.Name, contacts.Name) }", members)),
		"a gateway that leaves one out":   differ(pairs, without(connected, "gateway forums")),
		"privacy without a participant":   differ(pairs, without(connected, "privacy ratings")),
		"participants nobody may ask for": differ(pairsOf(without(declared, "privacy "+participantContract), members), connected),
	} {
		if len(problems) == 0 {
			t.Errorf("%s is not noticed", name)
		}
	}
	if got := clients("package p\nvar _ = ticketsv1.NewCallsServiceClient(c) // contactsv1.NewContactsServiceClient(c)"); !slices.Equal(got, []string{"lethe.tickets.v1.CallsService"}) {
		t.Errorf("clients of a file: %v", got)
	}
	if got := sorted(suitePairs("package p\nfunc f() { s.conn(a.Name, name); s.user(b.Name) }", []string{"x", "y"})); !slices.Equal(got, []string{"a x", "a y", "gateway b"}) {
		t.Errorf("pairs of a file: %v", got)
	}
}

// suiteText are the texts of the suite's files.
func suiteText(all []source, text func(file string) string) (texts []string) {
	for _, s := range all {
		if !s.test && s.pkg == suitePackage {
			texts = append(texts, text(s.file))
		}
	}
	return texts
}
