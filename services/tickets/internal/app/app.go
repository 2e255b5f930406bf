// Package app holds the use cases of the tickets service.
//
// Everything on a ticket is owned by the ticket's requester, so every write goes
// through that person's fences. What a fence hides is not found; what it
// restricts is refused.
package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// maxTries bounds how often a change that somebody else overtook is made again.
const maxTries = 8

// Caller is who calls.
type Caller struct {
	// Account is the desk, Actor the agent; 0 for a service.
	Account, Actor int64
}

// Key is a client's idempotency key with the hash of its request.
type Key struct {
	Value string
	Body  []byte
}

// Options are what the use cases need.
type Options struct {
	Tickets             Tickets
	Conversations       Conversations
	Attachments, Staged Attachments
	Threads             Table[ticket.Thread]
	Messages            Messages
	Calls               Listed[ticket.Call]
	Chats               Listed[ticket.Chat]
	Ring                Ring
	People              People
	Files               Files
	Keys                *idem.Keys
	Now                 func() time.Time
	Log                 *slog.Logger
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
func invalid(p ticket.Problems) error {
	if len(p) == 0 {
		return nil
	}
	codes := map[ticket.Code]faultv1.Reason{
		ticket.Missing: faultv1.Reason_REASON_MISSING_FIELD, ticket.Invalid: faultv1.Reason_REASON_INVALID_VALUE,
		ticket.WrongType: faultv1.Reason_REASON_DATATYPE_MISMATCH, ticket.ReadOnly: faultv1.Reason_REASON_READONLY_FIELD,
		ticket.Unknown: faultv1.Reason_REASON_INVALID_FIELD,
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
			return fault.Denied(faultv1.Reason_REASON_RESTRICTED)
		}
		return fault.NotFound(what, id)
	}
	return storeFault(err)
}

// storeFault turns what is left of the store's errors into faults.
func storeFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, docstore.ErrNotFound):
		return fault.NotFound("record", 0)
	case errors.Is(err, docstore.ErrFenced):
		return fault.Fenced(err)
	case errors.Is(err, docstore.ErrStale):
		return fault.Conflict(faultv1.Reason_REASON_STALE).Because(err)
	case errors.Is(err, docstore.ErrTooLarge):
		return fault.TooLarge("document", 8<<20)
	case errors.Is(err, docstore.ErrUnavailable):
		return fault.Unavailable(err)
	}
	return err
}

// load reads a thing; get reads it and owner finds whose it is when a fence is in the way.
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

// ticketOf reads the ticket that a body names in ticket_id: an unknown one makes the body wrong.
func (a *App) ticketOf(ctx context.Context, c Caller, id int64) (*ticket.Ticket, error) {
	t, err := a.settled(ctx, c, id)
	if fault.Is(err, fault.KindNotFound) {
		return nil, fault.InvalidValue("ticket_id", "There is no ticket matching the given ticket_id")
	}
	return t, err
}

// creating is the idempotent creation of one kind of thing.
type creating[T any] struct {
	c      Caller
	method string
	key    Key
	what   string
	table  Table[T]
	work   idem.Work[*T]
}

// create runs it.
func create[T any](ctx context.Context, a *App, n creating[T]) (*T, error) {
	if n.work.NewID == nil {
		n.work.NewID = a.newID
	}
	n.work.Mark = func(ctx context.Context, id int64) (string, error) { return n.table.Mark(ctx, n.c.Account, id) }
	n.work.Read = func(ctx context.Context, id int64) (*T, error) { return load(ctx, a, n.c, n.what, n.table, id) }
	v, err := idem.Do(ctx, a.Keys, idem.Call{Account: n.c.Account, Method: n.method, Key: n.key.Value, Body: n.key.Body}, n.work)
	if err != nil {
		return nil, storeFault(err)
	}
	return v, nil
}

// unmade returns docstore.ErrExists when an earlier try under the same key has
// already written the thing, so that nothing is prepared for it again.
func unmade[T any](ctx context.Context, c Caller, t Table[T], id int64) error {
	_, err := t.Mark(ctx, c.Account, id)
	if err == nil {
		return docstore.ErrExists
	}
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return storeFault(err)
}
