package docstore

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// UpdateWhere sets clear fields of at most q.Limit documents that Find would
// return, in one step, and says whether there are more. Their revision rises;
// UpdatedAt, owner and parts stay, so it needs no key and reaches also documents
// of hidden people, if the purpose does (Sweep does). nil clears a field. What it
// sets should make the query find the document no more, else there are always more.
//
// ErrBadQuery for a field that has no column of its own (sealed, a list, a map),
// stands in a unique index, or is one of Meta's. After and Skip are not for it.
func (c *Collection[T]) UpdateWhere(ctx context.Context, p ring.Purpose, account int64, q Query, set map[string]any) (n int, more bool, err error) {
	if q.After != "" || q.Skip != 0 || q.AllAccounts || len(set) == 0 {
		return 0, false, fmt.Errorf("%w: a bulk change begins at the first hit of an account and sets a field", ErrBadQuery)
	}
	assigns, err := c.assigns(set)
	if err != nil {
		return 0, false, err
	}
	f, err := c.compile(ctx, p, account, &q)
	if err != nil || f == nil {
		return 0, false, err
	}
	if found, err := c.any(ctx, f); err != nil || !found {
		return 0, false, err
	}
	c.db.writes.Add(1)
	return c.db.b.UpdateWhere(ctx, c.table, f, assigns)
}

// any looks whether a query finds something: most bulk work finds nothing, and a look costs no commit.
func (c *Collection[T]) any(ctx context.Context, f *Find) (bool, error) {
	look := *f
	look.Limit, look.Bodies = 1, false
	c.db.reads.Add(1)
	hits, err := c.db.b.Find(ctx, c.table, &look)
	return len(hits.Rows) > 0, err
}

func (c *Collection[T]) assigns(set map[string]any) ([]Assign, error) {
	var out []Assign
	for _, name := range slices.Sorted(maps.Keys(set)) {
		at := slices.IndexFunc(c.plan.scalars, func(s scalar) bool { return s.name == name })
		if at < 0 || slices.ContainsFunc(c.table.Indexes, func(ix TableIndex) bool { return ix.Unique && slices.Contains(ix.Fields, name) }) {
			return nil, fmt.Errorf("%w: field %q of %s cannot be set in bulk", ErrBadQuery, name, c.table.Name)
		}
		v, err := c.typed(name, set[name])
		if err == nil && v.Kind == Null {
			// absent where the type knows that, else what the type has for nothing
			v, err = toValue(reflect.Zero(c.plan.typ.Field(c.plan.scalars[at].at).Type))
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Assign{Column: name, Value: v})
	}
	return out, nil
}
