package sqlite

import (
	"context"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

func joined(cols []string) string { return strings.Join(cols, ", ") }

// scan reads a row of selectList and returns the next column.
func (t *table) scan(s *sqlite.Stmt, f *docstore.Found) int {
	f.Account, f.ID, f.Owner, f.Rev = s.ColumnInt64(0), s.ColumnInt64(1), s.ColumnInt64(2), s.ColumnInt64(3)
	f.Created, f.Updated = s.ColumnInt64(4), s.ColumnInt64(5)
	f.Kid, f.SealVer, f.BodyVer = columnKey(s, 6), s.ColumnInt64(7), s.ColumnInt64(8)
	i := len(dataColumns)
	f.Values = make([]docstore.Value, len(t.Columns))
	for k, c := range t.Columns {
		f.Values[k] = columnValue(s, i, c.Kind)
		i++
	}
	f.Clear, f.Sealed, f.Body = columnBytes(s, i), columnBytes(s, i+1), columnBytes(s, i+2)
	f.Slot = docstore.NoSlot
	if s.ColumnType(i+3) != sqlite.TypeNull {
		f.Slot, f.OwnerKid = s.ColumnInt64(i+3), columnKey(s, i+4)
	}
	return i + 5
}

// Get reads by id, all ids in one snapshot.
func (b *backend) Get(ctx context.Context, dt *docstore.Table, account int64, ids []int64, bodies bool, forbidden ring.Mode) ([]docstore.Found, error) {
	t := b.table(dt)
	sql := t.getSQL[0]
	if bodies {
		sql = t.getSQL[1]
	}
	out := make([]docstore.Found, 0, len(ids))
	one := func(s *sqlite.Stmt) error {
		var f docstore.Found
		i := t.scan(s, &f)
		if f.Fenced = ring.Mode(s.ColumnInt64(i))&forbidden != 0; f.Fenced {
			f.Sealed, f.Body = nil, nil
		}
		out = append(out, f)
		return nil
	}
	err := b.read(ctx, false, func(c *sqlite.Conn) error {
		if len(ids) == 1 {
			return each(c, sql, one, account, ids[0])
		}
		if err := each(c, "BEGIN", nil); err != nil {
			return err
		}
		var err error
		for _, id := range ids {
			if err = each(c, sql, one, account, id); err != nil {
				break
			}
		}
		if eerr := each(c, "COMMIT", nil); err == nil {
			err = eerr
		}
		return err
	})
	return out, err
}

// Find reads one page.
func (b *backend) Find(ctx context.Context, dt *docstore.Table, f *docstore.Find) (docstore.Hits, error) {
	if len(f.Blinds)*len(f.Tags) > 1 {
		return b.findTagged(ctx, dt, f)
	}
	return b.find(ctx, dt, f)
}

func (b *backend) find(ctx context.Context, dt *docstore.Table, f *docstore.Find) (docstore.Hits, error) {
	t := b.table(dt)
	sql, args := t.query(f).page(f.Bodies, f.Limit+1, f.Skip)
	var hits docstore.Hits
	var last []docstore.Value // the matched list value per row, if any
	// watching the context costs a goroutine; a short page from an index needs none
	slow := f.Where != nil || f.Skip > 1000 || f.Limit > 200
	hits.Rows = make([]docstore.Found, 0, min(f.Limit+1, 64))
	err := b.read(ctx, slow, func(c *sqlite.Conn) error {
		return each(c, sql, func(s *sqlite.Stmt) error {
			var row docstore.Found
			i := t.scan(s, &row)
			hits.Rows = append(hits.Rows, row)
			if f.Index != nil && f.Index.List >= 0 {
				last = append(last, columnValue(s, i, t.listKind(f.Index.Fields[f.Index.List])))
			}
			return nil
		}, args...)
	})
	if err != nil || len(hits.Rows) <= f.Limit {
		return hits, err
	}
	hits.Rows = hits.Rows[:f.Limit]
	end := &hits.Rows[f.Limit-1]
	hits.Last = &docstore.Position{Account: end.Account, ID: end.ID}
	if f.Index == nil {
		return hits, nil
	}
	for i, name := range f.Index.Fields {
		if i == f.Index.List {
			hits.Last.Key = append(hits.Last.Key, last[f.Limit-1])
		} else {
			hits.Last.Key = append(hits.Last.Key, t.value(&end.Row, name))
		}
	}
	return hits, nil
}

// Count counts, from the index alone where there are no further tests.
func (b *backend) Count(ctx context.Context, dt *docstore.Table, f *docstore.Find) (n int64, err error) {
	sql, args := b.table(dt).query(f).count()
	err = b.read(ctx, true, func(c *sqlite.Conn) error {
		n, err = queryInt(c, sql, args...)
		return err
	})
	return n, err
}
