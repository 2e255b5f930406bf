package daemon

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/lethe-desk/lethe/services/internal/platform/config"
)

// DefaultPortBase is the port below those of the services.
const DefaultPortBase = 7100

// healthAbove is how far a service's health is above its gRPC port.
const healthAbove = 100

// places are the services and their ports above the base: the one list of them.
var places = []string{1: "contacts", 2: "tickets", 3: "forums", 4: "ratings", 5: "privacy"}

// LastPlace is the highest place above a port base.
var LastPlace = len(places) - 1

// Place returns the port of a service above the base, and 0 for one that is not known.
func Place(name string) int {
	for i, n := range places {
		if n == name {
			return i
		}
	}
	return 0
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// vars are the defaults of addresses: ${listen} and ${health} of a service's
// own, ${contacts} and so on of the others.
func vars(name string) map[string]string {
	v := map[string]string{
		"listen": loopback(DefaultPortBase + Place(name)), "health": loopback(DefaultPortBase + healthAbove + Place(name)),
	}
	for i, n := range places[1:] {
		v[n] = loopback(DefaultPortBase + 1 + i)
	}
	return v
}

// Settings are what every program has; a program's own settings embed them, or ServiceSettings.
type Settings struct {
	config.Base
	config.Telemetry
	config.Network
}

// Listeners are where a program with gRPC methods listens.
type Listeners struct {
	Listen     config.Address `help:"Where gRPC is served; an empty host is every interface." default:"${listen}" placeholder:"HOST:PORT"`
	Health     config.Address `help:"Where /healthz, /readyz and /metrics are answered." default:"${health}" placeholder:"HOST:PORT"`
	Reflection bool           `help:"Offer gRPC reflection."`
}

// ServiceSettings are what a program with a store and gRPC methods has.
type ServiceSettings struct {
	Settings
	Listeners
	config.Storage
}

// Starter is a program's settings with what is done with them. Embedding
// Settings or ServiceSettings gives all but Start.
type Starter interface {
	// Start builds the program's service and serves it with Process.Serve or
	// Process.ServeHTTP. Its errors are sentences for the operator.
	Start(ctx context.Context, p *Process) error

	settings() *Settings
	listeners() *Listeners
	identities() string
}

func (s *Settings) settings() *Settings { return s }

func (s *Settings) listeners() *Listeners { return nil }

func (s *Settings) identities() string { return s.IdentityFolder("data") }

func (s *ServiceSettings) listeners() *Listeners { return &s.Listeners }

func (s *ServiceSettings) identities() string { return s.IdentityFolder(s.Data) }

// Program says what a program is.
type Program struct {
	// Name is the name of its service; the program is called NAMEd.
	Name string
	// About says in a sentence or two what it does and needs, for --help.
	About string
	// Version names the build.
	Version string
	// Declared are the full names of its gRPC services; none for a program without.
	Declared []string
}

const manual = `

Flags go before environment (LETHE_...), environment before the file of --config, that before defaults; the same names mean the same in lethe up. ` +
	`Programs may start in any order: one whose neighbours are not there yet runs and answers 503 at /readyz with their names. ` +
	`SIGTERM lets running calls finish and ends with code 0; a failed start ends with 1, a wrong command line with 2.`

func (p Program) info() config.Info {
	return config.Info{
		Name: p.Name + "d", Description: p.About + manual, Version: fmt.Sprintf("%sd %s", p.Name, p.Version), Vars: vars(p.Name),
	}
}
