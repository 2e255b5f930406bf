package store

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// linked is a table whose values name an author, whom an index goes by.
type linked[T, D any, PT value[T], PD document[D]] struct {
	*Table[T, D, PT, PD]
	// link is the author's.
	link docstore.Link
}

func (l *linked[T, D, PT, PD]) links(s ring.Subject, limit int) docstore.Query {
	return docstore.Linked(l.link.Index, s.ID, limit)
}

// CountByAuthor counts a person's own values by the author's link, whatever
// fences stand: another way than the owner, which a sweep goes by.
func (l *linked[T, D, PT, PD]) CountByAuthor(ctx context.Context, s ring.Subject) (int64, error) {
	q := docstore.Query{Index: l.link.Index, Eq: []any{s.ID}, Where: docstore.Cond{Op: "=", Field: "owner", Value: s.ID}}
	return l.docs.Count(ctx, ring.Sweep, s.Account, q)
}

// CountLinks counts the values of others that name a person.
func (l *linked[T, D, PT, PD]) CountLinks(ctx context.Context, s ring.Subject) (int64, error) {
	return l.docs.CountLinked(ctx, s, l.link.Index)
}

// Relink puts somebody else, or nobody for 0, in place of a person in at most
// limit values of others. It opens none of them and changes no time.
func (l *linked[T, D, PT, PD]) Relink(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error) {
	return l.docs.Relink(ctx, s, to, limit, l.link)
}

// ExportLinked reads the values of others that name a person, with their texts,
// behind the last one read (nil at the beginning).
func (l *linked[T, D, PT, PD]) ExportLinked(ctx context.Context, s ring.Subject, after *T, limit int) ([]*T, error) {
	q := l.links(s, limit)
	q.Bodies = true
	if after != nil {
		q.Where = docstore.Cond{Op: "and", Conds: []docstore.Cond{q.Where, {Op: ">", Field: "id", Value: PT(after).Base().ID}}}
	}
	p, err := l.docs.Find(ctx, ring.Export, s.Account, q)
	return l.values(p.Items), err
}

// CountMentions counts the values of others whose texts hold one of a person's identifiers.
func (l *linked[T, D, PT, PD]) CountMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	return l.docs.CountMentions(ctx, s, ids)
}

// Redact removes a person's identifiers from the texts of others, and the
// person's names from those that hold an identifier or name the person as their
// author. It returns how many were written.
func (l *linked[T, D, PT, PD]) Redact(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	return l.docs.RedactPerson(ctx, s, ids, l.link.Index)
}
