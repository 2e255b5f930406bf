package app

import (
	"context"
	"io"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// Table stores values of one kind; its errors are those of docstore.
type Table[T any] interface {
	Insert(ctx context.Context, p ring.Purpose, v *T) error
	// Get reads a value with its texts.
	Get(ctx context.Context, p ring.Purpose, account, id int64) (*T, error)
	Update(ctx context.Context, p ring.Purpose, v *T) error
	// Delete takes any revision for 0.
	Delete(ctx context.Context, p ring.Purpose, account, id, rev int64) error
	// Owner and Mark read the clear part, whatever fences stand.
	Owner(ctx context.Context, account, id int64) (int64, error)
	Mark(ctx context.Context, account, id int64) (string, error)
	Owned[T]
	Linked
	Item
}

// Owned is what a participant asks of a table.
type Owned[T any] interface {
	CountOwned(ctx context.Context, s ring.Subject) (int64, error)
	SweepOwned(ctx context.Context, s ring.Subject, limit int) (n int, more bool, err error)
	// ExportOwned reads values behind an id in id order.
	ExportOwned(ctx context.Context, s ring.Subject, after int64, limit int) ([]*T, error)
}

// Tickets stores tickets.
type Tickets interface {
	Table[ticket.Ticket]
	List(ctx context.Context, account int64, l ticket.List) ([]*ticket.Ticket, bool, error)
	// Clear reads the clear part of a ticket, whatever fences stand.
	Clear(ctx context.Context, account, id int64) (*ticket.Ticket, error)
	// Close notes that an erasure takes a ticket, and Closed whether one has.
	Close(ctx context.Context, account, id int64, now time.Time) error
	Closed(ctx context.Context, account, id int64) (bool, error)
	// Moving reads tickets of all accounts whose change of requester is not finished, and Moved finishes one.
	Moving(ctx context.Context, limit int) ([]*ticket.Ticket, error)
	Moved(ctx context.Context, account, id, from int64) error
}

// Conversations stores replies and notes.
type Conversations interface {
	Table[ticket.Conversation]
	OfTicket(ctx context.Context, account, ticketID int64, skip, limit int) ([]*ticket.Conversation, bool, error)
}

// Attachments stores files' documents, staged or adopted.
type Attachments interface {
	Table[ticket.Attachment]
	OfTicket(ctx context.Context, p ring.Purpose, account, ticketID int64) ([]*ticket.Attachment, error)
	OfConversation(ctx context.Context, p ring.Purpose, account, ticketID, conversationID int64) ([]*ticket.Attachment, error)
	// Before reads those of all accounts made before a moment.
	Before(ctx context.Context, at time.Time, limit int) ([]*ticket.Attachment, error)
	// Holds reports whether a document of any account names a blob.
	Holds(ctx context.Context, blob string) (bool, error)
	// OnItem, Owned and DeleteMany are for erasures.
	OnItem(ctx context.Context, s ring.Subject, id int64, limit int) ([]*ticket.Attachment, error)
	Owned(ctx context.Context, s ring.Subject, limit int) ([]*ticket.Attachment, error)
	DeleteMany(ctx context.Context, s ring.Subject, ids []int64) (int, error)
}

// Messages stores the messages of threads.
type Messages interface {
	Table[ticket.Message]
	OfThread(ctx context.Context, account, threadID int64, skip, limit int) ([]*ticket.Message, bool, error)
	DeleteOfThread(ctx context.Context, account, threadID int64) (more bool, err error)
}

// Listed is a table that is listed in id order, of one ticket or (0) of all.
type Listed[T any] interface {
	Table[T]
	List(ctx context.Context, account, ticketID int64, skip, limit int) ([]*T, bool, error)
}

// Ring tells fences and numbers.
type Ring interface {
	// Modes returns the fences on a person, none for one never met.
	Modes(ctx context.Context, s ring.Subject) (ring.Mode, error)
	// NextTicket returns a new ticket number.
	NextTicket(ctx context.Context, account int64) (int64, error)
}

// Person is somebody as contacts shows them.
type Person struct {
	ID                         int64
	Name, Email, Mobile, Phone *string
	Agent, Hidden              bool
}

// People asks the contacts service.
type People interface {
	// Resolve answers in the order asked, nil for nobody. With create an unknown
	// address becomes a contact. A fault KindInvalid means that contacts refused a value.
	Resolve(ctx context.Context, account int64, refs []ticket.Who, create bool) ([]*Person, error)
	// Batch reads people who exist and are withheld from nobody, by id.
	Batch(ctx context.Context, account int64, ids []int64) (map[int64]*Person, error)
}

// Files holds the bytes of attachments, each encrypted with a key of its own.
type Files interface {
	// Save writes r to its end; the bytes are durable on return. On an error nothing stays.
	Save(ctx context.Context, r io.Reader) (name string, key []byte, size int64, err error)
	Open(ctx context.Context, name string, key []byte) (io.ReadCloser, error)
	// Delete removes a blob; one that is not there is fine.
	Delete(ctx context.Context, name string) error
	// Older calls f for each blob last written before a moment.
	Older(ctx context.Context, at time.Time, f func(name string) error) error
}
