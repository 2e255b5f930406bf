package sqlite

import (
	"context"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// found gathers the documents of a step over many, at most limit.
func (q *query) found(c *sqlite.Conn, limit int) (docs []int64, more bool, err error) {
	sql, args := q.docs(limit + 1)
	err = each(c, sql, func(s *sqlite.Stmt) error { docs = append(docs, s.ColumnInt64(0)); return nil }, args...)
	if more = len(docs) > limit; more {
		docs = docs[:limit]
	}
	slices.Sort(docs) // a list may find one twice
	return slices.Compact(docs), more, err
}

// UpdateWhere sets columns of what a query finds, in one step.
func (b *backend) UpdateWhere(ctx context.Context, dt *docstore.Table, f *docstore.Find, set []docstore.Assign) (n int, more bool, err error) {
	t := b.table(dt)
	sqls, args := t.assignSQL(set)
	q := t.query(f)
	err = b.write(ctx, true, func(c *sqlite.Conn) error {
		var docs []int64
		if docs, more, err = q.found(c, f.Limit); err != nil {
			return err
		}
		for _, doc := range docs {
			for i, sql := range sqls {
				if _, err := change(c, sql, append(args[i], doc)...); err != nil {
					return err
				}
			}
		}
		n = len(docs)
		return nil
	})
	return n, more, err
}

// assignSQL makes the statements that set columns of a document: in its row, and
// in the side tables whose order names one of them.
func (t *table) assignSQL(set []docstore.Assign) (sqls []string, args [][]any) {
	statement := func(table, rest string, has func(string) bool) {
		sets, own := "", []any(nil)
		for _, a := range set {
			if has(a.Column) {
				sets, own = sets+fieldColumn(a.Column)+"=?, ", append(own, a.Value)
			}
		}
		if own != nil {
			sqls, args = append(sqls, "UPDATE "+table+" SET "+sets+rest+" WHERE doc=?"), append(args, slices.Clip(own))
		}
	}
	statement(t.name, "rev=rev+1", func(string) bool { return true })
	for name, ix := range t.sides {
		statement(t.side(name), "doc=doc", func(col string) bool { return slices.Contains(ix.Fields, col) })
	}
	return sqls, args
}
