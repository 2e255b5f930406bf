package app

import (
	"context"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
)

// Table stores values of one kind; its errors are those of docstore.
type Table[T any] interface {
	Insert(ctx context.Context, v *T) error
	Get(ctx context.Context, account, id int64) (*T, error)
	// Mark reads the clear part, whatever fences stand.
	Mark(ctx context.Context, account, id int64) (string, error)
}

// Surveys stores surveys, and which one an account asks.
type Surveys interface {
	Table[rating.Survey]
	Update(ctx context.Context, v *rating.Survey) error
	// Active reads which survey is asked; docstore.ErrNotFound before there is any.
	Active(ctx context.Context, account int64) (int64, error)
	// Found writes an account's first survey and asks it, unless there is one.
	Found(ctx context.Context, first *rating.Survey) error
	// Ask makes a survey the active one; docstore.ErrStale when another one was made so meanwhile.
	Ask(ctx context.Context, v *rating.Survey) error
	List(ctx context.Context, account int64, skip, limit int) ([]*rating.Survey, bool, error)
}

// Ratings stores ratings.
type Ratings interface {
	Table[rating.Rating]
	// Owner reads the clear part, whatever fences stand.
	Owner(ctx context.Context, account, id int64) (int64, error)
	List(ctx context.Context, account int64, l rating.List) ([]*rating.Rating, bool, error)
	// Remove takes back what was just written.
	Remove(ctx context.Context, r *rating.Rating) error
	Owned
}

// Owned is what privacy asks of ratings, whatever fences stand.
type Owned interface {
	CountOwned(ctx context.Context, s ring.Subject) (int64, error)
	SweepOwned(ctx context.Context, s ring.Subject, limit int) (n int, more bool, err error)
	// ExportOwned reads ratings behind an id in id order.
	ExportOwned(ctx context.Context, s ring.Subject, after int64, limit int) ([]*rating.Rating, error)
	// CountLinked counts the ratings of others whose agent is the person.
	CountLinked(ctx context.Context, s ring.Subject) (int64, error)
	// Relink puts another agent in place of the person in at most limit of them; 0 puts nobody.
	Relink(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error)
	// CountMentions and RedactMentions are about the feedback of others.
	CountMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error)
	RedactMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error)
	// CountOfTicket and DeleteOfTicket are about the person's ratings of one ticket.
	CountOfTicket(ctx context.Context, s ring.Subject, ticket int64) (int64, error)
	DeleteOfTicket(ctx context.Context, s ring.Subject, ticket int64, limit int) (n int, more bool, err error)
	// Close notes that an erasure takes a ticket; Closed reports it.
	Close(ctx context.Context, account, ticket int64, now time.Time) error
	Closed(ctx context.Context, account, ticket int64) (bool, error)
}

// Ring tells fences.
type Ring interface {
	// Modes returns the fences on a person, none for one never met.
	Modes(ctx context.Context, s ring.Subject) (ring.Mode, error)
	// Erased reports whether a person's key here is destroyed.
	Erased(ctx context.Context, s ring.Subject) (bool, error)
}

// Tickets asks the tickets service.
type Tickets interface {
	// Ticket reads what a rating needs to know of a ticket. A fault: not found for one
	// that is unknown or withheld, REASON_RESTRICTED for that of a restricted person.
	Ticket(ctx context.Context, account, id int64) (*rating.Matter, error)
}
