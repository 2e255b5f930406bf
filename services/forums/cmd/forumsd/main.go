// Command forumsd runs the forums service; forumsd --help lists its settings.
package main

import (
	"context"

	"github.com/lethe-desk/lethe/services/forums"
	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/daemon"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
)

// version is set by the build.
var version = "development"

type settings struct {
	daemon.ServiceSettings
	ContactsAddr config.Address `help:"Where contactsd serves." default:"${contacts}" placeholder:"HOST:PORT"`
}

func main() {
	daemon.Main(daemon.Program{
		Name: forums.Name, Version: version, Declared: forums.Services(),
		About: "forumsd owns discussions and the knowledge base. It asks contactsd who people are.",
	}, &settings{})
}

// Start opens the store and serves.
func (s *settings) Start(ctx context.Context, p *daemon.Process) error {
	place, err := storage.Setup(ctx, s.Storage, p.Log, p.Tele.Tracer)
	if err != nil {
		return err
	}
	p.Defer(place.Close)
	people, err := p.Dial("contacts", s.ContactsAddr)
	if err != nil {
		return err
	}
	svc, err := forums.New(ctx, forums.Config{Store: place.Of(forums.Name), Contacts: people, Log: p.Log})
	if err != nil {
		return err
	}
	return p.Serve(ctx, svc)
}
