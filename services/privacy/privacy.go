// Package privacy is the service that honours people's rights: it hides,
// restores, erases and exports a person across all services that hold their
// data, by durable sagas that a crash only delays.
package privacy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/blob"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/privacy/internal/app"
	"github.com/lethe-desk/lethe/services/privacy/internal/archive"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/rpc"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// Name is the service's name in logs, files and tokens.
const Name = "privacy"

// DefaultExportTTL is for how long an export is offered.
const DefaultExportTTL = 7 * 24 * time.Hour

// How often exports whose time is up, and requests that were not started, are looked for.
const (
	expireEvery  = 10 * time.Minute
	recoverEvery = time.Minute
)

// Config is what the service runs with.
type Config struct {
	// Store says where documents and keys lie; blobs/ is in its folder and its clock is Now. Mandatory.
	Store storage.Config
	// Contacts reaches the contacts service. Mandatory.
	Contacts grpc.ClientConnInterface
	// Participants reach every service that holds personal data, by name:
	// contacts, forums, privacy itself, ratings and tickets. Mandatory.
	Participants map[string]grpc.ClientConnInterface
	// FourEyes has another person approve a request than the one who raised it;
	// nobody then erases or exports alone. It also applies to requests raised before.
	FourEyes bool
	// ExportTTL is for how long an export is offered; 0 is DefaultExportTTL.
	ExportTTL time.Duration
	// Shared says that other replicas may work on the same store; otherwise
	// sagas that were under way are taken over at once at start.
	Shared bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Tracer makes the spans of sagas; nil makes none.
	Tracer trace.Tracer
	// Log gets what nobody is told; nil is slog's default.
	Log *slog.Logger

	// flows are what sagas run by; nil is flow.Definitions. Tests begin an older one with it.
	flows func([]flow.Participant, flow.Directory, flow.Exporter) ([]saga.Definition, error)
}

// Service is the running service. It is safe for concurrent use.
type Service struct {
	store       *storage.Store
	blobs       *blob.Bucket
	engine      *saga.Engine
	exporter    *archive.Exporter
	rpc         *rpc.Server
	participant *participant.Server
	log         *slog.Logger

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// New opens the store. Sagas run from Start on, when the participants can be
// reached. Errors are sentences for the operator. Close frees what it holds.
func New(ctx context.Context, c Config) (*Service, error) {
	if !c.Store.Complete() || c.Contacts == nil || c.Participants[flow.Contacts] == nil || c.Participants[flow.Tickets] == nil || c.Participants[Name] == nil {
		return nil, errors.New("the privacy service needs a folder, a master key and connections to contacts, to itself and to every participant")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Store.Now = c.Now
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.flows == nil {
		c.flows = flow.Definitions
	}
	if c.ExportTTL == 0 {
		c.ExportTTL = DefaultExportTTL
	}
	s := &Service{log: c.Log}
	if err := s.open(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

func (s *Service) open(ctx context.Context, c Config) error {
	var err error
	if s.store, err = storage.Open(ctx, Name, c.Store); err != nil {
		return err
	}
	if s.blobs, err = blob.OpenDir(filepath.Join(c.Store.Dir, "blobs")); err != nil {
		return fmt.Errorf("open the blobs of %s: %w", Name, err)
	}
	docs, err := store.Bind(ctx, s.store.DB)
	if err != nil {
		return err
	}
	sagas, err := store.NewSagas(ctx, s.store.DB)
	if err != nil {
		return err
	}
	s.engine = saga.New(sagas, saga.Options{Embedded: !c.Shared, Now: c.Now, Tracer: c.Tracer, Log: c.Log})
	s.exporter = &archive.Exporter{Exports: docs.Exports, Blobs: s.blobs, Now: c.Now, TTL: c.ExportTTL}
	ps := participants(c.Participants)
	people := flow.NewDirectory(contactsv1.NewContactsServiceClient(c.Contacts), contactsv1.NewAgentsServiceClient(c.Contacts))
	defs, err := c.flows(ps, people, s.exporter)
	if err != nil {
		return err
	}
	if err := s.engine.Register(defs...); err != nil {
		return err
	}
	s.rpc = &rpc.Server{App: &app.App{
		Store: docs, Engine: s.engine, Exporter: s.exporter, Directory: people,
		Tickets: ticketsv1.NewTicketsServiceClient(c.Participants[flow.Tickets]), FourEyes: c.FourEyes,
		Participants: ps, Now: c.Now, NewID: func() int64 { return ids.New(c.Now) }, Log: c.Log,
	}}
	s.participant = participant.New(s.store.DB, Name, rpc.Holdings(docs.Exports, s.exporter))
	return nil
}

// Services are the full names of the gRPC services that Register adds.
func Services() []string {
	return []string{
		privacyv1.PrivacyService_ServiceDesc.ServiceName,
		participantv1.PersonalDataService_ServiceDesc.ServiceName,
	}
}

// Register adds the service's methods to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	privacyv1.RegisterPrivacyServiceServer(r, s.rpc)
	s.participant.Register(r)
}

// Start takes up the sagas that were under way and runs new ones, starts the
// requests that are stored without a saga, and ends exports whose time is up, until Close.
func (s *Service) Start(ctx context.Context) error {
	if err := s.engine.Start(ctx); err != nil {
		return fmt.Errorf("start the sagas: %w", err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.every(run, expireEvery, "exports could not be expired", s.exporter.Expire)
	s.every(run, recoverEvery, "requests could not be started", s.rpc.App.Recover)
	return nil
}

// every does something now and then again and again until the context ends.
func (s *Service) every(ctx context.Context, d time.Duration, failed string, do func(context.Context) (int, error)) {
	s.wg.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			if _, err := do(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, failed, "error", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// Ready returns nil when the store answers.
func (s *Service) Ready(ctx context.Context) error { return s.store.DB.Ready(ctx) }

// Stats returns what the store has done since the start, for tests and the bench.
func (s *Service) Stats() docstore.Stats { return s.store.DB.Stats() }

// Close stops taking up sagas, lets running steps end within the context, and
// closes the store. It may be called twice.
func (s *Service) Close(ctx context.Context) error {
	var err error
	if s.stop != nil {
		s.stop()
		s.wg.Wait()
	}
	if s.engine != nil {
		err = s.engine.Close(ctx)
		s.engine = nil
	}
	if s.blobs != nil {
		err = errors.Join(err, s.blobs.Close())
		s.blobs = nil
	}
	err = errors.Join(err, s.store.Close())
	s.store = nil
	return err
}
