package sqlite

import (
	"slices"
	"strings"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

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
	case len(f.Blinds) == 1 && len(f.Tags) == 1:
		q.from = t.blind(f.Blinds[0]) + " x CROSS JOIN " + t.name + " t ON t.doc=x.doc" + join
		q.add("x.account=+? AND x.tag=+?", f.Account, f.Tags[0])
		q.keys, q.nulls = []string{"x.id"}, []bool{false}
	case f.Index == nil:
		var tags string
		tags, q.args = t.tagged(f, "id, doc", 0)
		q.from = "(" + tags + ") x CROSS JOIN " + t.name + " t ON t.doc=x.doc" + join
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
		q.add(a+"account=+?", q.f.Account)
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
			q.add(cols[i]+"=+?", v)
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

// SQLite looks at a value that stands bare in LIMIT, or beside an equality of a
// join or an ordered query, and then prepares the statement anew for each value:
// measured, most of the time of a read. An expression, +?, it leaves alone.
const (
	limitTail  = " LIMIT ?+0"
	offsetTail = " OFFSET ?+0"
)

func (q *query) page(bodies bool, limit, skip int) (string, []any) {
	what := q.t.selectList(bodies)
	if q.value != "" {
		what += "," + q.value
	}
	return q.text(what) + q.order() + limitTail + offsetTail, append(q.args, limit, skip)
}

func (q *query) docs(limit int) (string, []any) {
	return q.text("t.doc") + q.order() + limitTail, append(q.args, limit)
}

func (q *query) count() (string, []any) { return q.text("count(*)"), q.args }
