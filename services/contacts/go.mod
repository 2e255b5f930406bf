module github.com/lethe-desk/lethe/services/contacts

go 1.26.0

require (
	github.com/lethe-desk/lethe/gen v0.0.0
	github.com/lethe-desk/lethe/services/internal/platform v0.0.0
)

replace (
	github.com/lethe-desk/lethe/gen => ../../gen
	github.com/lethe-desk/lethe/services/internal/platform => ../internal/platform
)
