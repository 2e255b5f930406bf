package suite

import (
	"context"

	"google.golang.org/grpc"

	"github.com/lethe-desk/lethe/services/contacts"
	"github.com/lethe-desk/lethe/services/forums"
	"github.com/lethe-desk/lethe/services/internal/platform/daemon"
	"github.com/lethe-desk/lethe/services/privacy"
	"github.com/lethe-desk/lethe/services/ratings"
	"github.com/lethe-desk/lethe/services/tickets"
)

// member is a service of the suite.
type member struct {
	name     string
	declared []string
	// open opens the service; what it calls is reached by Suite.conn.
	open func(context.Context, *Suite) (daemon.Service, error)
}

// members are all services, in the order of their start: those that are called before their callers.
var members = []member{
	{contacts.Name, contacts.Services(), openContacts},
	{tickets.Name, tickets.Services(), openTickets},
	{forums.Name, forums.Services(), openForums},
	{ratings.Name, ratings.Services(), openRatings},
	{privacy.Name, privacy.Services(), openPrivacy},
}

func openContacts(ctx context.Context, s *Suite) (_ daemon.Service, err error) {
	s.Contacts, err = contacts.New(ctx, contacts.Config{
		Store: s.place.Of(contacts.Name), Signer: s.signers[contacts.Name],
		AdminKey: s.cfg.AdminKey, AdminKeyFile: s.cfg.AdminKeyFile, Now: s.cfg.Now, Log: s.tele.Logger,
	})
	return s.Contacts, err
}

func openTickets(ctx context.Context, s *Suite) (_ daemon.Service, err error) {
	s.Tickets, err = tickets.New(ctx, tickets.Config{
		Store: s.place.Of(tickets.Name), Contacts: s.conn(tickets.Name, contacts.Name), Now: s.cfg.Now, Log: s.tele.Logger,
	})
	return s.Tickets, err
}

func openForums(ctx context.Context, s *Suite) (_ daemon.Service, err error) {
	s.Forums, err = forums.New(ctx, forums.Config{
		Store: s.place.Of(forums.Name), Contacts: s.conn(forums.Name, contacts.Name), Now: s.cfg.Now, Log: s.tele.Logger,
	})
	return s.Forums, err
}

func openRatings(ctx context.Context, s *Suite) (_ daemon.Service, err error) {
	s.Ratings, err = ratings.New(ctx, ratings.Config{
		Store: s.place.Of(ratings.Name), Tickets: s.conn(ratings.Name, tickets.Name), Now: s.cfg.Now, Log: s.tele.Logger,
	})
	return s.Ratings, err
}

func openPrivacy(ctx context.Context, s *Suite) (_ daemon.Service, err error) {
	participants := map[string]grpc.ClientConnInterface{}
	for name := range s.servers {
		participants[name] = s.conn(privacy.Name, name)
	}
	s.Privacy, err = privacy.New(ctx, privacy.Config{
		Store: s.place.Of(privacy.Name), Contacts: participants[contacts.Name], Participants: participants, Shared: s.place.Shared(),
		FourEyes: s.cfg.FourEyes, ExportTTL: s.cfg.ExportTTL, Now: s.cfg.Now, Tracer: s.tele.Tracer.Tracer("lethe/saga"), Log: s.tele.Logger,
	})
	return s.Privacy, err
}
