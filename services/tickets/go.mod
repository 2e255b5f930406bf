module github.com/lethe-desk/lethe/services/tickets

go 1.26.0

require (
	github.com/lethe-desk/lethe/gen v0.0.0
	github.com/lethe-desk/lethe/services/internal/platform v0.0.0
)

require (
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261019180522-ce908d29299b // indirect
	google.golang.org/grpc v1.85.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace (
	github.com/lethe-desk/lethe/gen => ../../gen
	github.com/lethe-desk/lethe/services/internal/platform => ../internal/platform
)
