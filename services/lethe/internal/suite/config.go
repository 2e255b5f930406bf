// Package suite runs all services of Lethe in one process over real listeners,
// with SQLite files in one folder.
package suite

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/daemon"
)

// DefaultHTTPAddr is where REST listens unless told otherwise.
const DefaultHTTPAddr = "127.0.0.1:8080"

// Config says where and how the suite runs. Dir is mandatory; the zero value of
// every other field means what its comment says.
type Config struct {
	// Dir is the data folder; it is made when it does not exist.
	Dir string
	// HTTPAddr is where REST listens, as host:port; DefaultHTTPAddr when empty.
	HTTPAddr string
	// GRPCPortBase is the port below those of the services: contacts listens at
	// base+1, tickets +2, forums +3, ratings +4, privacy +5. 0 lets the system
	// choose free ports.
	GRPCPortBase int
	// AdminKey is the first admin's API key at first start, at least 20
	// characters; one is made when empty. A different one at a later start is
	// refused.
	AdminKey string
	// AdminKeyFile is where a key that was made is written, mode 0600; Dir with
	// .admin-key behind it when empty.
	AdminKeyFile string
	// MasterKey is the file with the master key; master.key in Dir when empty.
	MasterKey string
	// Storage says where documents and keys lie when that is not Dir; its Data
	// and MasterKey are those above.
	Storage config.Storage
	// Network says where the identities lie and how listeners and connections are secured.
	config.Network
	// FourEyes has another person approve a request than the one who raised it.
	FourEyes bool
	// TraceFile receives spans as JSON lines; none when empty.
	TraceFile string
	// OTLPEndpoint is host:port of a collector that receives spans; none when empty.
	OTLPEndpoint string
	// LogFile receives the log as JSON lines; standard error when empty.
	LogFile string
	// LogLevel is the lowest level written; info when zero.
	LogLevel slog.Level
	// Reflection offers gRPC reflection.
	Reflection bool
	// RateLimit is how many REST calls an account may make in a minute; 0 means
	// no limit.
	RateLimit int
	// ExportTTL is for how long an export is offered; privacy's default when 0.
	ExportTTL time.Duration
	// Version names the build in spans.
	Version string
	// Now is the clock; that of the system when nil.
	Now func() time.Time
	// Exporters are further places for spans.
	Exporters []sdktrace.SpanExporter
}

// withDefaults fills in what was left empty. Errors are sentences for the operator.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, fmt.Errorf("no data folder was named: give one with --data")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("find the data folder: %w", err)
	}
	c.Dir = dir
	if c.HTTPAddr == "" {
		c.HTTPAddr = DefaultHTTPAddr
	}
	if c.AdminKeyFile == "" {
		c.AdminKeyFile = c.Dir + ".admin-key"
	}
	if c.MasterKey == "" {
		c.MasterKey = filepath.Join(c.Dir, "master.key")
	}
	if c.GRPCPortBase < 0 || c.GRPCPortBase > 65535-daemon.LastPlace {
		return c, fmt.Errorf("%d is no port: --grpc-port-base lies between 0 and %d", c.GRPCPortBase, 65535-daemon.LastPlace)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// grpcAddr is where a service listens.
func (c Config) grpcAddr(name string) string {
	port := 0
	if c.GRPCPortBase > 0 {
		port = c.GRPCPortBase + daemon.Place(name)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// storage says where all services keep what they keep.
func (c Config) storage() config.Storage {
	c.Storage.Data, c.Storage.MasterKey = c.Dir, c.MasterKey
	return c.Storage
}
