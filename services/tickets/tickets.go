// Package tickets is the tickets service: tickets, conversations, attachments,
// threads (Team Huddle), calls and chats, and its part in erasing and exporting
// people. README.md beside it says what it owns and how.
package tickets

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/files"
	"github.com/lethe-desk/lethe/services/tickets/internal/people"
	"github.com/lethe-desk/lethe/services/tickets/internal/rpc"
	"github.com/lethe-desk/lethe/services/tickets/internal/store"
	"google.golang.org/grpc"
)

// Name is the service's name: of its files, in logs and as a participant.
const Name = "tickets"

// SweepEvery is how often staged files that nobody adopted are removed, and
// OrphanEvery how often bytes that no document names are.
const (
	SweepEvery = 10 * time.Minute
	// MoveEvery is how often changes of requester that were left half done are carried on.
	MoveEvery   = time.Minute
	OrphanEvery = 24 * time.Hour
)

// Config is what the service needs. All but Now, Log and Quiet is mandatory.
type Config struct {
	// Store says where documents and keys lie; blobs/ is in its folder and its clock is Now.
	Store storage.Config
	// Contacts is a connection to the contacts service whose token source knows accounts (platform/dial).
	Contacts grpc.ClientConnInterface
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Log gets what an operator should know; slog.Default() when nil.
	Log *slog.Logger
	// Quiet leaves out the background sweeps; SweepStaged and SweepOrphans are then the caller's.
	Quiet bool
}

// Service is the running service. It is safe for concurrent use.
type Service struct {
	store *storage.Store
	db    *docstore.DB
	files *files.Files
	app   *app.App
	part  *participant.Server
	now   func() time.Time
	log   *slog.Logger

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// New opens the store and starts the sweeps. Errors are sentences that say what to do.
func New(ctx context.Context, c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Store.Now = c.Now
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if !c.Store.Complete() || c.Contacts == nil {
		return nil, errors.New("tickets needs a data folder, the master keys and a connection to contacts")
	}
	s := &Service{now: c.Now, log: c.Log}
	if err := s.open(ctx, c); err != nil {
		return nil, errors.Join(err, s.closeAll())
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	if !c.Quiet {
		s.every(run, SweepEvery, "staged files swept", s.SweepStaged)
		s.every(run, MoveEvery, "changes of requester carried on", s.FinishMoves)
		s.every(run, OrphanEvery, "orphaned files swept", s.SweepOrphans)
	}
	return s, nil
}

func (s *Service) open(ctx context.Context, c Config) error {
	var err error
	if s.store, err = storage.Open(ctx, Name, c.Store); err != nil {
		return err
	}
	s.db = s.store.DB
	if s.files, err = files.Open(filepath.Join(c.Store.Dir, "blobs")); err != nil {
		return err
	}
	return s.wire(ctx, c)
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
		Tickets: st.Tickets, Conversations: st.Conversations, Attachments: st.Attachments, Staged: st.Staged,
		Threads: st.Threads, Messages: st.Messages, Calls: st.Calls, Chats: st.Chats,
		Ring: st, People: people.New(c.Contacts), Files: s.files, Keys: keys, Now: c.Now, Log: c.Log,
	})
	s.part = participant.New(s.db, Name, rpc.Resources(s.app, c.Now))
	return nil
}

// every runs a sweep now and then until the service closes.
func (s *Service) every(ctx context.Context, d time.Duration, message string, sweep func(context.Context) (int, error)) {
	s.wg.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			n, err := sweep(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				s.log.ErrorContext(ctx, "a sweep of files failed", slog.Any("error", err))
			case n > 0:
				s.log.InfoContext(ctx, message, slog.Int("count", n))
			}
		}
	})
}

// Register registers the services of tickets and the participant contract.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	rpc.Register(r, s.app, s.now)
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

// SweepStaged removes uploads that nobody adopted within an hour, and returns how many.
func (s *Service) SweepStaged(ctx context.Context) (int, error) { return s.app.SweepStaged(ctx) }

// FinishMoves carries on changes of requester that a crash or a fence has left
// half done, and returns how many tickets it looked at.
func (s *Service) FinishMoves(ctx context.Context) (int, error) { return s.app.FinishMoves(ctx) }

// SweepOrphans removes stored bytes that no document names, and returns how many
// blobs that were. It looks at all blobs.
func (s *Service) SweepOrphans(ctx context.Context) (int, error) { return s.app.SweepOrphans(ctx) }

// Close ends the sweeps and closes the store. Calls must have ended before.
func (s *Service) Close(context.Context) error {
	s.stop()
	s.wg.Wait()
	return s.closeAll()
}

func (s *Service) closeAll() error {
	var errs []error
	if s.files != nil {
		errs = append(errs, s.files.Close())
	}
	return errors.Join(append(errs, s.store.Close())...)
}
