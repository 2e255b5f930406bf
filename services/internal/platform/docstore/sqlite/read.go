package sqlite

import (
	"context"
	"slices"
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
	t := b.table(dt)
	sql, args := t.query(f).page(f.Bodies, f.Limit+1, f.Skip)
	var hits docstore.Hits
	var last []docstore.Value // the matched list value per row, if any
	err := b.read(ctx, true, func(c *sqlite.Conn) error {
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

// query is a Find on its way to SQL.
type query struct {
	t     *table
	f     *docstore.Find
	from  string
	where []string
	args  []any
	// keys are the order's columns, with their table.
	keys []string
	// nulls says which of them may be NULL.
	nulls []bool
	// value is the column of the list element that was found, if any.
	value string
}

func (t *table) query(f *docstore.Find) *query {
	q := &query{t: t, f: f}
	const join = " CROSS JOIN ring r ON r.account=t.account AND r.subject=t.owner"
	switch {
	case f.Blind != "":
		q.from = t.blind(f.Blind) + " x CROSS JOIN " + t.name + " t ON t.doc=x.doc" + join
		q.add("x.account=? AND x.tag=?", f.Account, f.Tag)
		q.keys, q.nulls = []string{"x.id"}, []bool{false}
	case f.Index.List >= 0:
		side := t.side(f.Index.Name)
		q.from = side + " x INDEXED BY " + side + "_order CROSS JOIN " + t.name + " t ON t.doc=x.doc" + join
		q.value = "x.v"
		q.indexed("x.")
	default:
		q.from = t.name + " t INDEXED BY " + t.indexName(f.Index) + join
		q.indexed("t.")
	}
	q.after()
	if f.Forbidden != 0 {
		q.add("r.modes & ? = 0", int64(f.Forbidden))
	}
	if f.Only != 0 {
		q.add("r.modes & ? = ?", int64(f.Only), int64(f.Only))
	}
	if f.Where != nil {
		cond, args := q.test(f.Where)
		q.add(cond, args...)
	}
	return q
}

func (q *query) add(cond string, args ...any) {
	if cond != "" {
		q.where = append(q.where, cond)
		q.args = append(q.args, args...)
	}
}

// indexed adds account, prefix and range of an index whose columns lie in table a.
func (q *query) indexed(a string) {
	ix := q.f.Index
	if !q.f.All {
		q.add(a+"account=?", q.f.Account)
	}
	cols := make([]string, 0, len(ix.Fields)+1)
	for _, c := range orderColumns(ix) {
		if c == "account" && !ix.Global {
			continue
		}
		cols = append(cols, a+c)
	}
	q.keys = cols
	for i := range cols {
		q.nulls = append(q.nulls, i < len(ix.Fields) && i != ix.List && q.t.nullable(ix.Fields[i]))
	}
	for i, v := range q.f.Eq {
		if v.Kind == docstore.Null {
			q.add(cols[i] + " IS NULL")
		} else {
			q.add(cols[i]+"=?", v)
		}
	}
	if q.f.From != nil {
		q.add(cols[len(q.f.Eq)]+">=?", *q.f.From)
	}
	if q.f.To != nil {
		q.add(cols[len(q.f.Eq)]+"<?", *q.f.To)
	}
	if ix.Unique {
		q.add(cols[len(ix.Fields)-1] + " IS NOT NULL")
	}
}

func (t *table) nullable(name string) bool {
	i := slices.IndexFunc(t.Columns, func(c docstore.Column) bool { return c.Name == name })
	return i >= 0 // also a plain one: documents written before the field was added have none
}

// after continues behind a position. What Eq fixes needs no comparison.
func (q *query) after() {
	p := q.f.After
	if p == nil {
		return
	}
	vals := slices.Clone(p.Key)
	if len(vals) < len(q.keys) {
		if q.f.Index != nil && q.f.Index.Global {
			vals = append(vals, docstore.IntValue(p.Account))
		}
		vals = append(vals, docstore.IntValue(p.ID))
	}
	keys, nulls := q.keys[len(q.f.Eq):], q.nulls[len(q.f.Eq):]
	vals = vals[len(q.f.Eq):]
	plain := true
	for i, v := range vals {
		// a row value comparison with a NULL in it is never true
		plain = plain && v.Kind != docstore.Null && !(nulls[i] && q.f.Desc)
	}
	if plain && len(keys) > 0 {
		op := ">"
		if q.f.Desc {
			op = "<"
		}
		q.add("("+joined(keys)+")"+op+"("+marks(len(keys))+")", anys(vals)...)
		return
	}
	cond, args := q.steps(keys, vals)
	q.add(cond, args...)
}

func anys(vals []docstore.Value) []any {
	out := make([]any, len(vals))
	for i, v := range vals {
		out[i] = v
	}
	return out
}

// steps spells a comparison out where NULLs take part: NULL is the least value.
func (q *query) steps(keys []string, vals []docstore.Value) (string, []any) {
	var or []string
	var args []any
	for i := range keys {
		var and []string
		var own []any
		for k := range i {
			and, own = append(and, keys[k]+" IS ?"), append(own, vals[k])
		}
		null := vals[i].Kind == docstore.Null
		switch {
		case !q.f.Desc && null:
			and = append(and, keys[i]+" IS NOT NULL")
		case !q.f.Desc:
			and, own = append(and, keys[i]+">?"), append(own, vals[i])
		case null:
			continue
		default:
			and, own = append(and, "("+keys[i]+"<? OR "+keys[i]+" IS NULL)"), append(own, vals[i])
		}
		or, args = append(or, "("+strings.Join(and, " AND ")+")"), append(args, own...)
	}
	return "(" + strings.Join(or, " OR ") + ")", args
}

// test turns a condition into SQL; values are bound, never spelt.
func (q *query) test(w *docstore.Test) (string, []any) {
	col := "t." + fieldColumn(w.Column)
	switch w.Op {
	case "and", "or":
		var subs []string
		var args []any
		for i := range w.Tests {
			s, a := q.test(&w.Tests[i])
			subs, args = append(subs, s), append(args, a...)
		}
		if len(subs) == 0 {
			return "0", nil // or over nothing
		}
		return "(" + strings.Join(subs, " "+strings.ToUpper(w.Op)+" ") + ")", args
	case "null":
		return col + " IS NULL", nil
	case "notnull":
		return col + " IS NOT NULL", nil
	case "in":
		return q.in(w, col)
	}
	return col + w.Op + "?", anys(w.List)
}

// in pads its list to a power of two, so that few statements are prepared.
func (q *query) in(w *docstore.Test, col string) (string, []any) {
	if len(w.List) == 0 {
		return "0", nil
	}
	args := anys(w.List)
	for len(args)&(len(args)-1) != 0 {
		args = append(args, args[0])
	}
	list := " IN (" + marks(len(args)) + ")"
	switch {
	case w.Blind:
		return "EXISTS (SELECT 1 FROM " + q.t.blind(w.Column) + " y WHERE y.doc=t.doc AND y.tag" + list + ")", args
	case w.Multi:
		for name, ix := range q.t.sides {
			if ix.Fields[ix.List] == w.Column {
				return "EXISTS (SELECT 1 FROM " + q.t.side(name) + " y WHERE y.doc=t.doc AND y.v" + list + ")", args
			}
		}
	}
	return col + list, args
}

func (q *query) text(what string) string {
	s := "SELECT " + what + " FROM " + q.from
	if len(q.where) > 0 {
		s += " WHERE " + strings.Join(q.where, " AND ")
	}
	return s
}

func (q *query) order() string {
	dir := ""
	if q.f.Desc {
		dir = " DESC"
	}
	return " ORDER BY " + strings.Join(q.keys, dir+", ") + dir
}

func (q *query) page(bodies bool, limit, skip int) (string, []any) {
	what := q.t.selectList(bodies)
	if q.value != "" {
		what += "," + q.value
	}
	return q.text(what) + q.order() + " LIMIT ? OFFSET ?", append(q.args, limit, skip)
}

func (q *query) docs(limit int) (string, []any) {
	return q.text("t.doc") + q.order() + " LIMIT ?", append(q.args, limit)
}

func (q *query) count() (string, []any) { return q.text("count(*)"), q.args }
