// Package suite runs all services of Lethe in one process over real listeners,
// with SQLite files in one folder.
package suite

// Config says where and how the suite runs. A zero value of a field marked so
// takes the default named.
type Config struct {
	// Dir is the data folder; it is made when it does not exist.
	Dir string
	// HTTPAddr is where REST listens, as host:port.
	HTTPAddr string
	// GRPCPortBase is the port below those of the services: contacts listens at
	// base+1, tickets +2, forums +3, ratings +4, privacy +5.
	GRPCPortBase int
	// AdminKey is the first admin's API key at first start, at least 20
	// characters; empty means that one is made. A different one at a later start
	// is refused.
	AdminKey string
	// AdminKeyFile is where a key that was made is written, mode 0600; empty
	// means Dir with .admin-key behind it.
	AdminKeyFile string
	// MasterKey is the file with the master key; empty means a file in Dir.
	MasterKey string
	// TraceFile receives spans as JSON lines; empty means none.
	TraceFile string
	// OTLPEndpoint receives traces and metrics, as host:port; empty means none.
	OTLPEndpoint string
	// LogFile receives the log; empty means standard error.
	LogFile string
	// Reflection offers gRPC reflection.
	Reflection bool
	// RateLimit is how many REST calls an account may make in a minute; 0 means
	// no limit.
	RateLimit int
}
