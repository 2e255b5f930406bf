package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

var _ docstore.Inspector = inspection{}

// Integrity runs SQLite's own check, of which "ok" is the only good answer.
func (b inspection) Integrity(ctx context.Context, f func(string) error) error {
	return b.see(ctx, func(c *sqlite.Conn) error {
		return each(c, "PRAGMA integrity_check", func(s *sqlite.Stmt) error {
			if text := s.ColumnText(0); text != "ok" {
				return f(text)
			}
			return nil
		})
	})
}

// Entries walks the ring.
func (b inspection) Entries(ctx context.Context, f func(docstore.Entry, ring.Mode) error) error {
	return b.see(ctx, func(c *sqlite.Conn) error {
		return each(c, "SELECT account, subject, modes FROM ring ORDER BY account, subject", func(s *sqlite.Stmt) error {
			e, err := entryOf(c, ring.Subject{Account: s.ColumnInt64(0), ID: s.ColumnInt64(1)})
			if err != nil {
				return err
			}
			return f(e, ring.Mode(s.ColumnInt64(2)))
		})
	})
}

// uses are the states of slots; what a crash left half-filled is to be filled again.
var uses = map[int64]docstore.Use{0: docstore.Void, 1: docstore.Filling, 2: docstore.Free, 3: docstore.Given, 4: docstore.Filling}

// Slots walks the slots.
func (b inspection) Slots(ctx context.Context, f func(docstore.SlotState) error) error {
	return b.see(ctx, func(c *sqlite.Conn) error {
		return each(c, "SELECT idx, account, kid, state FROM slots ORDER BY idx", func(s *sqlite.Stmt) error {
			slot := keyring.Slot{Index: s.ColumnInt64(0), Account: s.ColumnInt64(1), ID: columnKey(s, 2)}
			return f(docstore.SlotState{Slot: slot, Use: uses[s.ColumnInt64(3)]})
		})
	})
}

// Claims walks the claims.
func (b inspection) Claims(ctx context.Context, f func(docstore.Claim) error) error {
	return b.see(ctx, func(c *sqlite.Conn) error {
		return each(c, "SELECT account, hash, subject, at FROM claims ORDER BY account, subject", func(s *sqlite.Stmt) error {
			return f(docstore.Claim{Account: s.ColumnInt64(0), Hash: columnBytes(s, 1), Subject: s.ColumnInt64(2), At: s.ColumnInt64(3)})
		})
	})
}

// Sequences walks the sequences.
func (b inspection) Sequences(ctx context.Context, f func(int64, string, int64) error) error {
	return b.see(ctx, func(c *sqlite.Conn) error {
		return each(c, "SELECT account, name, next FROM sequences ORDER BY account, name", func(s *sqlite.Stmt) error {
			return f(s.ColumnInt64(0), s.ColumnText(1), s.ColumnInt64(2))
		})
	})
}

// Size counts the documents of a table.
func (b inspection) Size(ctx context.Context, dt *docstore.Table) (n int64, err error) {
	err = b.see(ctx, func(c *sqlite.Conn) error {
		n, err = queryInt(c, "SELECT count(*) FROM "+b.table(dt).name)
		return err
	})
	return n, err
}

// Unfinished reads which blind indexes are not complete.
func (b inspection) Unfinished(ctx context.Context, dt *docstore.Table) ([]string, error) {
	names, _, err := b.backend.Unbuilt(ctx, dt)
	return names, err
}

// Documents walks the table itself and no index, so that what an index has lost is seen.
func (b inspection) Documents(ctx context.Context, dt *docstore.Table, f func(*docstore.Stored) error) error {
	t := b.table(dt)
	sql := "SELECT " + t.selectList(true) + ", r.modes, r.version, t.doc FROM " + t.name + " t NOT INDEXED" +
		" LEFT JOIN ring r ON r.account=t.account AND r.subject=t.owner ORDER BY t.doc"
	return b.see(ctx, func(c *sqlite.Conn) error {
		return each(c, sql, func(s *sqlite.Stmt) error {
			var d docstore.Stored
			i := t.scan(s, &d.Found)
			d.Modes, d.Met = ring.Mode(s.ColumnInt64(i)), s.ColumnType(i+1) != sqlite.TypeNull
			if err := t.aside(c, s.ColumnInt64(i+2), &d); err != nil {
				return err
			}
			return f(&d)
		})
	})
}

// aside reads what lies of a document in side tables and blind indexes.
func (t *table) aside(c *sqlite.Conn, doc int64, d *docstore.Stored) error {
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		if ix.List < 0 {
			continue
		}
		var values []docstore.Value
		kind := t.listKind(ix.Fields[ix.List])
		err := each(c, "SELECT v FROM "+t.side(ix.Name)+" WHERE doc=?", func(s *sqlite.Stmt) error {
			values = append(values, columnValue(s, 0, kind))
			return nil
		}, doc)
		if err != nil {
			return err
		}
		d.Sides = append(d.Sides, values)
	}
	for _, name := range t.Blinds {
		var tags [][]byte
		err := each(c, "SELECT tag FROM "+t.blind(name)+" WHERE doc=?", func(s *sqlite.Stmt) error {
			tags = append(tags, columnBytes(s, 0))
			return nil
		}, doc)
		if err != nil {
			return err
		}
		d.Tags = append(d.Tags, tags)
	}
	return nil
}

// Left finds entries that name a document which is gone or another one.
func (b inspection) Left(ctx context.Context, dt *docstore.Table, f func(string, int64, int64) error) error {
	t := b.table(dt)
	names := map[string]string{}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.List >= 0 {
			names[ix.Name] = t.side(ix.Name)
		}
	}
	for _, name := range t.Blinds {
		names[name] = t.blind(name)
	}
	return b.see(ctx, func(c *sqlite.Conn) error {
		for index, name := range names {
			err := each(c, "SELECT b.account, b.id FROM "+name+" b LEFT JOIN "+t.name+" d ON d.doc=b.doc"+
				" WHERE d.doc IS NULL OR d.account<>b.account OR d.id<>b.id", func(s *sqlite.Stmt) error {
				return f(index, s.ColumnInt64(0), s.ColumnInt64(1))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
