package mongo

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// values lists the different values of a list that a query walks, in its order.
// The index gives the documents of one value in order, not those of several.
func (q *query) values(ctx context.Context) ([]docstore.Value, error) {
	f := q.f
	if q.list != q.keys0() {
		return nil, fmt.Errorf("%w: the fields before a list must be given", docstore.ErrBadQuery)
	}
	found := q.t.c.Distinct(ctx, q.list, q.base())
	var raws []bson.RawValue
	if err := found.Decode(&raws); err != nil {
		return nil, failure(ctx, err)
	}
	kind := q.t.kind(f.Index.Fields[f.Index.List])
	var out []docstore.Value
	for _, r := range raws {
		v := fromBSON(r, kind)
		switch {
		case v.Kind == docstore.Null,
			f.From != nil && compare(v, *f.From) < 0,
			f.To != nil && compare(v, *f.To) >= 0:
		default:
			out = append(out, v)
		}
	}
	slices.SortFunc(out, compare)
	if f.Desc {
		slices.Reverse(out)
	}
	return slices.Compact(out), nil
}

// compare orders two values of one kind.
func compare(a, b docstore.Value) int {
	return cmp.Or(cmp.Compare(a.Int, b.Int), cmp.Compare(a.Float, b.Float), cmp.Compare(a.Text, b.Text))
}

// of is the query for one value of the list.
func (q *query) of(v docstore.Value) docstore.Find {
	g := *q.f
	g.Eq = append(slices.Clone(g.Eq), v)
	g.From, g.To, g.After, g.Skip = nil, nil, nil, 0
	return g
}

// walkValues reads one page of a list's values one after the other: a document
// comes once for each of its values.
func (b *Backend) walkValues(ctx context.Context, t *table, f *docstore.Find, parts bool) (hits docstore.Hits, err error) {
	q := t.query(f)
	values, err := q.values(ctx)
	if err != nil {
		return hits, err
	}
	var at *docstore.Value
	if f.After != nil {
		at = &f.After.Key[len(f.Eq)]
	}
	skip := f.Skip
	for i, v := range values {
		g := q.of(v)
		switch {
		case at == nil:
		case compare(v, *at) == 0:
			g.After = f.After
		case (compare(v, *at) < 0) != f.Desc:
			continue
		}
		for more := true; more; {
			g.Limit = min(skip+f.Limit-len(hits.Rows), docstore.MaxLimit)
			page, err := b.walk(ctx, t, &g, parts)
			if err != nil {
				return hits, err
			}
			n := len(page.Rows)
			rows := page.Rows[min(skip, n):]
			skip -= n - len(rows)
			hits.Rows = append(hits.Rows, rows...)
			if more = page.Last != nil; more {
				g.After = page.Last
			} else if n > 0 {
				end := &page.Rows[n-1]
				g.After = &docstore.Position{Key: slices.Clone(g.Eq), Account: end.Account, ID: end.ID}
				for _, name := range f.Index.Fields[len(g.Eq):] {
					g.After.Key = append(g.After.Key, t.value(&end.Row, name))
				}
			}
			if len(hits.Rows) == f.Limit && (more || i < len(values)-1) {
				hits.Last = g.After
				return hits, nil
			}
		}
	}
	return hits, nil
}

// countValues counts a document once for each of its values.
func (t *table) countValues(ctx context.Context, f *docstore.Find, more bson.D) (n int64, err error) {
	q := t.query(f)
	values, err := q.values(ctx)
	for _, v := range values {
		g := q.of(v)
		k, err := t.count(ctx, &g, more)
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, err
}
