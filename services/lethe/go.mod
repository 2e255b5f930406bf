module github.com/lethe-desk/lethe/services/lethe

go 1.26.0

require (
	github.com/lethe-desk/lethe/gen v0.0.0
	github.com/lethe-desk/lethe/services/contacts v0.0.0
	github.com/lethe-desk/lethe/services/gateway v0.0.0
	github.com/lethe-desk/lethe/services/internal/platform v0.0.0
	github.com/lethe-desk/lethe/services/privacy v0.0.0
	github.com/lethe-desk/lethe/services/tickets v0.0.0
)

require (
	github.com/alecthomas/kong v1.17.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/term v0.47.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace (
	github.com/lethe-desk/lethe/gen => ../../gen
	github.com/lethe-desk/lethe/services/contacts => ../contacts
	github.com/lethe-desk/lethe/services/gateway => ../gateway
	github.com/lethe-desk/lethe/services/internal/platform => ../internal/platform
	github.com/lethe-desk/lethe/services/privacy => ../privacy
	github.com/lethe-desk/lethe/services/tickets => ../tickets
)
