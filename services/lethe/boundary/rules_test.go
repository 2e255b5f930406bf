package boundary

import (
	"fmt"
	"strings"
)

// role is what a package of a service is for; it decides what it may import.
type role string

const (
	roleRoot   role = "root"   // Config, New, Register, Close: puts the parts together
	roleCmd    role = "cmd"    // a program's main
	roleRPC    role = "rpc"    // gRPC methods, conversion, participant resources
	roleApp    role = "app"    // use cases
	roleStore  role = "store"  // document types, collections, queries
	roleClient role = "client" // fulfils a port of app with something outside
	roleDomain role = "domain" // the rules, in plain Go
	roleEdge   role = "edge"   // a part of the gateway, which has no domain
)

// layers is the table: what a role may import of its own service. Imports point inwards.
var layers = map[role][]role{
	roleRoot:   {roleRPC, roleApp, roleStore, roleClient, roleDomain, roleEdge},
	roleCmd:    {roleRoot},
	roleRPC:    {roleApp, roleDomain},
	roleApp:    {roleApp, roleDomain, roleStore},
	roleStore:  {roleDomain},
	roleClient: {roleApp, roleDomain},
	roleDomain: {roleDomain},
	roleEdge:   {roleEdge},
}

// roles names the packages below internal whose role their name does not say.
// What is in no list and is not called rpc, app or store is a domain package,
// and must be plain.
var roles = map[string]role{
	"lethe/services/privacy/internal/flow":             roleApp, // the flows: what is asked of participants, and in which order
	"lethe/services/privacy/internal/archive":          roleApp, // the steps of an export
	"lethe/services/tickets/internal/people":           roleClient,
	"lethe/services/forums/internal/people":            roleClient,
	"lethe/services/tickets/internal/files":            roleClient,
	"lethe/services/ratings/internal/matters":          roleClient,
	"lethe/services/gateway/internal/form":             roleEdge,
	"lethe/services/gateway/internal/identity":         roleEdge,
	"lethe/services/gateway/internal/route":            roleEdge,
	"lethe/services/gateway/internal/openapi":          roleEdge,
	"lethe/services/gateway/internal/openapi/generate": roleEdge, // a program of `make generate`
}

// exceptions are single imports against the table, each with its reason.
var exceptions = map[[2]string]string{
	{"lethe/services/privacy/internal/rpc", "lethe/services/privacy/internal/store"}: "an export is a stored record that is shown and swept as it is",
	{"lethe/services/privacy/internal/saga", "go.opentelemetry.io/otel/attribute"}:   "the API only: a run's spans are the engine's to link across crashes",
	{"lethe/services/privacy/internal/saga", "go.opentelemetry.io/otel/codes"}:       "the same",
	{"lethe/services/privacy/internal/saga", "go.opentelemetry.io/otel/trace"}:       "the same",
	{"lethe/services/privacy/internal/saga", "go.opentelemetry.io/otel/trace/noop"}:  "the same",
	{"lethe/services/contacts/internal/person/persontest", "pgregory.net/rapid"}:     "draws people for tests, and no program links it",
}

const (
	platform = "lethe/services/internal/platform"
	docstore = platform + "/docstore"
	command  = "lethe/services/lethe"
)

// drivers are what talks to a database; only the adapters of the port may.
var drivers = []string{
	"zombiezen.com/go/sqlite", "modernc.org/sqlite", "github.com/ncruces/go-sqlite3", "github.com/mattn/go-sqlite3",
	"go.mongodb.org/mongo-driver", "database/sql", "github.com/FerretDB/FerretDB",
}

// adapters are the backends of the port.
var adapters = []string{docstore + "/sqlite", docstore + "/mongo"}

// rule is one sentence about borders. check returns what is wrong with a file, or nothing.
type rule struct {
	name  string
	check func(source) []string
	// refused is a file the rule must find fault with, allowed one that it must not.
	refused, allowed source
}

// each makes a check of a question about single imports.
func each(wrong func(s source, imported string) bool) func(source) []string {
	return func(s source) []string {
		var problems []string
		for _, imported := range s.imports {
			if _, listed := exceptions[[2]string{s.pkg, imported}]; !listed && wrong(s, imported) {
				problems = append(problems, fmt.Sprintf("%s imports %s", s.file, imported))
			}
		}
		return problems
	}
}

// serviceOf returns the service a package belongs to and the rest of its path.
func serviceOf(pkg string) (service, rest string, found bool) {
	inside, found := strings.CutPrefix(pkg, "lethe/services/")
	if !found {
		return "", "", false
	}
	service, rest, _ = strings.Cut(inside, "/")
	return service, rest, service != "internal" && service != "client"
}

// roleOf returns the role of a package of a service; lethe, the all-in-one
// form, has none, and neither have folders of tests.
func roleOf(pkg string) role {
	service, rest, found := serviceOf(pkg)
	inner, internal := strings.CutPrefix(rest, "internal/")
	switch {
	case !found || service == "lethe":
		return ""
	case rest == "":
		return roleRoot
	case within(rest, "cmd"):
		return roleCmd
	case !internal:
		return ""
	case roles[pkg] != "":
		return roles[pkg]
	case inner == "rpc" || inner == "app" || inner == "store":
		return role(inner)
	}
	return roleDomain
}

func file(pkg string, imports ...string) source {
	return source{file: strings.TrimPrefix(pkg, "lethe/") + "/x.go", pkg: pkg, imports: imports}
}

func testFile(pkg string, imports ...string) source {
	s := file(pkg, imports...)
	s.file, s.test = strings.TrimSuffix(s.file, ".go")+"_test.go", true
	return s
}
