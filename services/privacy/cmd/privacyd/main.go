// Command privacyd runs the privacy service; privacyd --help lists its settings.
package main

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/daemon"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/privacy"
)

// version is set by the build.
var version = "development"

type settings struct {
	daemon.ServiceSettings
	ContactsAddr config.Address `help:"Where contactsd serves." default:"${contacts}" placeholder:"HOST:PORT"`
	TicketsAddr  config.Address `help:"Where ticketsd serves." default:"${tickets}" placeholder:"HOST:PORT"`
	ForumsAddr   config.Address `help:"Where forumsd serves." default:"${forums}" placeholder:"HOST:PORT"`
	RatingsAddr  config.Address `help:"Where ratingsd serves." default:"${ratings}" placeholder:"HOST:PORT"`
	FourEyes     bool           `help:"Have another person approve a request than the one who raised it."`
}

// participants hold personal data, beside privacy itself.
func (s *settings) participants() map[string]config.Address {
	return map[string]config.Address{"contacts": s.ContactsAddr, "tickets": s.TicketsAddr, "forums": s.ForumsAddr, "ratings": s.RatingsAddr}
}

func main() {
	daemon.Main(daemon.Program{
		Name: privacy.Name, Version: version, Declared: privacy.Services(),
		About: "privacyd hides, restores, exports and erases people in all services. A run waits for a service that is away.",
	}, &settings{})
}

// Start opens the store and serves; sagas run from then on.
func (s *settings) Start(ctx context.Context, p *daemon.Process) (err error) {
	place, err := storage.Setup(ctx, s.Storage, p.Log, p.Tele.Tracer)
	if err != nil {
		return err
	}
	p.Defer(place.Close)
	participants, err := p.DialAll(s.participants())
	if err != nil {
		return err
	}
	if participants[privacy.Name], err = p.Self(); err != nil {
		return err
	}
	svc, err := privacy.New(ctx, privacy.Config{
		Store: place.Of(privacy.Name), Contacts: participants["contacts"], Participants: participants, Shared: place.Shared(),
		FourEyes: s.FourEyes, Tracer: p.Tele.Tracer.Tracer("lethe/saga"), Log: p.Log,
	})
	if err != nil {
		return err
	}
	return p.Serve(ctx, svc)
}
