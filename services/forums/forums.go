// Package forums is the forums service: discussions and the knowledge base, and
// its part in erasing and exporting people. README.md beside it says what it
// owns and how.
package forums

import (
	"context"
	"errors"
	"log/slog"
	"time"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/forums/internal/people"
	"github.com/lethe-desk/lethe/services/forums/internal/rpc"
	"github.com/lethe-desk/lethe/services/forums/internal/store"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"google.golang.org/grpc"
)

// Name is the service's name: of its files, in logs and as a participant.
const Name = "forums"

// Config is what the service needs. All but Now and Log is mandatory.
type Config struct {
	// Store says where documents and keys lie; its clock is Now.
	Store storage.Config
	// Contacts is a connection to the contacts service whose token source knows accounts (platform/dial).
	Contacts grpc.ClientConnInterface
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Log gets what an operator should know; slog.Default() when nil.
	Log *slog.Logger
}

// Service is the running service. It is safe for concurrent use.
type Service struct {
	store *storage.Store
	db    *docstore.DB
	app   *app.App
	part  *participant.Server
}

// New opens the store. Errors are sentences that say what to do.
func New(ctx context.Context, c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Store.Now = c.Now
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if !c.Store.Complete() || c.Contacts == nil {
		return nil, errors.New("forums needs a data folder, the master keys and a connection to contacts")
	}
	s := &Service{}
	var err error
	if s.store, err = storage.Open(ctx, Name, c.Store); err != nil {
		return nil, err
	}
	s.db = s.store.DB
	if err := s.wire(ctx, c); err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	return s, nil
}

func (s *Service) wire(ctx context.Context, c Config) error {
	st, err := store.Open(ctx, s.db)
	if err != nil {
		return err
	}
	keys, err := idem.Bind(ctx, s.db, c.Now)
	if err != nil {
		return err
	}
	s.app = app.New(app.Options{
		Categories: st.Categories, Forums: st.Forums, Topics: st.Topics, Comments: st.Comments, Follows: st.Follows,
		Shelves: st.Shelves, Folders: st.Folders, Articles: st.Articles,
		Ring: st, People: people.New(c.Contacts), Keys: keys, Now: c.Now, Log: c.Log,
	})
	s.part = participant.New(s.db, Name, rpc.Resources(s.app))
	return nil
}

// Register registers the services of forums and the participant contract.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	rpc.Register(r, s.app)
	s.part.Register(r)
}

// Services returns the full names of what Register registers.
func Services() []string {
	return append([]string{participantv1.PersonalDataService_ServiceDesc.ServiceName}, rpc.Services...)
}

// Ready reports whether the store answers.
func (s *Service) Ready(ctx context.Context) error { return s.db.Ready(ctx) }

// Stats returns the store's counts since the start, for tests and the bench.
func (s *Service) Stats() docstore.Stats { return s.db.Stats() }

// Close closes the store. Calls must have ended before.
func (s *Service) Close(context.Context) error { return s.store.Close() }
