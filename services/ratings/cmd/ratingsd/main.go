// Command ratingsd runs the ratings service; ratingsd --help lists its settings.
package main

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/daemon"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/ratings"
)

// version is set by the build.
var version = "development"

type settings struct {
	daemon.ServiceSettings
	TicketsAddr config.Address `help:"Where ticketsd serves." default:"${tickets}" placeholder:"HOST:PORT"`
}

func main() {
	daemon.Main(daemon.Program{
		Name: ratings.Name, Version: version, Declared: ratings.Services(),
		About: "ratingsd owns surveys and satisfaction ratings. It asks ticketsd for the tickets they are about.",
	}, &settings{})
}

// Start opens the store and serves.
func (s *settings) Start(ctx context.Context, p *daemon.Process) error {
	place, err := storage.Setup(ctx, s.Storage, p.Log, p.Tele.Tracer)
	if err != nil {
		return err
	}
	p.Defer(place.Close)
	desk, err := p.Dial("tickets", s.TicketsAddr)
	if err != nil {
		return err
	}
	svc, err := ratings.New(ctx, ratings.Config{Store: place.Of(ratings.Name), Tickets: desk, Log: p.Log})
	if err != nil {
		return err
	}
	return p.Serve(ctx, svc)
}
