package app

import (
	"context"

	"github.com/lethe-desk/lethe/services/forums/internal/knowledge"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
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
	// List and Count see what is to be seen in a place.
	List(ctx context.Context, account int64, a record.At, skip, limit int) ([]*T, bool, error)
	Count(ctx context.Context, account int64, a record.At) (int64, error)
	// Clear, Restricted and Empty go by a place whatever fences stand: Clear reads
	// clear parts, Restricted looks for what is a restricted person's, Empty removes some.
	Clear(ctx context.Context, account int64, a record.At, limit int) ([]*T, error)
	Restricted(ctx context.Context, account int64, a record.At) (bool, error)
	Empty(ctx context.Context, account int64, a record.At) (more bool, err error)
}

// Named is a table of things whose names are unique.
type Named[T any] interface {
	Table[T]
	// Named returns the id of what has the name of v in its place, 0 for none.
	Named(ctx context.Context, account int64, v *T) (int64, error)
}

// Owned is what a participant asks of a table of people's things.
type Owned[T any] interface {
	SweepOwned(ctx context.Context, s ring.Subject, limit int) (n int, more bool, err error)
	// ExportOwned reads values behind an id in id order.
	ExportOwned(ctx context.Context, s ring.Subject, after int64, limit int) ([]*T, error)
}

// Linked is what a participant asks of a table whose values name their author.
type Linked[T any] interface {
	CountByAuthor(ctx context.Context, s ring.Subject) (int64, error)
	CountLinks(ctx context.Context, s ring.Subject) (int64, error)
	// Relink puts `to` (0: nobody) in place of a person in values of others.
	Relink(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error)
	// ExportLinked reads values of others that name a person, behind the last one read.
	ExportLinked(ctx context.Context, s ring.Subject, after *T, limit int) ([]*T, error)
	// CountMentions and Redact find a person in the texts of others.
	CountMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error)
	Redact(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error)
}

// Topics stores topics.
type Topics interface {
	Table[topic.Topic]
	Owned[topic.Topic]
	Linked[topic.Topic]
	// Many reads topics in the order of ids, without those that are not to be seen.
	Many(ctx context.Context, account int64, ids []int64) ([]*topic.Topic, error)
	// Begun returns ids below one of topics somebody began, falling.
	Begun(ctx context.Context, account, user, below int64, limit int) (ids []int64, more bool, err error)
	// ClearOwned reads the clear parts of a person's topics behind an id, in id order.
	ClearOwned(ctx context.Context, s ring.Subject, after int64, limit int) ([]*topic.Topic, error)
}

// Comments stores comments.
type Comments interface {
	Table[topic.Comment]
	Owned[topic.Comment]
	Linked[topic.Comment]
	// Latest reads the last comment of a topic that is to be seen, nil for none.
	Latest(ctx context.Context, account, topicID int64) (*topic.Comment, error)
	// FromOthers reports whether a topic has a comment that is not the person's.
	FromOthers(ctx context.Context, s ring.Subject, topicID int64) (bool, error)
	// Joined returns ids below one of topics in which somebody commented, falling.
	Joined(ctx context.Context, account, user, below int64, limit int) (ids []int64, more bool, err error)
	// Move puts some of a topic's comments into a forum.
	Move(ctx context.Context, account, topicID, forumID int64) (more bool, err error)
}

// Follows stores who follows what.
type Follows interface {
	Table[topic.Follow]
	Owned[topic.Follow]
	// Find returns somebody's follow of a forum or topic; docstore.ErrNotFound, also for somebody withheld.
	Find(ctx context.Context, account, user int64, a record.At) (*topic.Follow, error)
	// Topics reads somebody's follows of topics with ids below one, falling.
	Topics(ctx context.Context, account, user, below int64, limit int) ([]*topic.Follow, error)
	CountByUser(ctx context.Context, s ring.Subject) (int64, error)
}

// Articles stores articles.
type Articles interface {
	Table[knowledge.Article]
	Linked[knowledge.Article]
}

// Ring tells fences.
type Ring interface {
	// Modes returns the fences on a person, none for one never met.
	Modes(ctx context.Context, s ring.Subject) (ring.Mode, error)
}

// Person is somebody as contacts shows them.
type Person struct {
	ID            int64
	Agent, Hidden bool
}

// People asks the contacts service.
type People interface {
	// Resolve answers in the order asked, nil for nobody.
	Resolve(ctx context.Context, account int64, ids []int64) ([]*Person, error)
}
