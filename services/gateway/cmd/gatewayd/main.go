// Command gatewayd runs the REST gateway; gatewayd --help lists its settings.
package main

import (
	"context"

	"github.com/lethe-desk/lethe/services/gateway"
	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/daemon"
	"google.golang.org/grpc"
)

// version is set by the build.
var version = "development"

type settings struct {
	daemon.Settings
	HTTP         config.Address `name:"http" help:"Where REST, /healthz, /readyz and /metrics are answered, without TLS: a proxy in front adds it." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	RateLimit    int            `help:"REST calls an account may make in a minute; 0 for no limit." default:"6000" placeholder:"N"`
	ContactsAddr config.Address `help:"Where contactsd serves." default:"${contacts}" placeholder:"HOST:PORT"`
	TicketsAddr  config.Address `help:"Where ticketsd serves." default:"${tickets}" placeholder:"HOST:PORT"`
	ForumsAddr   config.Address `help:"Where forumsd serves." default:"${forums}" placeholder:"HOST:PORT"`
	RatingsAddr  config.Address `help:"Where ratingsd serves." default:"${ratings}" placeholder:"HOST:PORT"`
	PrivacyAddr  config.Address `help:"Where privacyd serves." default:"${privacy}" placeholder:"HOST:PORT"`
}

func main() {
	daemon.Main(daemon.Program{
		Name: "gateway", Version: version,
		About: "gatewayd answers REST in the manners of the Freshdesk API v2 by calling the services. It stores nothing.",
	}, &settings{})
}

// Start connects to the services and answers REST.
func (s *settings) Start(ctx context.Context, p *daemon.Process) error {
	c := gateway.Config{
		Verifier: p.Verifier, RateLimit: s.RateLimit,
		Live: p.Tele.Health.Live(), Ready: p.Tele.Health.Ready(), Metrics: p.Tele.MetricsHandler(),
		Tracer: p.Tele.Tracer, Meter: p.Tele.Meter, Log: p.Log,
	}
	for name, to := range map[string]struct {
		at   config.Address
		conn *grpc.ClientConnInterface
	}{
		"contacts": {s.ContactsAddr, &c.Contacts}, "tickets": {s.TicketsAddr, &c.Tickets}, "forums": {s.ForumsAddr, &c.Forums},
		"ratings": {s.RatingsAddr, &c.Ratings}, "privacy": {s.PrivacyAddr, &c.Privacy},
	} {
		var err error
		if *to.conn, err = p.DialForUsers(name, to.at); err != nil {
			return err
		}
	}
	g, err := gateway.New(ctx, c)
	if err != nil {
		return err
	}
	return p.ServeHTTP(ctx, "--http", s.HTTP, g, g.Close)
}
