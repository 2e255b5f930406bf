// Command ticketsd runs the tickets service; ticketsd --help lists its settings.
package main

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/daemon"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/tickets"
)

// version is set by the build.
var version = "development"

type settings struct {
	daemon.ServiceSettings
	ContactsAddr config.Address `help:"Where contactsd serves." default:"${contacts}" placeholder:"HOST:PORT"`
}

func main() {
	daemon.Main(daemon.Program{
		Name: tickets.Name, Version: version, Declared: tickets.Services(),
		About: "ticketsd owns tickets, conversations, threads, calls, chats and attachments. It asks contactsd who people are.",
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
	svc, err := tickets.New(ctx, tickets.Config{Store: place.Of(tickets.Name), Contacts: people, Log: p.Log})
	if err != nil {
		return err
	}
	return p.Serve(ctx, svc)
}
