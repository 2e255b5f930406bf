package app

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Linked is what a participant asks of a table about people who are not its owners.
type Linked interface {
	CountLinked(ctx context.Context, s ring.Subject) (int64, error)
	// Relink puts somebody else, or nobody for 0, in a person's place.
	Relink(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error)
	CountMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error)
	RedactMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error)
}

// Item is what a table does with all that hangs on one ticket.
type Item interface {
	CountItem(ctx context.Context, s ring.Subject, id int64) (int64, error)
	EraseItem(ctx context.Context, s ring.Subject, id int64, limit int) (n int, more bool, err error)
	// Move gives what hangs on a ticket to its new requester; left counts what a fence withholds.
	Move(ctx context.Context, account, id, to int64, limit int) (more bool, left int64, err error)
}

// itemPage is how much of a ticket is worked on in one step.
const itemPage = 100

// CloseTicket begins the erasure of one ticket: from now on nothing is hung on
// it, also if its number is met again. A move to another requester is finished first.
func (a *App) CloseTicket(ctx context.Context, s ring.Subject, id int64) error {
	if err := a.finishMove(ctx, s.Account, id); err != nil {
		return err
	}
	return a.Tickets.Close(ctx, s.Account, id, a.now())
}

// EraseFiles deletes at most limit files on a ticket: the bytes first, so that
// what a crash leaves between is found again by the documents.
func (a *App) EraseFiles(ctx context.Context, s ring.Subject, id int64, limit int) (n int, more bool, err error) {
	files, err := a.Attachments.OnItem(ctx, s, id, limit)
	if err != nil || len(files) == 0 {
		return 0, false, err
	}
	ids := make([]int64, len(files))
	for i, f := range files {
		if err := a.Files.Delete(ctx, f.Blob); err != nil {
			return 0, true, err
		}
		ids[i] = f.ID
	}
	n, err = a.Attachments.DeleteMany(ctx, s, ids)
	return n, len(files) == limit, err
}

// hanging are the tables of what hangs on a ticket, but for files.
func (a *App) hanging() []Item {
	return []Item{a.Conversations, a.Threads, a.Messages, a.Calls, a.Chats}
}

// stillThere makes sure, after something was hung on a ticket, that no erasure
// has taken the ticket meanwhile. If one has, what was hung goes too: the
// erasure may have looked before it was there.
func (a *App) stillThere(ctx context.Context, c Caller, owner, id int64) error {
	closed, err := a.Tickets.Closed(ctx, c.Account, id)
	if err != nil || !closed {
		return storeFault(err)
	}
	ctx = context.WithoutCancel(ctx)
	s := ring.Subject{Account: c.Account, ID: owner}
	for more := true; more; {
		if _, more, err = a.EraseFiles(ctx, s, id, itemPage); err != nil {
			return storeFault(err)
		}
	}
	for _, t := range a.hanging() {
		for more := true; more; {
			if _, more, err = t.EraseItem(ctx, s, id, itemPage); err != nil {
				return storeFault(err)
			}
		}
	}
	return fault.NotFound("ticket", id)
}
