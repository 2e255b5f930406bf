package sqlite

import (
	"context"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// blindsTable says of every blind index what it is made of and how far it is
// built: done, or behind which document building goes on. Files of format 1 have none.
const blindsTable = `CREATE TABLE IF NOT EXISTS blinds (tbl TEXT NOT NULL, name TEXT NOT NULL, form TEXT NOT NULL,
	done INTEGER NOT NULL, account INTEGER, id INTEGER, PRIMARY KEY (tbl, name)) WITHOUT ROWID`

// makeBlinds makes the tables of blind indexes and drops those no longer declared.
// What is new or of another form while documents are there stays to be built.
func (t *table) makeBlinds(c *sqlite.Conn) error {
	declared, _ := t.Derived()
	var stale []string
	err := each(c, "SELECT name FROM blinds WHERE tbl=?", func(s *sqlite.Stmt) error {
		if name := s.ColumnText(0); !slices.Contains(declared, name) {
			stale = append(stale, name)
		}
		return nil
	}, t.Name)
	if err != nil {
		return err
	}
	for _, name := range stale {
		// nobody would keep it up to date: declared again one day, it is built anew
		dead := t.blind(name)
		if index, list := strings.CutPrefix(name, docstore.ListPrefix); list {
			dead = t.side(index)
		}
		if _, err := change(c, "DROP TABLE IF EXISTS "+dead); err != nil {
			return err
		}
		if _, err := change(c, "DELETE FROM blinds WHERE tbl=? AND name=?", t.Name, name); err != nil {
			return err
		}
	}
	for i, name := range t.Blinds {
		if err := t.makeBlind(c, name, t.Forms[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) makeBlind(c *sqlite.Conn, name, form string) error {
	bt := t.blind(name)
	have, err := queryInt(c, "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type='table' AND name=?)", bt)
	if err != nil {
		return err
	}
	if have == 0 {
		for _, sql := range []string{
			"CREATE TABLE " + bt + " (account INTEGER NOT NULL, tag BLOB NOT NULL, id INTEGER NOT NULL, doc INTEGER NOT NULL, PRIMARY KEY (account, tag, id)) WITHOUT ROWID",
			"CREATE INDEX " + bt + "_doc ON " + bt + " (doc)",
		} {
			if _, err := change(c, sql); err != nil {
				return err
			}
		}
	}
	return t.noteDerived(c, name, form, have)
}

// makeList makes the side table of an index over a list.
func (t *table) makeList(c *sqlite.Conn, ix *docstore.TableIndex) error {
	sqls := t.sideSQL(ix)
	have, err := queryInt(c, "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type='table' AND name=? AND sql=?)", t.side(ix.Name), sqls[0])
	if err == nil {
		err = t.makeSide(c, t.side(ix.Name), sqls)
	}
	if err != nil {
		return err
	}
	if have == 0 {
		// declared anew or otherwise: what was built is gone
		if _, err := change(c, "DELETE FROM blinds WHERE tbl=? AND name=?", t.Name, docstore.ListPrefix+ix.Name); err != nil {
			return err
		}
	}
	names, forms := t.Derived()
	return t.noteDerived(c, docstore.ListPrefix+ix.Name, forms[slices.Index(names, docstore.ListPrefix+ix.Name)], have)
}

// noteDerived records an index that documents have to be opened for, and whether it is to be built.
func (t *table) noteDerived(c *sqlite.Conn, name, form string, have int64) error {
	// One that was there without a record is of format 1, which had no index that was not complete.
	_, err := change(c, "INSERT INTO blinds (tbl, name, form, done) VALUES (?1,?2,?3, ?4 OR NOT EXISTS(SELECT 1 FROM "+t.name+"))"+
		" ON CONFLICT (tbl, name) DO UPDATE SET form=excluded.form, done=NOT EXISTS(SELECT 1 FROM "+t.name+"), account=NULL, id=NULL WHERE form<>excluded.form",
		t.Name, name, form, have)
	return err
}

// Unbuilt reads which blind indexes are not complete and how far the least of them is.
func (b *backend) Unbuilt(ctx context.Context, dt *docstore.Table) (blinds []string, after *docstore.Position, err error) {
	err = b.read(ctx, false, func(c *sqlite.Conn) error {
		return each(c, "SELECT name, account, id FROM blinds WHERE tbl=? AND done=0 ORDER BY account DESC, id DESC", func(s *sqlite.Stmt) error {
			blinds, after = append(blinds, s.ColumnText(0)), nil
			if s.ColumnType(1) != sqlite.TypeNull {
				after = &docstore.Position{Account: s.ColumnInt64(1), ID: s.ColumnInt64(2)}
			}
			return nil
		}, dt.Name)
	})
	return blinds, after, err
}

// Walk reads documents of all accounts.
func (b *backend) Walk(ctx context.Context, dt *docstore.Table, after *docstore.Position, limit int, forbidden ring.Mode) (hits docstore.Hits, err error) {
	t := b.table(dt)
	sql := "SELECT " + t.selectList(true) + ", r.modes FROM " + t.name + " t INDEXED BY i_" + t.Name + "__id" +
		" CROSS JOIN ring r ON r.account=t.account AND r.subject=t.owner"
	var args []any
	if after != nil {
		sql, args = sql+" WHERE (t.account, t.id)>(?,?)", []any{after.Account, after.ID}
	}
	err = b.read(ctx, true, func(c *sqlite.Conn) error {
		return each(c, sql+" ORDER BY t.account, t.id"+limitTail, func(s *sqlite.Stmt) error {
			var row docstore.Found
			if ring.Mode(s.ColumnInt64(t.scan(s, &row)))&forbidden != 0 {
				row.Fenced, row.Sealed, row.Body = true, nil, nil
			}
			hits.Rows = append(hits.Rows, row)
			return nil
		}, append(args, limit+1)...)
	})
	if err == nil && len(hits.Rows) > limit {
		hits.Rows = hits.Rows[:limit]
		end := &hits.Rows[limit-1]
		hits.Last = &docstore.Position{Account: end.Account, ID: end.ID}
	}
	return hits, err
}

// Retag replaces tags, all in one step.
func (b *backend) Retag(ctx context.Context, dt *docstore.Table, docs []docstore.Retag) (late []int, err error) {
	t := b.table(dt)
	err = b.write(ctx, true, func(c *sqlite.Conn) error {
		late = nil
		for i := range docs {
			d := &docs[i]
			doc := int64(0)
			err := each(c, "SELECT doc FROM "+t.name+" WHERE account=+? AND id=+? AND rev=?", func(s *sqlite.Stmt) error {
				doc = s.ColumnInt64(0)
				return nil
			}, d.Account, d.ID, d.Rev)
			if err != nil {
				return err
			}
			if doc == 0 {
				late = append(late, i)
				continue
			}
			if err := t.writeTags(c, doc, d.Account, d.ID, d.Tags, false); err != nil {
				return err
			}
			if !d.SetLists {
				continue
			}
			if err := t.writeLists(c, doc, &d.Row, false); err != nil {
				return err
			}
		}
		return nil
	})
	return late, err
}

// Built records how far blind indexes are built.
func (b *backend) Built(ctx context.Context, dt *docstore.Table, blinds []string, upto *docstore.Position) error {
	return b.write(ctx, true, func(c *sqlite.Conn) error {
		for _, name := range blinds {
			done, account, id := int64(1), any(nil), any(nil)
			if upto != nil {
				done, account, id = 0, upto.Account, upto.ID
			}
			if _, err := change(c, "UPDATE blinds SET done=?, account=?, id=? WHERE tbl=? AND name=?", done, account, id, dt.Name, name); err != nil {
				return err
			}
		}
		return nil
	})
}
