// Package app holds the use cases of the forums service: discussions and the
// knowledge base.
//
// A topic or comment is its author's when a contact wrote it, and the account's
// when an agent did. What a fence hides is not found; what it restricts is refused.
package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/check"
	"github.com/lethe-desk/lethe/services/forums/internal/knowledge"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/fault/storefault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// maxTries bounds how often a change that somebody else overtook is made again.
const maxTries = 8

// Caller is who calls.
type Caller struct {
	// Account is the desk, Actor the agent.
	Account, Actor int64
	// Admin says that the caller administers the account.
	Admin bool
}

// Key is a client's idempotency key with the hash of its request.
type Key struct {
	Value string
	Body  []byte
}

// Options are what the use cases need.
type Options struct {
	Categories Named[topic.Category]
	Forums     Named[topic.Forum]
	Topics     Topics
	Comments   Comments
	Follows    Follows
	// Shelves are the categories of the knowledge base.
	Shelves  Named[knowledge.Category]
	Folders  Named[knowledge.Folder]
	Articles Articles
	Ring     Ring
	People   People
	Keys     *idem.Keys
	Now      func() time.Time
	Log      *slog.Logger
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
func invalid(p check.Problems) error {
	if len(p) == 0 {
		return nil
	}
	codes := map[check.Code]faultv1.Reason{
		check.Missing: faultv1.Reason_REASON_MISSING_FIELD, check.Invalid: faultv1.Reason_REASON_INVALID_VALUE,
		check.ReadOnly: faultv1.Reason_REASON_READONLY_FIELD, check.Unknown: faultv1.Reason_REASON_INVALID_FIELD,
	}
	var v []fault.Violation
	for _, one := range p {
		v = append(v, fault.Violation{Field: one.Field, Code: codes[one.Code], Message: one.Message})
	}
	return fault.Invalid(v...)
}

// notAllowed says that the thing's state takes no change: 405 over REST.
func notAllowed() error {
	return fault.State(faultv1.Reason_REASON_METHOD_NOT_ALLOWED, "this cannot be changed in its present state")
}

// refuse turns an error of the store about something of a person into a fault:
// a restricted person's data is forbidden, any other fence makes it not found.
// what names the thing's kind.
func (a *App) refuse(ctx context.Context, err error, what string, account, id, owner int64) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, docstore.ErrNotFound):
		return fault.NotFound(what, id)
	case errors.Is(err, docstore.ErrFenced):
		modes, merr := a.Ring.Modes(ctx, ring.Subject{Account: account, ID: owner})
		if merr != nil {
			return storeFault(merr)
		}
		if modes.Strictest() == ring.Restricted {
			return restricted()
		}
		return fault.NotFound(what, id)
	}
	return storeFault(err)
}

func restricted() error { return fault.Denied(faultv1.Reason_REASON_RESTRICTED) }

// storeFault turns what is left of the store's errors into faults.
func storeFault(err error) error {
	if err == nil {
		return nil
	}
	return storefault.From(err)
}

// base gives the record inside a value.
func base[T any](v *T) *record.Record {
	return any(v).(interface{ Base() *record.Record }).Base()
}

// load reads a thing, and finds whose it is when a fence is in the way.
func load[T any](ctx context.Context, a *App, c Caller, what string, t Table[T], id int64) (*T, error) {
	v, err := t.Get(ctx, ring.Read, c.Account, id)
	if !errors.Is(err, docstore.ErrFenced) {
		return v, a.refuse(ctx, err, what, c.Account, id, 0)
	}
	owner, oerr := t.Owner(ctx, c.Account, id)
	if oerr != nil {
		return nil, a.refuse(ctx, oerr, what, c.Account, id, 0)
	}
	return nil, a.refuse(ctx, err, what, c.Account, id, owner)
}

// named is load for a thing that a body names: an unknown one makes the body wrong.
func named[T any](ctx context.Context, a *App, c Caller, what, field string, t Table[T], id int64) (*T, error) {
	v, err := load(ctx, a, c, what, t, id)
	if fault.Is(err, fault.KindNotFound) {
		return nil, fault.InvalidValue(field, "There is nothing matching it")
	}
	return v, err
}

// change reads a thing, lets f alter it and writes it back, again when somebody
// else was faster.
func change[T any](ctx context.Context, a *App, c Caller, what string, t Table[T], id int64, f func(*T) error) (*T, error) {
	for try := 1; ; try++ {
		v, err := load(ctx, a, c, what, t, id)
		if err != nil {
			return nil, err
		}
		r := base(v)
		if err := f(v); err != nil {
			return nil, err
		}
		r.UpdatedAt = a.now()
		err = t.Update(ctx, ring.Write, v)
		switch {
		case err == nil:
			return v, nil
		case errors.Is(err, docstore.ErrExists):
			return nil, fault.Duplicate("name", 0)
		case !errors.Is(err, docstore.ErrStale) || try == maxTries:
			return nil, a.refuse(ctx, err, what, c.Account, id, r.Owner)
		}
	}
}

// creating is the idempotent creation of one kind of thing.
type creating[T any] struct {
	c      Caller
	method string
	key    Key
	what   string
	table  Table[T]
	// draft checks the request and makes the value, all but its id and times.
	draft func(ctx context.Context) (*T, error)
	// settle does what follows once the value is written; it bears being repeated. It may be nil.
	settle func(ctx context.Context, v *T) error
}

// create runs it.
func create[T any](ctx context.Context, a *App, n creating[T]) (*T, error) {
	var draft *T
	prepare := func(ctx context.Context) (owner int64, err error) {
		if draft, err = n.draft(ctx); err != nil {
			return 0, err
		}
		return base(draft).Owner, nil
	}
	work := idem.Work[*T]{
		Owner: prepare, NewID: a.newID,
		Mark: func(ctx context.Context, id int64) (string, error) { return n.table.Mark(ctx, n.c.Account, id) },
		Read: func(ctx context.Context, id int64) (*T, error) { return load(ctx, a, n.c, n.what, n.table, id) },
		Create: func(ctx context.Context, s idem.Slot) (*T, error) {
			if s.Resumed { // an earlier try may have written it already
				_, err := n.table.Mark(ctx, n.c.Account, s.ID)
				if err == nil {
					return nil, docstore.ErrExists
				}
				if !errors.Is(err, docstore.ErrNotFound) {
					return nil, storeFault(err)
				}
			}
			if draft == nil {
				if _, err := prepare(ctx); err != nil {
					return nil, err
				}
			}
			return insert(ctx, a, n, draft, s)
		},
	}
	if n.settle != nil {
		work.Complete = func(ctx context.Context, v *T) (*T, error) { return v, n.settle(ctx, v) }
	}
	v, err := idem.Do(ctx, a.Keys, idem.Call{Account: n.c.Account, Method: n.method, Key: n.key.Value, Body: n.key.Body}, work)
	if err != nil {
		return nil, storeFault(err)
	}
	return v, nil
}

func insert[T any](ctx context.Context, a *App, n creating[T], v *T, s idem.Slot) (*T, error) {
	r := base(v)
	now := a.now()
	r.Account, r.ID, r.Mark, r.CreatedAt, r.UpdatedAt = n.c.Account, s.ID, s.Mark, now, now
	err := n.table.Insert(ctx, ring.Write, v)
	if !errors.Is(err, docstore.ErrExists) {
		return v, a.refuse(ctx, err, n.what, n.c.Account, s.ID, r.Owner)
	}
	// either the id is taken or the name
	if t, unique := n.table.(Named[T]); unique {
		holder, nerr := t.Named(ctx, n.c.Account, v)
		if nerr != nil {
			return nil, storeFault(nerr)
		}
		if holder != 0 && holder != s.ID {
			return nil, fault.Duplicate("name", 0)
		}
	}
	return nil, err
}

// within makes sure that what a new thing stands in is still there. Whoever
// deletes that looks behind it once more afterwards, so one of the two sees the
// other, and nothing is left that nobody can reach.
func within[T, P any](ctx context.Context, c Caller, table Table[T], v *T, what string, above Table[P], id int64) error {
	return standing(ctx, c, what, above, id, func() error { return remove(ctx, c, table, base(v).ID) })
}

// standing is within for what was moved there: it goes with the place, as if it
// had been there a moment earlier.
func standing[P any](ctx context.Context, c Caller, what string, above Table[P], id int64, remove func() error) error {
	_, err := above.Owner(ctx, c.Account, id)
	if !errors.Is(err, docstore.ErrNotFound) {
		return storeFault(err)
	}
	if err := remove(); err != nil {
		return err
	}
	return fault.NotFound(what, id)
}

// empty removes all that is in a place.
func empty[T any](ctx context.Context, c Caller, t Table[T], at record.At) error {
	for more := true; more; {
		var err error
		if more, err = t.Empty(ctx, c.Account, at); err != nil {
			return storeFault(err)
		}
	}
	return nil
}
