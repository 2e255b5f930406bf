package app

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// newRequester finds whom a change gives the ticket to; 0 when it gives it to
// nobody else.
func (a *App) newRequester(ctx context.Context, c Caller, in *ticket.Input, mask []string) (int64, error) {
	if !ticket.Masks(mask, "requester_id") && !ticket.Masks(mask, "email") {
		return 0, nil
	}
	who, err := a.requester(ctx, c, &ticket.Input{Requester: in.Requester})
	if err != nil {
		return 0, err
	}
	if who.spam {
		return 0, fault.InvalidValue(in.Requester.Field(), noPerson)
	}
	return who.id, nil
}

// handOver gives a ticket to another requester. The ticket itself is sealed
// anew with the change; what hangs on it follows, and the mark on the ticket lets
// anybody finish what a crash leaves.
func handOver(t *ticket.Ticket, to int64) {
	if to == 0 || to == t.Owner {
		return
	}
	from := t.Owner
	t.Owner, t.MovingFrom = to, &from
}

// finishMove moves what hangs on a ticket to the ticket's requester, if a change
// of requester left something to do. What a fence withholds is left for later:
// the ticket keeps its mark until all is moved, or gone with who had it.
func (a *App) finishMove(ctx context.Context, account, id int64) error {
	t, err := a.Tickets.Clear(ctx, account, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	if err != nil || t.MovingFrom == nil {
		return err
	}
	var left int64
	for _, table := range append(a.hanging(), a.Attachments) {
		for more := true; more; {
			var stays int64
			if more, stays, err = table.Move(ctx, account, id, t.Owner, itemPage); err != nil {
				return err
			}
			left += stays
		}
	}
	if left > 0 {
		return nil
	}
	return a.Tickets.Moved(ctx, account, id, *t.MovingFrom)
}

// FinishMoves carries on what crashes and fences have left of changes of
// requester, in all accounts, and returns how many tickets were looked at.
func (a *App) FinishMoves(ctx context.Context) (int, error) {
	moving, err := a.Tickets.Moving(ctx, docstore.MaxLimit)
	if err != nil {
		return 0, err
	}
	var errs error
	for _, t := range moving {
		errs = errors.Join(errs, a.finishMove(ctx, t.Account, t.ID))
	}
	return len(moving), errs
}

// settled reads a ticket that is to be changed by somebody, after an earlier
// change of its requester has been finished.
func (a *App) settled(ctx context.Context, c Caller, id int64) (*ticket.Ticket, error) {
	t, err := load(ctx, a, c, "ticket", a.Tickets, id)
	if err != nil || t.MovingFrom == nil {
		return t, err
	}
	if err := a.finishMove(ctx, c.Account, id); err != nil {
		return nil, storeFault(err)
	}
	return load(ctx, a, c, "ticket", a.Tickets, id)
}
