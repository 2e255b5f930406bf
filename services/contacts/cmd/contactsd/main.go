// Command contactsd runs the contacts service; contactsd --help lists its settings.
package main

import (
	"context"

	"github.com/lethe-desk/lethe/services/contacts"
	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/daemon"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
)

// version is set by the build.
var version = "development"

type settings struct {
	daemon.ServiceSettings
	AdminKey     config.Secret `help:"API key of the first admin at first start, at least 20 characters; one is made and written to the key file when not given. Prefer the environment." placeholder:"KEY"`
	AdminKeyFile string        `help:"Where a key that was made is written; DIR.admin-key when not given." placeholder:"FILE" type:"path"`
}

func main() {
	daemon.Main(daemon.Program{
		Name: contacts.Name, Version: version, Declared: contacts.Services(),
		About: "contactsd owns people: accounts, contacts, agents and their API keys, and issues the tokens everybody shows. It calls nobody.",
	}, &settings{})
}

// Start opens the store and serves.
func (s *settings) Start(ctx context.Context, p *daemon.Process) error {
	place, err := storage.Setup(ctx, s.Storage, p.Log, p.Tele.Tracer)
	if err != nil {
		return err
	}
	p.Defer(place.Close)
	signer, err := p.Signer()
	if err != nil {
		return err
	}
	if s.AdminKeyFile == "" {
		s.AdminKeyFile = s.Data + ".admin-key"
	}
	svc, err := contacts.New(ctx, contacts.Config{
		Store: place.Of(contacts.Name), Signer: signer, AdminKey: s.AdminKey.Reveal(), AdminKeyFile: s.AdminKeyFile, Log: p.Log,
	})
	if err != nil {
		return err
	}
	return p.Serve(ctx, svc)
}
