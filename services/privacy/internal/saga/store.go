package saga

import (
	"context"
	"errors"
	"time"
)

// The errors of the engine and of stores below it.
var (
	// ErrNotFound means there is no such saga.
	ErrNotFound = errors.New("saga not found")
	// ErrExists means that a saga of this id exists.
	ErrExists = errors.New("saga already exists")
	// ErrStale means that the row has changed since it was read.
	ErrStale = errors.New("saga row is stale")
	// ErrUnavailable means that the store cannot answer now.
	ErrUnavailable = errors.New("saga store unavailable")
	// ErrTooLate means that the pivot may have happened: the saga can no longer be cancelled.
	ErrTooLate = errors.New("saga is past its pivot")
	// ErrEnded means that the saga has ended.
	ErrEnded = errors.New("saga has ended")
	// ErrNotParked means that only a parked saga can be retried.
	ErrNotParked = errors.New("saga is not parked")
	// ErrUnknownKind means that no definition of the kind, or of the row's version, is registered.
	ErrUnknownKind = errors.New("saga definition is not registered")
	// ErrArgument means that what was asked for has not the form the engine takes.
	ErrArgument = errors.New("bad saga argument")
	// ErrClosed means that the engine does not run.
	ErrClosed = errors.New("saga engine is closed")
	// ErrSlow ends a watch that fell behind; it can go on after the last event seen.
	ErrSlow = errors.New("saga watcher fell behind")
)

// Filter chooses sagas for a list; zero fields choose all.
type Filter struct {
	Account, Subject int64
	Kind             string
	State            State
	// Active leaves out ended sagas.
	Active bool
}

// Store keeps rows. Every write is durable when it returns. Its errors are
// those above, wrapped or bare, or a context's; any other counts as unavailable.
type Store interface {
	// Create stores a new row with Rev 1 and sets it. ErrExists when the id is taken.
	Create(ctx context.Context, row *Row) error
	// Load returns a row that belongs to the caller, or ErrNotFound.
	Load(ctx context.Context, id string) (*Row, error)
	// Save writes the row if the stored one still has row.Rev, and then sets the
	// new Rev; else ErrStale and nothing is written. As claims raise Rev too,
	// this is a comparison of the epoch as well.
	Save(ctx context.Context, row *Row) error
	// Due returns at most limit ids of rows whose DueAt is not zero and not after now, earliest first.
	Due(ctx context.Context, now time.Time, limit int) ([]string, error)
	// List returns a page of rows, newest first, and the cursor behind it ("" at the end).
	List(ctx context.Context, f Filter, cursor string, limit int) ([]*Row, string, error)
}

// Match reports whether a filter chooses a row, for stores that have to look.
func (f Filter) Match(r *Row) bool {
	return (f.Account == 0 || f.Account == r.Account) &&
		(f.Subject == 0 || f.Subject == r.Subject) &&
		(f.Kind == "" || f.Kind == r.Kind) &&
		(f.State == "" || f.State == r.State) &&
		(!f.Active || !r.State.Ended())
}
