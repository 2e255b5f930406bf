// Package app holds the use cases of privacy: hiding, restoring, erasing and
// exporting a person, and looking at the runs that do it.
package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/archive"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"

	"google.golang.org/protobuf/proto"
)

// App carries out the use cases. Its fields are set once, before the first call.
type App struct {
	Store    *store.Privacy
	Engine   *saga.Engine
	Exporter *archive.Exporter
	// Directory is contacts, Tickets the service that knows whose a ticket is.
	Directory    flow.Directory
	Tickets      ticketsv1.TicketsServiceClient
	Participants []flow.Participant
	// FourEyes has another person approve a request than the one who raised it.
	FourEyes bool
	Now      func() time.Time
	NewID    func() int64
	Log      *slog.Logger
}

// busyWait is how long a call waits for another saga of the same person before it gives up.
const busyWait = 10 * time.Second

// person asks contacts who an id is. A person it does not know, an erased one
// and an agent are not found: contacts' methods are about contacts.
func (a *App) person(ctx context.Context, id int64) (*contactsv1.Person, error) {
	p, err := a.anybody(ctx, id)
	if err == nil && p.GetAgent() {
		return nil, fault.NotFound("contact", id)
	}
	return p, err
}

// anybody is person for contacts and agents alike.
func (a *App) anybody(ctx context.Context, id int64) (*contactsv1.Person, error) {
	if id <= 0 {
		return nil, fault.NotFound("contact", id)
	}
	r, err := a.Directory.Contacts.ResolvePeople(ctx, &contactsv1.ResolvePeopleRequest{Refs: []*contactsv1.PersonRef{{Id: proto.Int64(id)}}})
	if err != nil {
		return nil, err
	}
	if len(r.GetPeople()) != 1 || r.GetPeople()[0].GetPerson() == nil {
		return nil, fault.NotFound("contact", id)
	}
	return r.GetPeople()[0].GetPerson(), nil
}

// requester asks tickets whose a ticket is. A ticket it does not show is not found.
func (a *App) requester(ctx context.Context, account, ticket int64) (int64, error) {
	r, err := a.Tickets.GetTicket(authn.WithAccount(ctx, account), &ticketsv1.GetTicketRequest{Id: ticket})
	if err != nil {
		return 0, err
	}
	if r.GetTicket().GetRequesterId() == 0 {
		return 0, fault.NotFound("ticket", ticket)
	}
	return r.GetTicket().GetRequesterId(), nil
}

// caller is who asks, and for which account.
func caller(ctx context.Context) authn.Identity { return authn.Caller(ctx) }

// sagaFault turns an error of the engine into what a caller may see.
func sagaFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, saga.ErrNotFound):
		return fault.NotFound("saga", 0)
	case errors.Is(err, saga.ErrNotParked):
		return fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "only a parked saga can be retried")
	case errors.Is(err, saga.ErrTooLate):
		return fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "the saga is past its pivot: the only way is forward")
	case errors.Is(err, saga.ErrEnded):
		return fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "the saga has ended")
	case errors.Is(err, saga.ErrUnavailable), errors.Is(err, saga.ErrClosed), errors.Is(err, saga.ErrSlow):
		return fault.Unavailable(err)
	}
	return err
}

// storeFault turns an error of the document port into what a caller may see.
func storeFault(what string, id int64, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, docstore.ErrNotFound), errors.Is(err, docstore.ErrFenced):
		return fault.NotFound(what, id)
	case errors.Is(err, docstore.ErrUnavailable):
		return fault.Unavailable(err)
	}
	return err
}
