package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// table is a bound collection with the SQL that never changes.
type table struct {
	*docstore.Table
	name string
	// sides are the side tables of indexes over a list, by index.
	sides map[string]*docstore.TableIndex
	// getSQL reads by id; without bodies, with.
	getSQL [2]string
	insert string
	// watched are the columns that stand in indexes. currentSQL reads them with
	// what every write must know of a document.
	watched    []watched
	currentSQL string
	// settings are what an Update may set, in the order of updateArgs.
	settings []setting
	// updates are the statements made so far, by the columns they set; the
	// writer alone uses them.
	updates map[uint64]string
}

// watched is a column that an Update sets only when its value changes: SQLite
// rewrites every index that names a column which is set, also to the same value.
type watched struct {
	name, column string
	kind         docstore.Kind
}

// maxWatched leaves bits for the two parts in the key of an update statement.
const maxWatched = 62

// dataColumns are those of every document before its fields.
var dataColumns = []string{"account", "id", "owner", "rev", "created_at", "updated_at", "kid", "seal_ver", "body_ver"}

// fieldColumn is the column of a name that queries use.
func fieldColumn(name string) string {
	if slices.Contains([]string{"id", "owner", "rev", "created_at", "updated_at", "account"}, name) {
		return name
	}
	return "f_" + name
}

func (t *table) side(index string) string  { return "m_" + t.Name + "__" + index }
func (t *table) blind(index string) string { return "b_" + t.Name + "__" + index }

func sqlType(k docstore.Kind) string {
	return map[docstore.Kind]string{docstore.Int: "INTEGER", docstore.Text: "TEXT", docstore.Float: "REAL", docstore.Bytes: "BLOB"}[k]
}

// Bind makes the table, or adds columns and indexes that are new.
func (b *backend) Bind(ctx context.Context, dt *docstore.Table) error {
	t := newTable(dt)
	err := b.write(ctx, true, func(c *sqlite.Conn) error {
		if _, err := change(c, t.createSQL()); err != nil {
			return err
		}
		if err := t.addColumns(c); err != nil {
			return err
		}
		return t.makeIndexes(c)
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tables[dt.Name] = t
	return nil
}

func (b *backend) table(dt *docstore.Table) *table {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.tables[dt.Name]
}

func newTable(dt *docstore.Table) *table {
	t := &table{Table: dt, name: "d_" + dt.Name, sides: map[string]*docstore.TableIndex{}}
	for i := range dt.Indexes {
		if ix := &dt.Indexes[i]; ix.List >= 0 {
			t.sides[ix.Name] = ix
		}
	}
	for i := range t.getSQL {
		t.getSQL[i] = "SELECT " + t.selectList(i == 1) + ", r.modes FROM " + t.name + " t INDEXED BY i_" + dt.Name + "__id" +
			" CROSS JOIN ring r ON r.account=t.account AND r.subject=t.owner WHERE t.account=+? AND t.id=+?"
	}
	cols := slices.Concat(dataColumns, t.fieldColumns(), []string{"clear", "sealed", "body"})
	t.insert = "INSERT INTO " + t.name + " (" + strings.Join(cols, ",") + ") VALUES (" + marks(len(cols)) + ") ON CONFLICT DO NOTHING"
	t.updates = map[uint64]string{}
	t.watch()
	return t
}

// watch finds the columns that stand in indexes.
func (t *table) watch() {
	add := func(name string) {
		known := slices.ContainsFunc(t.watched, func(w watched) bool { return w.name == name })
		if name != "id" && name != "account" && name != "rev" && !known && len(t.watched) < maxWatched {
			t.watched = append(t.watched, watched{name: name, column: fieldColumn(name), kind: t.columnKind(name)})
		}
	}
	add("owner") // rides along in every index
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.List < 0 {
			for _, f := range ix.Fields {
				add(f)
			}
		}
	}
	for _, name := range slices.Concat([]string{"owner", "rev", "updated_at", "created_at"}, t.fieldNames()) {
		at := slices.IndexFunc(t.watched, func(w watched) bool { return w.name == name })
		t.settings = append(t.settings, setting{name: name, watch: at})
	}
	t.currentSQL = "SELECT t.doc, t.owner, t.rev, r.modes"
	for _, w := range t.watched {
		t.currentSQL += ", t." + w.column
	}
	t.currentSQL += " FROM " + t.name + " t CROSS JOIN ring r ON r.account=t.account AND r.subject=t.owner WHERE t.account=+? AND t.id=+?"
}

// updateSQL is the statement that sets the columns no index names, the parts
// that change, and of the watched columns those with a bit in changed.
func (t *table) updateSQL(w *docstore.Write, changed uint64) string {
	key := changed<<2 | which(w)
	if sql, ok := t.updates[key]; ok {
		return sql
	}
	var set []string
	for _, s := range t.settings {
		if s.sets(changed) {
			set = append(set, fieldColumn(s.name))
		}
	}
	set = append(set, "kid", "seal_ver", "body_ver", "clear")
	if w.SetSealed {
		set = append(set, "sealed")
	}
	if w.SetBody {
		set = append(set, "body")
	}
	t.updates[key] = "UPDATE OR IGNORE " + t.name + " SET " + strings.Join(set, "=?,") + "=? WHERE doc=?"
	return t.updates[key]
}

// setting is a column an Update may set: always, or as one of watched.
type setting struct {
	name  string
	watch int
}

// sets reports whether a setting takes part in an update of these changes.
func (s setting) sets(changed uint64) bool { return s.watch < 0 || changed&(1<<s.watch) != 0 }

// which is the part of an update statement's key that says what parts it replaces.
func which(w *docstore.Write) (i uint64) {
	if w.SetSealed {
		i |= 1
	}
	if w.SetBody {
		i |= 2
	}
	return i
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

func (t *table) fieldNames() []string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = c.Name
	}
	return out
}

func (t *table) fieldColumns() []string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = "f_" + c.Name
	}
	return out
}

// selectList is what every read takes, in the order scanRow knows.
func (t *table) selectList(bodies bool) string {
	cols := slices.Concat(dataColumns, t.fieldColumns(), []string{"clear", "sealed"})
	list := "t." + strings.Join(cols, ",t.")
	if bodies {
		list += ",t.body"
	} else {
		list += ",NULL"
	}
	return list + ",r.slot,r.kid"
}

func (t *table) createSQL() string {
	var s strings.Builder
	s.WriteString("CREATE TABLE IF NOT EXISTS " + t.name + " (doc INTEGER PRIMARY KEY, account INTEGER NOT NULL, id INTEGER NOT NULL," +
		" owner INTEGER NOT NULL, rev INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL," +
		" kid BLOB, seal_ver INTEGER NOT NULL, body_ver INTEGER NOT NULL")
	for _, c := range t.Columns {
		s.WriteString(", f_" + c.Name + " " + sqlType(c.Kind))
	}
	s.WriteString(", clear BLOB, sealed BLOB, body BLOB)")
	return s.String()
}

// addColumns adds fields that an older version of the program did not have. In
// documents written before they are absent.
func (t *table) addColumns(c *sqlite.Conn) error {
	have := map[string]string{}
	err := each(c, "SELECT name, type FROM pragma_table_info(?)", func(s *sqlite.Stmt) error {
		have[s.ColumnText(0)] = s.ColumnText(1)
		return nil
	}, t.name)
	if err != nil {
		return err
	}
	for _, col := range t.Columns {
		typ, ok := have["f_"+col.Name]
		if ok && typ != sqlType(col.Kind) {
			return fmt.Errorf("field %s of collection %s is stored as %s and declared as %s; give the new field another name", col.Name, t.Name, typ, sqlType(col.Kind))
		}
		if !ok {
			if _, err := change(c, "ALTER TABLE "+t.name+" ADD COLUMN f_"+col.Name+" "+sqlType(col.Kind)); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeIndexes makes indexes and side tables, and makes anew those whose declaration changed.
func (t *table) makeIndexes(c *sqlite.Conn) error {
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		if ix.List >= 0 {
			if err := t.makeList(c, ix); err != nil {
				return err
			}
			continue
		}
		if err := makeIndex(c, t.indexName(ix), t.indexSQL(ix)); err != nil {
			return err
		}
	}
	return t.makeBlinds(c)
}

func (t *table) indexName(ix *docstore.TableIndex) string { return "i_" + t.Name + "__" + ix.Name }

// orderColumns are the columns of an index in order: account before the fields
// or, in a global index, behind them; the id last unless the fields are unique.
func orderColumns(ix *docstore.TableIndex) []string {
	var cols []string
	if !ix.Global {
		cols = append(cols, "account")
	}
	for i, f := range ix.Fields {
		if i == ix.List {
			cols = append(cols, "v")
			continue
		}
		cols = append(cols, fieldColumn(f))
	}
	if ix.Unique {
		return cols
	}
	if ix.Global {
		cols = append(cols, "account")
	}
	return append(cols, "id")
}

func (t *table) indexSQL(ix *docstore.TableIndex) string {
	cols := orderColumns(ix)
	switch {
	case ix.Name == "id":
		return "CREATE UNIQUE INDEX " + t.indexName(ix) + " ON " + t.name + " (account, id)"
	case ix.Unique:
		last := fieldColumn(ix.Fields[len(ix.Fields)-1])
		return "CREATE UNIQUE INDEX " + t.indexName(ix) + " ON " + t.name + " (" + strings.Join(cols, ", ") + ") WHERE " + last + " IS NOT NULL"
	case slices.Contains(cols, "owner"):
		return "CREATE INDEX " + t.indexName(ix) + " ON " + t.name + " (" + strings.Join(cols, ", ") + ")"
	}
	// the owner rides along, so that counting and skipping hidden people reads the index alone
	return "CREATE INDEX " + t.indexName(ix) + " ON " + t.name + " (" + strings.Join(cols, ", ") + ", owner)"
}

func makeIndex(c *sqlite.Conn, name, sql string) error {
	var have string
	err := each(c, "SELECT sql FROM sqlite_master WHERE type='index' AND name=?",
		func(s *sqlite.Stmt) error { have = s.ColumnText(0); return nil }, name)
	if err != nil || have == sql {
		return err
	}
	if have != "" {
		if _, err := change(c, "DROP INDEX "+name); err != nil {
			return err
		}
	}
	_, err = change(c, sql)
	return err
}

// sideSQL makes the side table of an index over a list: a row per value.
func (t *table) sideSQL(ix *docstore.TableIndex) []string {
	name := t.side(ix.Name)
	def := "CREATE TABLE " + name + " (doc INTEGER NOT NULL, account INTEGER NOT NULL, id INTEGER NOT NULL"
	for i, f := range ix.Fields {
		if i == ix.List {
			def += ", v " + sqlType(t.listKind(f))
		} else if f != "id" && f != "account" {
			def += ", " + fieldColumn(f) + " " + sqlType(t.columnKind(f))
		}
	}
	return []string{def + ")",
		"CREATE INDEX " + name + "_order ON " + name + " (" + strings.Join(append(orderColumns(ix), "doc"), ", ") + ")",
		"CREATE INDEX " + name + "_doc ON " + name + " (doc)"}
}

func (t *table) listKind(name string) docstore.Kind {
	return t.Lists[slices.IndexFunc(t.Lists, func(c docstore.Column) bool { return c.Name == name })].Kind
}

func (t *table) columnKind(name string) docstore.Kind {
	for _, c := range t.Columns {
		if c.Name == name {
			return c.Kind
		}
	}
	return docstore.Int // Meta's
}

// makeSide makes the side table of a list, empty; makeDerived notes whether it is to be filled.
func (t *table) makeSide(c *sqlite.Conn, name string, sqls []string) error {
	var have string
	err := each(c, "SELECT sql FROM sqlite_master WHERE type='table' AND name=?",
		func(s *sqlite.Stmt) error { have = s.ColumnText(0); return nil }, name)
	if err != nil || have == sqls[0] {
		return err
	}
	if have != "" {
		if _, err := change(c, "DROP TABLE "+name); err != nil {
			return err
		}
	}
	for _, sql := range sqls {
		if _, err := change(c, sql); err != nil {
			return err
		}
	}
	return nil
}
