package store

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// closedDoc says that an erasure has taken a ticket, so that nothing is hung on
// its number any more; its id is that number, and it says nothing else.
type closedDoc struct{ docstore.Meta }

var closedSpec = docstore.Spec{Name: "closed_tickets"}

// Close notes that an erasure takes a ticket. Repeating it changes nothing.
func (t *Tickets) Close(ctx context.Context, account, id int64, now time.Time) error {
	err := t.closed.Insert(ctx, ring.Write, &closedDoc{docstore.Meta{Account: account, ID: id, CreatedAt: now, UpdatedAt: now}})
	if errors.Is(err, docstore.ErrExists) {
		return nil
	}
	return err
}

// Closed reports whether an erasure has taken a ticket.
func (t *Tickets) Closed(ctx context.Context, account, id int64) (bool, error) {
	_, err := t.closed.Get(ctx, ring.Read, account, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Clear reads the clear part of a ticket, whatever fences stand.
func (t *Tickets) Clear(ctx context.Context, account, id int64) (*ticket.Ticket, error) {
	d, err := t.clear(ctx, account, id)
	if err != nil {
		return nil, err
	}
	return t.value(d), nil
}

// Moving reads at most limit tickets of all accounts whose requester has changed
// and from whom not everything has been moved: their clear parts.
func (t *Tickets) Moving(ctx context.Context, limit int) ([]*ticket.Ticket, error) {
	p, err := t.docs.Find(ctx, ring.Sweep, 0, docstore.Query{Index: "moving", From: int64(1), AllAccounts: true, Limit: limit})
	return t.values(p.Items), err
}

// Moved takes the mark of a move off a ticket.
func (t *Tickets) Moved(ctx context.Context, account, id, from int64) error {
	q := docstore.Query{Index: "id", Eq: []any{id}, Limit: 1, Where: is("moving_from", from)}
	_, _, err := t.docs.UpdateWhere(ctx, ring.Sweep, account, q, map[string]any{"moving_from": nil})
	return err
}

// ownItem asks for a person's documents that hang on a ticket, or for the ticket itself.
func (t *Table[T, D, PT, PD]) ownItem(s ring.Subject, id int64, limit int) docstore.Query {
	return docstore.Query{Index: t.item, Eq: []any{id}, Limit: limit, Where: is("owner", s.ID)}
}

// CountItem counts a person's values that hang on a ticket or are it, whatever fences stand.
func (t *Table[T, D, PT, PD]) CountItem(ctx context.Context, s ring.Subject, id int64) (int64, error) {
	return t.docs.Count(ctx, ring.Sweep, s.Account, t.ownItem(s, id, 1))
}

// EraseItem deletes at most limit of them and says whether there are more.
func (t *Table[T, D, PT, PD]) EraseItem(ctx context.Context, s ring.Subject, id int64, limit int) (n int, more bool, err error) {
	return t.docs.DeleteWhere(ctx, ring.Sweep, s.Account, t.ownItem(s, id, limit))
}

// Move gives at most limit documents that hang on a ticket to its new requester,
// sealed with that person's key, and says whether there are more. What a fence
// withholds stays, and left counts it.
func (t *Table[T, D, PT, PD]) Move(ctx context.Context, account, id, to int64, limit int) (more bool, left int64, err error) {
	q := docstore.Query{Index: t.item, Eq: []any{id}, Limit: limit, Bodies: true, Where: docstore.Cond{Op: "or", Conds: []docstore.Cond{
		{Op: "<", Field: "owner", Value: to}, {Op: ">", Field: "owner", Value: to},
	}}}
	page, err := t.docs.Find(ctx, ring.Write, account, q)
	if err != nil {
		return false, 0, err
	}
	for _, d := range page.Items {
		PD(d).meta().Owner = to
		err := t.docs.Update(ctx, ring.Write, d)
		if errors.Is(err, docstore.ErrStale) {
			page.Next = "again"
		} else if err != nil && !errors.Is(err, docstore.ErrNotFound) && !errors.Is(err, docstore.ErrFenced) {
			return false, 0, err
		}
	}
	if page.Next != "" {
		return true, 0, nil
	}
	left, err = t.docs.Count(ctx, ring.Sweep, account, q)
	return false, left, err
}
