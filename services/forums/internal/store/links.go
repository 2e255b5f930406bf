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
	// index goes by the author first, field is the author's.
	index, field string
}

// other is what is not the person's own.
func other(s ring.Subject) docstore.Cond {
	return docstore.Cond{Op: "or", Conds: []docstore.Cond{{Op: "<", Field: "owner", Value: s.ID}, {Op: ">", Field: "owner", Value: s.ID}}}
}

func (l *linked[T, D, PT, PD]) links(s ring.Subject, limit int) docstore.Query {
	return docstore.Query{Index: l.index, Eq: []any{s.ID}, Where: other(s), Limit: limit}
}

// CountByAuthor counts a person's own values by the author's link, whatever
// fences stand: another way than the owner, which a sweep goes by.
func (l *linked[T, D, PT, PD]) CountByAuthor(ctx context.Context, s ring.Subject) (int64, error) {
	q := docstore.Query{Index: l.index, Eq: []any{s.ID}, Where: docstore.Cond{Op: "=", Field: "owner", Value: s.ID}}
	return l.docs.Count(ctx, ring.Sweep, s.Account, q)
}

// CountLinks counts the values of others that name a person.
func (l *linked[T, D, PT, PD]) CountLinks(ctx context.Context, s ring.Subject) (int64, error) {
	return l.docs.Count(ctx, ring.Sweep, s.Account, l.links(s, 1))
}

// Relink puts somebody else, or nobody for 0, in place of a person in at most
// limit values of others. It opens none of them and changes no time.
func (l *linked[T, D, PT, PD]) Relink(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error) {
	var heir any
	if to != 0 {
		heir = to
	}
	return l.docs.UpdateWhere(ctx, ring.Sweep, s.Account, l.links(s, limit), map[string]any{l.field: heir})
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
	return l.docs.Mentions(ctx, ring.Redact, s.Account, s.ID, mention.Keys(ids), l.docs.Redactor(ids, true))
}

// Redact removes a person's identifiers from the texts of others, and returns from how many.
func (l *linked[T, D, PT, PD]) Redact(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	return l.docs.Redact(ctx, s.Account, s.ID, mention.Keys(ids), l.docs.Redactor(ids, true))
}
