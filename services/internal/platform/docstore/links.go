package docstore

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Link is a clear field with one person who need not be the owner, and an index
// that begins with it.
type Link struct{ Field, Index string }

// Linked asks for at most limit documents that name a person by an index and are somebody else's.
func Linked(index string, person int64, limit int) Query {
	return Query{Index: index, Eq: []any{person}, Limit: limit, Where: NotOwnedBy(person)}
}

// NotOwnedBy is true of what is somebody else's, or the account's.
func NotOwnedBy(person int64) Cond {
	return Cond{Op: "or", Conds: []Cond{{Op: "<", Field: "owner", Value: person}, {Op: ">", Field: "owner", Value: person}}}
}

// CountLinked counts the links to a person by indexes in documents of others,
// whatever fences stand: a document that names the person twice counts twice.
func (c *Collection[T]) CountLinked(ctx context.Context, s ring.Subject, indexes ...string) (n int64, err error) {
	for _, index := range indexes {
		found, err := c.Count(ctx, ring.Sweep, s.Account, Linked(index, s.ID, 1))
		if err != nil {
			return 0, err
		}
		n += found
	}
	return n, nil
}

// Relink puts somebody else, or nobody for 0, in a person's place in documents of
// others, whatever fences stand: at most limit by each link. It opens none of them,
// changes no time, and says whether there are more. Its errors are those of UpdateWhere.
func (c *Collection[T]) Relink(ctx context.Context, s ring.Subject, to int64, limit int, links ...Link) (n int, more bool, err error) {
	var value any
	if to != 0 {
		value = to
	}
	for _, l := range links {
		done, rest, err := c.UpdateWhere(ctx, ring.Sweep, s.Account, Linked(l.Index, s.ID, limit), map[string]any{l.Field: value})
		n, more = n+done, more || rest
		if err != nil {
			return n, true, err
		}
	}
	return n, more, nil
}

// Censor returns a function for Redact that replaces identifiers in all Mentions
// fields, and names where an identifier stands beside them in the document.
func (c *Collection[T]) Censor(ids mention.Identifiers) func(*T) bool {
	found, all := c.Redactor(ids, false), c.Redactor(ids, true)
	return func(doc *T) bool {
		if !found(doc) {
			return false
		}
		all(doc)
		return true
	}
}

// CountMentions counts the documents of others that hold one of a person's
// identifiers, whatever fences stand; names do not count.
func (c *Collection[T]) CountMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	return c.Mentions(ctx, ring.Sweep, s.Account, s.ID, mention.Keys(ids), c.Redactor(ids, false))
}

// RedactPerson removes a person's identifiers from the documents of others, and
// the person's names from those that hold an identifier and from those that name
// the person by one of the indexes. It returns how many were written; else it is as Redact.
func (c *Collection[T]) RedactPerson(ctx context.Context, s ring.Subject, ids mention.Identifiers, indexes ...string) (int64, error) {
	n, err := c.Redact(ctx, s.Account, s.ID, mention.Keys(ids), c.Censor(ids))
	if err != nil || len(ids.Names) == 0 {
		return n, err
	}
	all := c.Redactor(ids, true)
	for _, index := range indexes {
		more, err := c.redactLinked(ctx, index, s, all)
		if n += more; err != nil {
			return n, err
		}
	}
	return n, nil
}

// redactLinked lets f change the documents of others that name a person by an index.
func (c *Collection[T]) redactLinked(ctx context.Context, index string, s ring.Subject, f func(*T) bool) (n int64, err error) {
	q := Linked(index, s.ID, redactPage)
	q.Bodies = true
	for {
		page, err := c.Find(ctx, ring.Redact, s.Account, q)
		if err != nil {
			return n, err
		}
		written, err := c.rewrite(ctx, page.Items, f)
		if n += written; err != nil {
			return n, err
		}
		if q.After = page.Next; q.After == "" {
			return n, nil
		}
	}
}
