package app

import (
	"context"
	"errors"
	"log/slog"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
)

// Rate records how the ticket's requester found the help, once per key.
func (a *App) Rate(ctx context.Context, account, ticketID int64, in *rating.Input, key Key) (*rating.Rating, error) {
	var v *rating.Rating
	draft := func(ctx context.Context) (owner int64, err error) {
		about, err := a.ticket(ctx, account, ticketID)
		if err != nil {
			return 0, err
		}
		survey, err := a.active(ctx, account)
		if err != nil {
			return 0, err
		}
		now := a.now()
		if err := invalid(in.Check(survey, now)); err != nil {
			return 0, err
		}
		v = rating.New(in, survey, ticketID, about, now)
		return v.Owner, a.writable(ctx, v)
	}
	work := idem.Work[*rating.Rating]{
		Owner: draft, NewID: a.newID,
		Mark: func(ctx context.Context, id int64) (string, error) { return a.Ratings.Mark(ctx, account, id) },
		Read: func(ctx context.Context, id int64) (*rating.Rating, error) { return a.rating(ctx, account, id) },
		Create: func(ctx context.Context, s idem.Slot) (*rating.Rating, error) {
			if v == nil {
				if _, err := draft(ctx); err != nil {
					return nil, err
				}
			}
			v.ID, v.Mark = s.ID, s.Mark
			err := a.Ratings.Insert(ctx, v)
			if errors.Is(err, docstore.ErrExists) {
				return nil, err
			}
			return v, a.refuse(ctx, err, "ticket", account, ticketID, v.Owner)
		},
		Complete: func(ctx context.Context, v *rating.Rating) (*rating.Rating, error) {
			v, err := a.stillOpen(ctx, v)
			if err != nil {
				return nil, err
			}
			return a.stillThere(ctx, v)
		},
	}
	v, err := idem.Do(ctx, a.Keys, idem.Call{Account: account, Method: "CreateSatisfactionRating", Key: key.Value, Body: key.Body}, work)
	if err != nil {
		return nil, storeFault(err)
	}
	return v, nil
}

// writable looks at the fences before anything is remembered of a call; the
// write itself looks again.
func (a *App) writable(ctx context.Context, v *rating.Rating) error {
	modes, err := a.Ring.Modes(ctx, ring.Subject{Account: v.Account, ID: v.Owner})
	if err == nil && !ring.Allow(modes, ring.Write) {
		err = docstore.ErrFenced
	}
	return a.refuse(ctx, err, "ticket", v.Account, v.TicketID, v.Owner)
}

// stillOpen takes a rating back whose ticket was erased while it was written:
// the erasure notes the ticket before it looks for ratings, so either it sees
// the rating or the rating sees the note.
func (a *App) stillOpen(ctx context.Context, v *rating.Rating) (*rating.Rating, error) {
	closed, err := a.Ratings.Closed(ctx, v.Account, v.TicketID)
	if err != nil || !closed {
		return v, storeFault(err)
	}
	if err := a.Ratings.Remove(ctx, v); err != nil && !errors.Is(err, docstore.ErrNotFound) {
		return nil, storeFault(err)
	}
	a.Log.InfoContext(ctx, "a rating of a ticket erased meanwhile was taken back", slog.Int64("id", v.ID))
	return nil, fault.NotFound("ticket", v.TicketID)
}

// maxLinks is how many ratings are given to the former agent in one step.
const maxLinks = 200

// stillThere takes the agent off a rating who was erased while it was written:
// the key is destroyed before the sweep looks for links, so either the sweep sees
// the rating or the rating sees the key gone.
func (a *App) stillThere(ctx context.Context, v *rating.Rating) (*rating.Rating, error) {
	if v.Agent == nil || *v.Agent == ids.FormerAgent {
		return v, nil
	}
	agent := ring.Subject{Account: v.Account, ID: *v.Agent}
	gone, err := a.Ring.Erased(ctx, agent)
	for more := gone; more && err == nil; {
		_, more, err = a.Ratings.Relink(ctx, agent, ids.FormerAgent, maxLinks)
	}
	if err != nil || !gone {
		return v, storeFault(err)
	}
	return a.rating(ctx, v.Account, v.ID)
}

// ticket reads the ticket that is rated, which is there and not in the trash.
func (a *App) ticket(ctx context.Context, account, id int64) (*rating.Matter, error) {
	about, err := a.Tickets.Ticket(ctx, account, id)
	if err != nil {
		return nil, err
	}
	closed, err := a.Ratings.Closed(ctx, account, id)
	if err != nil {
		return nil, storeFault(err)
	}
	if closed || about.Trashed {
		return nil, fault.NotFound("ticket", id)
	}
	return about, nil
}

// rating reads one rating.
func (a *App) rating(ctx context.Context, account, id int64) (*rating.Rating, error) {
	v, err := a.Ratings.Get(ctx, account, id)
	if !errors.Is(err, docstore.ErrFenced) {
		return v, a.refuse(ctx, err, "rating", account, id, 0)
	}
	owner, oerr := a.Ratings.Owner(ctx, account, id)
	if oerr != nil {
		return nil, a.refuse(ctx, oerr, "rating", account, id, 0)
	}
	return nil, a.refuse(ctx, err, "rating", account, id, owner)
}

// ListOfTicket reads a page of a ticket's ratings. Its requester need not be who
// gave them: a rating stays with who gave it when the ticket goes to somebody else.
func (a *App) ListOfTicket(ctx context.Context, account, ticketID int64, skip, limit int) ([]*rating.Rating, bool, error) {
	if _, err := a.ticket(ctx, account, ticketID); err != nil {
		return nil, false, err
	}
	found, more, err := a.Ratings.List(ctx, account, rating.List{Ticket: &ticketID, Skip: skip, Limit: limit})
	return found, more, storeFault(err)
}

// List reads a page of all ratings.
func (a *App) List(ctx context.Context, account int64, l rating.List) ([]*rating.Rating, bool, error) {
	if l.Owner != nil && *l.Owner <= 0 {
		return nil, false, fault.InvalidValue("user_id", "It should be a positive integer")
	}
	found, more, err := a.Ratings.List(ctx, account, l)
	return found, more, storeFault(err)
}

// EraseOfTicket deletes at most limit of a person's ratings of a ticket. From
// the first call on nothing more is hung on it.
func (a *App) EraseOfTicket(ctx context.Context, s ring.Subject, ticketID int64, limit int) (n int, more bool, err error) {
	if err := a.Ratings.Close(ctx, s.Account, ticketID, a.now()); err != nil {
		return 0, false, err
	}
	return a.Ratings.DeleteOfTicket(ctx, s, ticketID, limit)
}
