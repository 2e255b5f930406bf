package sqlite

import (
	"bytes"
	"context"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// owner is what a write must know of a ring entry.
type owner struct {
	known  bool
	modes  ring.Mode
	hasKey bool
	kid    keyring.KeyID
}

func ownerOf(c *sqlite.Conn, account, subject int64) (o owner, err error) {
	err = each(c, "SELECT modes, slot, kid FROM ring WHERE account=? AND subject=?", func(s *sqlite.Stmt) error {
		o = owner{known: true, modes: ring.Mode(s.ColumnInt64(0)), hasKey: s.ColumnType(1) != sqlite.TypeNull, kid: columnKey(s, 2)}
		return nil
	}, account, subject)
	return o, err
}

// admit checks a guard against the owner. It writes nothing.
func admit(c *sqlite.Conn, o owner, g *docstore.Guard) error {
	switch {
	case o.modes&g.Forbidden != 0:
		return docstore.ErrFenced
	case !g.NeedKey:
		return nil
	case o.modes&docstore.Gone != 0:
		return docstore.ErrFenced
	case o.hasKey && o.kid != g.Kid, !o.hasKey && g.Assign == nil:
		return docstore.ErrOtherKey
	case o.hasKey:
		return nil
	}
	return slotFree(c, g.Assign)
}

func slotFree(c *sqlite.Conn, slot *keyring.Slot) error {
	n, err := queryInt(c, "SELECT EXISTS(SELECT 1 FROM slots WHERE idx=? AND state=2 AND kid=?)", slot.Index, slot.ID)
	if err == nil && n == 0 {
		err = docstore.ErrSlotTaken
	}
	return err
}

// assign gives a free slot to a subject; slotFree was true in this transaction.
func assign(c *sqlite.Conn, account, subject int64, slot *keyring.Slot) error {
	if _, err := change(c, "UPDATE slots SET state=3 WHERE idx=?", slot.Index); err != nil {
		return err
	}
	_, err := change(c, `INSERT INTO ring (account, subject, version, modes, slot, kid, seq, epoch, stage, dying)
		VALUES (?,?,1,0,?,?,0,0,0,0) ON CONFLICT (account, subject)
		DO UPDATE SET version=version+1, slot=excluded.slot, kid=excluded.kid`, account, subject, slot.Index, slot.ID)
	return err
}

// Insert writes a document after its guard.
func (b *backend) Insert(ctx context.Context, dt *docstore.Table, w *docstore.Write) error {
	t := b.table(dt)
	multi := w.Assign != nil || len(t.sides) > 0 || len(t.Blinds) > 0
	return b.write(ctx, multi, func(c *sqlite.Conn) error {
		o, err := ownerOf(c, w.Account, w.Owner)
		if err == nil {
			err = admit(c, o, &w.Guard)
		}
		if err != nil {
			return err
		}
		n, err := change(c, t.insert, t.insertArgs(w)...)
		if err != nil {
			return err
		}
		if n == 0 {
			return docstore.ErrExists
		}
		doc := c.LastInsertRowID()
		if w.Assign != nil && !o.hasKey {
			if err := assign(c, w.Account, w.Owner, w.Assign); err != nil {
				return err
			}
		}
		return t.writeSides(c, doc, w, true)
	})
}

func (t *table) insertArgs(w *docstore.Write) []any {
	args := make([]any, 0, len(dataColumns)+len(t.Columns)+3)
	args = append(args, w.Account, w.ID, w.Owner, w.Rev, w.Created, w.Updated, w.Row.Kid, w.SealVer, w.BodyVer)
	for _, v := range w.Values {
		args = append(args, v)
	}
	return append(args, w.Clear, w.Sealed, w.Body)
}

// Update replaces a document after the guards of its old and its new owner.
func (b *backend) Update(ctx context.Context, dt *docstore.Table, w *docstore.Write) error {
	t := b.table(dt)
	multi := w.Assign != nil || len(t.sides) > 0 || w.Tags != nil && len(t.Blinds) > 0
	return b.write(ctx, multi, func(c *sqlite.Conn) error {
		doc, old, changed, err := t.changes(c, w)
		if err != nil {
			return err
		}
		o := owner{}
		if old != w.Owner || w.NeedKey {
			if o, err = ownerOf(c, w.Account, w.Owner); err == nil {
				err = admit(c, o, &w.Guard)
			}
			if err != nil {
				return err
			}
		}
		n, err := change(c, t.updateSQL(w, changed), t.updateArgs(w, changed, doc)...)
		if err != nil {
			return err
		}
		if n == 0 {
			return docstore.ErrExists
		}
		if w.Assign != nil && !o.hasKey {
			if err := assign(c, w.Account, w.Owner, w.Assign); err != nil {
				return err
			}
		}
		return t.writeSides(c, doc, w, false)
	})
}

func (t *table) updateArgs(w *docstore.Write, changed uint64, doc int64) []any {
	args := make([]any, 0, len(t.Columns)+11)
	for _, s := range t.settings {
		switch {
		case !s.sets(changed):
		case s.name == "rev":
			args = append(args, w.Rev+1)
		default:
			args = append(args, t.value(&w.Row, s.name))
		}
	}
	args = append(args, w.Row.Kid, w.SealVer, w.BodyVer, w.Clear)
	if w.SetSealed {
		args = append(args, w.Sealed)
	}
	if w.SetBody {
		args = append(args, w.Body)
	}
	return append(args, doc)
}

// current finds a document for a write: its row and owner. rev 0 takes any.
func (t *table) current(c *sqlite.Conn, account, id, rev int64, forbidden ring.Mode) (doc, own int64, err error) {
	return t.look(c, account, id, rev, forbidden, func(*sqlite.Stmt) {})
}

// changes is current for an update; changed has a bit for each watched column
// whose stored value is another one than w's.
func (t *table) changes(c *sqlite.Conn, w *docstore.Write) (doc, own int64, changed uint64, err error) {
	doc, own, err = t.look(c, w.Account, w.ID, w.Rev, w.Forbidden, func(s *sqlite.Stmt) {
		for i, col := range t.watched {
			if columnValue(s, headColumns+i, col.kind) != t.value(&w.Row, col.name) {
				changed |= 1 << i
			}
		}
	})
	return doc, own, changed, err
}

// headColumns are those of currentSQL before the watched ones.
const headColumns = 4

// look runs currentSQL and calls f on the document's row.
func (t *table) look(c *sqlite.Conn, account, id, rev int64, forbidden ring.Mode, f func(*sqlite.Stmt)) (doc, own int64, err error) {
	err = docstore.ErrNotFound
	serr := each(c, t.currentSQL, func(s *sqlite.Stmt) error {
		doc, own, err = s.ColumnInt64(0), s.ColumnInt64(1), nil
		switch {
		case ring.Mode(s.ColumnInt64(3))&forbidden != 0:
			err = docstore.ErrFenced
		case rev != 0 && s.ColumnInt64(2) != rev:
			err = docstore.ErrStale
		default:
			f(s)
		}
		return nil
	}, account, id)
	if serr != nil {
		err = serr
	}
	return doc, own, err
}

// writeSides brings the side tables to what the document says now.
func (t *table) writeSides(c *sqlite.Conn, doc int64, w *docstore.Write, fresh bool) error {
	if err := t.writeLists(c, doc, &w.Row, fresh); err != nil {
		return err
	}
	return t.writeTags(c, doc, w.Account, w.ID, w.Tags, fresh)
}

// writeLists brings the side tables of a document's lists to what the row has.
func (t *table) writeLists(c *sqlite.Conn, doc int64, row *docstore.Row, fresh bool) error {
	for _, ix := range t.sides {
		if err := t.writeSide(c, ix, doc, row, fresh); err != nil {
			return err
		}
	}
	return nil
}

// writeTags brings a document's tags to tags; what is nil stays.
func (t *table) writeTags(c *sqlite.Conn, doc, account, id int64, tags [][][]byte, fresh bool) error {
	for i, want := range tags {
		if want == nil {
			continue
		}
		name := t.blind(t.Blinds[i])
		if !fresh {
			same, err := sameTags(c, name, doc, want)
			if err != nil {
				return err
			}
			if same {
				continue
			}
			if _, err := change(c, "DELETE FROM "+name+" WHERE doc=?", doc); err != nil {
				return err
			}
		}
		for _, tag := range want {
			if _, err := change(c, "INSERT INTO "+name+" (account, tag, id, doc) VALUES (?,?,?,?)", account, tag, id, doc); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameTags compares what is stored with want.
func sameTags(c *sqlite.Conn, name string, doc int64, want [][]byte) (bool, error) {
	var have [][]byte
	err := each(c, "SELECT tag FROM "+name+" WHERE doc=?", func(s *sqlite.Stmt) error {
		have = append(have, columnBytes(s, 0))
		return nil
	}, doc)
	same := len(have) == len(want)
	for _, tag := range want {
		same = same && slices.ContainsFunc(have, func(h []byte) bool { return bytes.Equal(h, tag) })
	}
	return same, err
}

// writeSide writes a row per value of the list. Unchanged rows stay untouched: a
// change of state must not rewrite the index of every tag.
func (t *table) writeSide(c *sqlite.Conn, ix *docstore.TableIndex, doc int64, w *docstore.Row, fresh bool) error {
	name := t.side(ix.Name)
	cols := []string{"doc", "account", "id"}
	fixed := []docstore.Value{docstore.IntValue(doc), docstore.IntValue(w.Account), docstore.IntValue(w.ID)}
	at := -1
	for i, f := range ix.Fields {
		switch {
		case i == ix.List:
			at = len(cols)
			cols, fixed = append(cols, "v"), append(fixed, docstore.Value{})
		case f != "id" && f != "account":
			cols, fixed = append(cols, fieldColumn(f)), append(fixed, t.value(w, f))
		}
	}
	var want [][]docstore.Value
	for _, v := range w.Lists[slices.IndexFunc(t.Lists, func(l docstore.Column) bool { return l.Name == ix.Fields[ix.List] })] {
		row := slices.Clone(fixed)
		row[at] = v
		want = append(want, row)
	}
	if !fresh {
		same, err := t.sameRows(c, name, cols, doc, want)
		if err != nil || same {
			return err
		}
		if _, err := change(c, "DELETE FROM "+name+" WHERE doc=?", doc); err != nil {
			return err
		}
	}
	sql := "INSERT INTO " + name + " (" + joined(cols) + ") VALUES (" + marks(len(cols)) + ")"
	for _, row := range want {
		args := make([]any, len(row))
		for i, v := range row {
			args[i] = v
		}
		if _, err := change(c, sql, args...); err != nil {
			return err
		}
	}
	return nil
}

// sameRows compares a document's side rows with what they should be.
func (t *table) sameRows(c *sqlite.Conn, name string, cols []string, doc int64, want [][]docstore.Value) (bool, error) {
	found, same := 0, true
	err := each(c, "SELECT "+joined(cols)+" FROM "+name+" WHERE doc=?", func(s *sqlite.Stmt) error {
		found++
		same = same && slices.ContainsFunc(want, func(row []docstore.Value) bool {
			for i, v := range row {
				kind := v.Kind
				if kind == docstore.Null {
					kind = docstore.Bytes
				}
				if columnValue(s, i, kind) != v {
					return false
				}
			}
			return true
		})
		return nil
	}, doc)
	return same && found == len(want), err
}

// value is a row's value of a name that indexes use.
func (t *table) value(r *docstore.Row, name string) docstore.Value {
	switch name {
	case "id":
		return docstore.IntValue(r.ID)
	case "owner":
		return docstore.IntValue(r.Owner)
	case "rev":
		return docstore.IntValue(r.Rev)
	case "created_at":
		return docstore.IntValue(r.Created)
	case "updated_at":
		return docstore.IntValue(r.Updated)
	}
	for i, c := range t.Columns {
		if c.Name == name {
			return r.Values[i]
		}
	}
	return docstore.Value{}
}

// Delete removes one document.
func (b *backend) Delete(ctx context.Context, dt *docstore.Table, account, id, rev int64, forbidden ring.Mode) error {
	t := b.table(dt)
	return b.write(ctx, len(t.sides)+len(t.Blinds) > 0, func(c *sqlite.Conn) error {
		doc, _, err := t.current(c, account, id, rev, forbidden)
		if err != nil {
			return err
		}
		return t.remove(c, doc)
	})
}

func (t *table) remove(c *sqlite.Conn, doc int64) error {
	if _, err := change(c, "DELETE FROM "+t.name+" WHERE doc=?", doc); err != nil {
		return err
	}
	for _, ix := range t.sides {
		if _, err := change(c, "DELETE FROM "+t.side(ix.Name)+" WHERE doc=?", doc); err != nil {
			return err
		}
	}
	for _, name := range t.Blinds {
		if _, err := change(c, "DELETE FROM "+t.blind(name)+" WHERE doc=?", doc); err != nil {
			return err
		}
	}
	return nil
}

// DeleteWhere removes what a query finds, in one step.
func (b *backend) DeleteWhere(ctx context.Context, dt *docstore.Table, f *docstore.Find) (n int, more bool, err error) {
	t := b.table(dt)
	q := t.query(f)
	err = b.write(ctx, true, func(c *sqlite.Conn) error {
		var docs []int64
		if docs, more, err = q.found(c, f.Limit); err != nil {
			return err
		}
		for _, doc := range docs {
			if err := t.remove(c, doc); err != nil {
				return err
			}
		}
		n = len(docs)
		return nil
	})
	return n, more, err
}
