package boundary

import "slices"

// rules is the table. Where a rule does not say so, it is for programs and
// tests alike.
var rules = []rule{
	{
		name:    "imports point inwards: rpc to app to domain and stored types, store to domain",
		check:   each(outwards),
		refused: file("lethe/services/tickets/internal/app", "lethe/services/tickets/internal/rpc"),
		allowed: file("lethe/services/tickets/internal/rpc", "lethe/services/tickets/internal/app"),
	},
	{
		name:    "a store knows the domain, not the use cases",
		check:   each(outwards),
		refused: file("lethe/services/contacts/internal/store", "lethe/services/contacts/internal/app"),
		allowed: file("lethe/services/contacts/internal/store", "lethe/services/contacts/internal/person", docstore),
	},
	{
		name: "a domain package imports the standard library, other domain packages of its service, and what is listed with a reason",
		check: each(func(s source, imported string) bool {
			return roleOf(s.pkg) == roleDomain && !s.test && !standard(imported) && !ownDomain(s.pkg, imported)
		}),
		refused: file("lethe/services/tickets/internal/ticket", platform+"/fault"),
		allowed: file("lethe/services/forums/internal/topic", "strings", "lethe/services/forums/internal/check"),
	},
	{
		name: "stored types and queries know the port, the ring and what identifies people in text, no contract and no wire",
		check: each(func(s source, imported string) bool {
			free := standard(imported) || within(imported, docstore, platform+"/ring", platform+"/mention") || !outside(s.pkg, imported)
			return roleOf(s.pkg) == roleStore && !s.test && !free
		}),
		refused: file("lethe/services/contacts/internal/store", "lethe/gen/go/lethe/contacts/v1"),
		allowed: file("lethe/services/contacts/internal/store", docstore, platform+"/ring", "time"),
	},
	{
		name: "use cases know no status, code or metadata of gRPC: what they refuse is a fault",
		check: each(func(s source, imported string) bool {
			wire := []string{"google.golang.org/grpc/status", "google.golang.org/grpc/codes", "google.golang.org/grpc/metadata"}
			return roleOf(s.pkg) == roleApp && !s.test && within(imported, wire...)
		}),
		refused: file("lethe/services/privacy/internal/app", "google.golang.org/grpc/status"),
		allowed: file("lethe/services/privacy/internal/app", "lethe/gen/go/lethe/contacts/v1"),
	},
	{
		name:    "a service never imports another; only the all-in-one suite and the check of its folder put them together",
		check:   each(foreign),
		refused: testFile("lethe/services/privacy", "lethe/services/tickets"),
		allowed: file(command+"/internal/suite", "lethe/services/tickets", "lethe/services/gateway"),
	},
	{
		name:    "a service exports its root package and nothing else",
		check:   exported,
		refused: file("lethe/services/contacts/client"),
		allowed: file("lethe/services/contacts/internal/app"),
	},
	{
		name: "operator's commands speak REST: no service, no contract, no store",
		check: each(func(s source, imported string) bool {
			operator := within(s.pkg, command+"/internal", command+"/cmd") && !together(s.pkg)
			return operator && within(imported, "lethe/gen", docstore, platform+"/keyring")
		}),
		refused: file(command+"/internal/importer", "lethe/gen/go/lethe/tickets/v1"),
		allowed: file(command+"/internal/cli", platform+"/config"),
	},
	{
		name: "the gateway knows the contract and no store",
		check: each(func(s source, imported string) bool {
			return within(s.pkg, "lethe/services/gateway") && within(imported, stores...)
		}),
		refused: file("lethe/services/gateway/internal/identity", platform+"/keyring"),
		allowed: file("lethe/services/gateway", platform+"/wire", "lethe/gen/go/lethe/tickets/v1"),
	},
	{
		name: "only an adapter of the port, the measurements beside the port's, the server of tests, and tests that look into its files, talk to a driver",
		check: each(func(s source, imported string) bool {
			return within(imported, drivers...) && !within(s.pkg, adapters...) && s.pkg != command+"/bench" && s.pkg != "lethe/services/internal/mongotest" && !(s.test && s.pkg == command+"/e2e")
		}),
		refused: file("lethe/services/tickets/internal/store", "zombiezen.com/go/sqlite"),
		allowed: file(docstore+"/sqlite", "zombiezen.com/go/sqlite"),
	},
	{
		name: "which adapter it is, is known where a service is put together, and in tests",
		check: each(func(s source, imported string) bool {
			assembles := roleOf(s.pkg) == roleRoot || s.pkg == platform+"/storage" || s.pkg == platform+"/servicetest" || s.pkg == command+"/bench" || within(s.pkg, adapters...)
			return within(imported, adapters...) && !s.test && !assembles
		}),
		refused: file("lethe/services/contacts/internal/store", docstore+"/sqlite"),
		allowed: file("lethe/services/contacts", docstore+"/sqlite"),
	},
	{
		name: "platform imports no service",
		check: each(func(s source, imported string) bool {
			return within(s.pkg, platform) && within(imported, "lethe/services") && !within(imported, platform)
		}),
		refused: testFile(platform+"/participant", "lethe/services/contacts"),
		allowed: file(platform+"/participant", docstore, "lethe/gen/go/lethe/participant/v1"),
	},
	{
		name:    "what keeps keys and data knows no wire, no contract and nobody above it",
		check:   each(above),
		refused: file(docstore, platform+"/fault"),
		allowed: file(docstore, platform+"/keyring", platform+"/ring"),
	},
	{
		name: "gen is imported and imports nothing of ours",
		check: each(func(s source, imported string) bool {
			return within(s.pkg, "lethe/gen") && within(imported, "lethe") && !within(imported, "lethe/gen")
		}),
		refused: file("lethe/gen/go/lethe/fault/v1", platform+"/fault"),
		allowed: file("lethe/gen/go/lethe/privacy/v1", "lethe/gen/go/lethe/options/v1"),
	},
}

// stores is what a program without data does not link.
var stores = append([]string{
	docstore, platform + "/keyring", platform + "/blob", platform + "/storage", platform + "/idem",
	platform + "/participant", "gocloud.dev/blob", "modernc.org/libc",
}, drivers...)

// outwards says whether a package imports one of its own service against the table of layers.
func outwards(s source, imported string) bool {
	from, to := roleOf(s.pkg), roleOf(imported)
	if s.test || from == "" || to == "" || s.pkg == imported || outside(s.pkg, imported) {
		return false
	}
	return !slices.Contains(layers[from], to)
}

// outside says whether an import is of another service, or of none.
func outside(pkg, imported string) bool {
	mine, _, _ := serviceOf(pkg)
	other, _, found := serviceOf(imported)
	return !found || mine != other
}

func ownDomain(pkg, imported string) bool {
	return !outside(pkg, imported) && roleOf(imported) == roleDomain
}

func foreign(s source, imported string) bool {
	service, _, found := serviceOf(s.pkg)
	other, _, foreign := serviceOf(imported)
	return found && foreign && service != other && !together(s.pkg)
}

// together says which packages know all services: the all-in-one form, and the check of its folder.
func together(pkg string) bool {
	return pkg == command+"/internal/suite" || pkg == command+"/internal/fsck"
}

// exported refuses packages that others could import beside a service's root.
func exported(s source) []string {
	_, rest, found := serviceOf(s.pkg)
	hidden := rest == "" || within(rest, "internal", "cmd") || s.test || s.name == "main"
	if !found || hidden {
		return nil
	}
	return []string{s.file + " can be imported from outside"}
}

// above keeps the lowest packages of platform low.
func above(s source, imported string) bool {
	may := map[string][]string{
		platform + "/ring":    {},
		platform + "/keyring": {},
		platform + "/mention": {},
		docstore:              {platform + "/keyring", platform + "/ring", platform + "/mention"},
		docstore + "/sqlite":  {docstore, platform + "/keyring", platform + "/ring"},
	}
	allowed, low := may[s.pkg]
	return low && !s.test && within(imported, "lethe", "google.golang.org") && !slices.Contains(allowed, imported)
}
