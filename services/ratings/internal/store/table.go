// Package store keeps surveys and ratings in the document port: the types of
// the documents, their indexes, and the queries over them.
package store

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
)

// value is a pointer to a domain type that embeds rating.Record.
type value[T any] interface {
	*T
	Base() *rating.Record
}

// document is a pointer to a stored type.
type document[D any] interface {
	*D
	meta() *docstore.Meta
	mark() *string
}

// Table stores values of type T as documents of type D. The errors of its methods
// are those of docstore.
type Table[T, D any, PT value[T], PD document[D]] struct {
	docs *docstore.Collection[D]
	to   func(*T, *D)
	from func(*D, *T)
}

func bind[T, D any, PT value[T], PD document[D]](ctx context.Context, db *docstore.DB, spec docstore.Spec, to func(*T, *D), from func(*D, *T)) (*Table[T, D, PT, PD], error) {
	docs, err := docstore.Bind[D](ctx, db, spec)
	if err != nil {
		return nil, err
	}
	return &Table[T, D, PT, PD]{docs: docs, to: to, from: from}, nil
}

// doc makes a document of a value; it remembers what the store last saw of it.
func (t *Table[T, D, PT, PD]) doc(v *T) *D {
	d := new(D)
	t.to(v, d)
	r, m := PT(v).Base(), PD(d).meta()
	if old, ok := r.Stored.(docstore.Meta); ok {
		*m = old
	}
	m.Account, m.ID, m.Owner, m.Rev = r.Account, r.ID, r.Owner, r.Rev
	m.CreatedAt, m.UpdatedAt = r.CreatedAt, r.UpdatedAt
	*PD(d).mark() = r.Mark
	return d
}

// value makes a value of a document.
func (t *Table[T, D, PT, PD]) value(d *D) *T {
	v := new(T)
	t.from(d, v)
	m := PD(d).meta()
	*PT(v).Base() = rating.Record{
		Account: m.Account, ID: m.ID, Owner: m.Owner, Rev: m.Rev,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, Mark: *PD(d).mark(), Stored: *m,
	}
	return v
}

func (t *Table[T, D, PT, PD]) values(docs []*D) []*T {
	out := make([]*T, len(docs))
	for i, d := range docs {
		out[i] = t.value(d)
	}
	return out
}

// written brings what a write has set back into the value.
func (t *Table[T, D, PT, PD]) written(v *T, d *D) {
	r, m := PT(v).Base(), PD(d).meta()
	r.Rev, r.CreatedAt, r.UpdatedAt, r.Stored = m.Rev, m.CreatedAt, m.UpdatedAt, *m
}

// Insert stores a new value.
func (t *Table[T, D, PT, PD]) Insert(ctx context.Context, v *T) error {
	d := t.doc(v)
	if err := t.docs.Insert(ctx, ring.Write, d); err != nil {
		return err
	}
	t.written(v, d)
	return nil
}

// Get reads a value.
func (t *Table[T, D, PT, PD]) Get(ctx context.Context, account, id int64) (*T, error) {
	d, err := t.docs.Get(ctx, ring.Read, account, id)
	if err != nil {
		return nil, err
	}
	return t.value(d), nil
}

// Mark reads a value's mark, whatever fences stand.
func (t *Table[T, D, PT, PD]) Mark(ctx context.Context, account, id int64) (string, error) {
	p, err := t.docs.Find(ctx, ring.Sweep, account, docstore.Query{Index: "id", Eq: []any{id}, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(p.Items) == 0 {
		return "", docstore.ErrNotFound
	}
	return *PD(p.Items[0]).mark(), nil
}

// Update replaces a value by compare-and-swap on its revision.
func (t *Table[T, D, PT, PD]) Update(ctx context.Context, v *T) error {
	d := t.doc(v)
	if err := t.docs.Update(ctx, ring.Write, d); err != nil {
		return err
	}
	t.written(v, d)
	return nil
}

// page reads a page and whether there is more behind it.
func (t *Table[T, D, PT, PD]) page(ctx context.Context, account int64, q docstore.Query) ([]*T, bool, error) {
	limit := q.Limit
	q.Limit++
	p, err := t.docs.Find(ctx, ring.Read, account, q)
	if err != nil {
		return nil, false, err
	}
	more := len(p.Items) > limit
	if more {
		p.Items = p.Items[:limit]
	}
	return t.values(p.Items), more, nil
}
