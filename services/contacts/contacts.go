// Package contacts is the service that owns people: accounts, contacts, agents
// and their API keys. Everything personal it stores is sealed with the key of
// the person it is about, and it takes part in erasure, export and restriction
// through the participant contract.
package contacts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/app"
	"github.com/lethe-desk/lethe/services/contacts/internal/rpc"
	"github.com/lethe-desk/lethe/services/contacts/internal/store"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"google.golang.org/grpc"
)

// Name is the service's name in logs, files and tokens.
const Name = "contacts"

// Config is what the service runs with.
type Config struct {
	// Store says where documents and keys lie; its clock is Now. Mandatory.
	Store storage.Config
	// Signer signs identity tokens. Mandatory.
	Signer *authn.Signer
	// AdminKey is the first administrator's API key, at least 20 characters. It
	// counts at the first start; later a different one is refused. "" makes one.
	AdminKey string
	// AdminKeyFile is where a key that was made is written, mode 0600.
	AdminKeyFile string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log gets what nobody is told; nil is slog's default.
	Log *slog.Logger
}

// Service is the running service. It is safe for concurrent use.
type Service struct {
	files *storage.Store
	db    *docstore.DB

	contacts    *rpc.Contacts
	agents      *rpc.Agents
	identity    *rpc.Identity
	participant *participant.Server
}

// New opens the store, makes the first account and its administrator if they
// are not there, and returns a service that is ready for Register. Errors are
// sentences for the operator. Close frees what it holds.
func New(ctx context.Context, c Config) (*Service, error) {
	if !c.Store.Complete() || c.Signer == nil {
		return nil, errors.New("the contacts service needs a folder, a master key and a signer")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Store.Now = c.Now
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &Service{}
	if err := s.open(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

func (s *Service) open(ctx context.Context, c Config) error {
	if err := s.openFiles(ctx, c); err != nil {
		return err
	}
	people, err := store.New(ctx, s.db)
	if err != nil {
		return err
	}
	return s.assemble(ctx, c, people, people)
}

// openFiles opens keys and store.
func (s *Service) openFiles(ctx context.Context, c Config) (err error) {
	if s.files, err = storage.Open(ctx, Name, c.Store); err != nil {
		return err
	}
	s.db = s.files.DB
	return nil
}

// assemble builds the use cases and methods over a store; tests put a wrapper around it.
func (s *Service) assemble(ctx context.Context, c Config, kept app.Store, held rpc.Holdings) error {
	once, err := idem.Bind(ctx, s.db, c.Now)
	if err != nil {
		return fmt.Errorf("open the store of contacts: %w", err)
	}
	a := app.New(app.Options{Store: kept, Idem: once, Signer: c.Signer, Now: c.Now, Log: c.Log})
	if err := a.Start(ctx, c.AdminKey, c.AdminKeyFile); err != nil {
		return fmt.Errorf("start contacts: %w", err)
	}
	s.contacts, s.agents, s.identity = rpc.NewContacts(a), rpc.NewAgents(a), rpc.NewIdentity(a)
	s.participant = participant.New(s.db, Name, rpc.Resources(held))
	return nil
}

// Services are the full names of the gRPC services that Register adds.
func Services() []string {
	return []string{
		contactsv1.ContactsService_ServiceDesc.ServiceName,
		contactsv1.AgentsService_ServiceDesc.ServiceName,
		contactsv1.IdentityService_ServiceDesc.ServiceName,
		participantv1.PersonalDataService_ServiceDesc.ServiceName,
	}
}

// Register adds the service's methods to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	contactsv1.RegisterContactsServiceServer(r, s.contacts)
	contactsv1.RegisterAgentsServiceServer(r, s.agents)
	contactsv1.RegisterIdentityServiceServer(r, s.identity)
	s.participant.Register(r)
}

// Ready returns nil when the store answers.
func (s *Service) Ready(ctx context.Context) error { return s.db.Ready(ctx) }

// Stats returns what the store has done since the start, for tests and the bench.
func (s *Service) Stats() docstore.Stats { return s.db.Stats() }

// Close frees store and keys. It may be called on a service that New failed to open.
func (s *Service) Close(context.Context) error { return s.files.Close() }
