// Package app holds the use cases of the ratings service.
//
// A rating is owned by the ticket's requester, so every write goes through that
// person's fences. What a fence hides is not found; what it restricts is refused.
package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/fault/storefault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
)

// maxTries bounds how often a change that somebody else overtook is made again.
const maxTries = 8

// Key is a client's idempotency key with the hash of its request.
type Key struct {
	Value string
	Body  []byte
}

// Options are what the use cases need.
type Options struct {
	Surveys Surveys
	Ratings Ratings
	Ring    Ring
	Tickets Tickets
	Keys    *idem.Keys
	Now     func() time.Time
	Log     *slog.Logger
}

// App carries out the use cases. It is safe for concurrent use.
type App struct {
	Options
}

// New returns the use cases.
func New(o Options) *App { return &App{o} }

// now is the time in the precision that is stored.
func (a *App) now() time.Time { return a.Now().UTC().Truncate(time.Millisecond) }

func (a *App) newID(context.Context) (int64, error) { return ids.New(a.Now), nil }

// invalid turns problems into a fault; none is nil.
func invalid(p rating.Problems) error {
	if len(p) == 0 {
		return nil
	}
	codes := map[rating.Code]faultv1.Reason{
		rating.Missing: faultv1.Reason_REASON_MISSING_FIELD, rating.Invalid: faultv1.Reason_REASON_INVALID_VALUE,
		rating.Unknown: faultv1.Reason_REASON_INVALID_FIELD,
	}
	var v []fault.Violation
	for _, one := range p {
		v = append(v, fault.Violation{Field: one.Field, Code: codes[one.Code], Message: one.Message})
	}
	return fault.Invalid(v...)
}

// storeFault turns an error of the store into a fault; nil stays nil.
func storeFault(err error) error {
	if err == nil {
		return nil
	}
	return storefault.From(err)
}

// refuse turns an error of the store about something of a person into a fault:
// a restricted person's data is forbidden, any other fence makes it not found.
// what names the thing's kind.
func (a *App) refuse(ctx context.Context, err error, what string, account, id, owner int64) error {
	switch {
	case errors.Is(err, docstore.ErrNotFound):
		return fault.NotFound(what, id)
	case errors.Is(err, docstore.ErrFenced):
		modes, merr := a.Ring.Modes(ctx, ring.Subject{Account: account, ID: owner})
		if merr != nil {
			return storeFault(merr)
		}
		if modes.Strictest() == ring.Restricted {
			return fault.Denied(faultv1.Reason_REASON_RESTRICTED)
		}
		return fault.NotFound(what, id)
	}
	return storeFault(err)
}
