package docstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"reflect"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Insert writes a new document and sets its Rev to 1, and the times that are
// zero to now. The first document of an owner makes its ring entry and takes a key, in the
// same step. ErrExists for a taken id or unique key, ErrFenced, ErrTooLarge.
func (c *Collection[T]) Insert(ctx context.Context, p ring.Purpose, doc *T) error {
	v := reflect.ValueOf(doc).Elem()
	m := metaOf(v)
	forbidden, err := c.begin(p, m)
	if err != nil {
		return err
	}
	c.stamp(m)
	row, plain, err := c.split(v)
	if err != nil {
		return err
	}
	row.Rev = 1
	if row.Tags, err = c.tags(ctx, v, m.Account, true, true); err != nil {
		return err
	}
	w := &Write{Row: row, SetSealed: true, SetBody: true, Guard: Guard{Forbidden: forbidden}}
	err = c.sealAndWrite(ctx, w, plain, func() error { return c.db.b.Insert(ctx, c.table, w) })
	if err != nil {
		return err
	}
	m.Rev = 1
	m.stored = remember(&w.Row, plain)
	return nil
}

// begin checks purpose and account of a write.
func (c *Collection[T]) begin(p ring.Purpose, m *Meta) (ring.Mode, error) {
	if err := c.right(m.Account); err != nil {
		return 0, err
	}
	return mask(p)
}

// remember makes the memory of a document whose parts were all just written.
func remember(row *Row, plain parts) *stored {
	return &stored{account: row.Account, id: row.ID, owner: row.Owner, kid: row.Kid, sealVer: row.SealVer,
		bodyVer: row.BodyVer, sealed: plain.sealed, bodySum: sha256.Sum256(plain.body), withBody: true}
}

// sealAndWrite seals the parts w sets with the owner's key and calls write,
// again with another key if the owner's turned out to be one.
func (c *Collection[T]) sealAndWrite(ctx context.Context, w *Write, plain parts, write func() error) error {
	s := ring.Subject{Account: w.Account, ID: w.Owner}
	before := w.Row
	return tries(func() error {
		w.Row = before
		k, err := c.db.keyFor(ctx, s, w.Forbidden)
		if err != nil {
			return err
		}
		if w.SetSealed != w.SetBody && before.Kid != k.kid {
			// the part that stays is sealed with a key that is not the owner's any more
			c.db.settle(w.Account, k.assign, ErrFenced)
			return ErrFenced
		}
		c.sealInto(w, k.key, k.kid, plain)
		w.NeedKey, w.Guard.Kid, w.Assign = true, k.kid, k.assign
		c.db.writes.Add(1)
		err = write()
		c.db.settle(w.Account, k.assign, err)
		return err
	})
}

func (c *Collection[T]) sealInto(w *Write, key *keyring.Key, kid keyring.KeyID, plain parts) {
	w.Row.Kid = kid
	if w.SetSealed {
		w.SealVer++
		w.Sealed = c.db.seal(key, plain.sealed, additional(c.table.Name, w.Account, w.ID, kid, w.SealVer, sealedPart))
	}
	if w.SetBody {
		w.BodyVer++
		w.Body = c.db.seal(key, plain.body, additional(c.table.Name, w.Account, w.ID, kid, w.BodyVer, bodyPart))
	}
}

// Update replaces the document whose revision is doc.Rev and sets the new one.
// ErrStale when somebody was faster, ErrNotFound, ErrFenced, ErrExists for a unique
// key. Sealed parts are rewritten only when they changed, so a change of state
// needs no key; a document found without bodies keeps its stored body. A changed
// Owner re-seals the document with the new owner's key, if both owners' fences allow the purpose.
func (c *Collection[T]) Update(ctx context.Context, p ring.Purpose, doc *T) error {
	v := reflect.ValueOf(doc).Elem()
	m := metaOf(v)
	forbidden, err := c.begin(p, m)
	if err != nil {
		return err
	}
	c.stamp(m)
	row, plain, err := c.split(v)
	if err != nil {
		return err
	}
	w := &Write{Row: row, Guard: Guard{Forbidden: forbidden}}
	st := m.stored
	if st != nil && (st.account != m.Account || st.id != m.ID) {
		st = nil
	}
	if plain, err = c.plan.compare(w, st, plain); err != nil {
		return err
	}
	full, err := c.complete(ctx, p, w, st, plain)
	if err != nil {
		return err
	}
	// a body that was fetched is not in v, and has not changed: its tags stay
	mine := w.SetBody && (plain.body != nil || full.body == nil)
	plain = full
	if err := c.update(ctx, v, w, plain, mine); err != nil {
		return err
	}
	m.Rev++
	m.stored = renew(st, w, plain)
	return nil
}

// compare sets which parts have changed.
func (*plan) compare(w *Write, st *stored, plain parts) (parts, error) {
	if st == nil {
		w.SetSealed, w.SetBody = true, true
		return plain, nil
	}
	w.SealVer, w.BodyVer, w.Row.Kid = st.sealVer, st.bodyVer, st.kid
	moved := st.owner != w.Owner
	w.SetSealed = moved || !bytes.Equal(st.sealed, plain.sealed)
	switch {
	case moved:
		w.SetBody = true
	case st.withBody:
		w.SetBody = st.bodySum != sha256.Sum256(plain.body)
	default:
		w.SetBody = plain.body != nil
	}
	if st.gone && !moved && (w.SetSealed || w.SetBody) {
		// what is stored is noise under a dead key; nothing new can stand beside it
		return plain, ErrFenced
	}
	return plain, nil
}

// complete fetches what an Update needs beyond the caller's copy: the seal
// versions of a document made by hand, and the body of one that changes owner and was found without.
func (c *Collection[T]) complete(ctx context.Context, p ring.Purpose, w *Write, st *stored, plain parts) (parts, error) {
	moved := st != nil && st.owner != w.Owner
	if st != nil && !(moved && !st.withBody && plain.body == nil && !st.gone) {
		return plain, nil
	}
	found, err := c.get(ctx, p, w.Account, []int64{w.ID}, true)
	switch {
	case err != nil:
		return plain, err
	case len(found) == 0:
		return plain, ErrNotFound
	case found[0].Fenced:
		return plain, ErrFenced
	case found[0].Rev != w.Rev:
		return plain, ErrStale
	}
	w.SealVer, w.BodyVer = found[0].SealVer, found[0].BodyVer
	if st == nil {
		return plain, nil
	}
	old, err := c.openParts(&found[0])
	if err != nil && !errors.Is(err, ErrFenced) {
		return plain, err
	}
	plain.body = old.body
	return plain, nil
}

// update writes w with a key only if a part is set; ownBody says that v has the body that is written.
func (c *Collection[T]) update(ctx context.Context, v reflect.Value, w *Write, plain parts, ownBody bool) error {
	if !w.SetSealed && !w.SetBody {
		c.db.writes.Add(1)
		return c.db.b.Update(ctx, c.table, w)
	}
	var err error
	if w.Tags, err = c.tags(ctx, v, w.Account, w.SetSealed, ownBody); err != nil {
		return err
	}
	return c.sealAndWrite(ctx, w, plain, func() error { return c.db.b.Update(ctx, c.table, w) })
}

// renew makes the memory of an updated document.
func renew(st *stored, w *Write, plain parts) *stored {
	next := remember(&w.Row, plain)
	if st != nil && !w.SetBody {
		next.bodySum, next.withBody = st.bodySum, st.withBody
	}
	next.gone = st != nil && st.gone && !w.SetSealed
	return next
}

// Delete removes the document with this revision; 0 takes any. ErrNotFound, ErrStale, ErrFenced.
func (c *Collection[T]) Delete(ctx context.Context, p ring.Purpose, account, id, rev int64) error {
	forbidden, err := mask(p)
	if err == nil {
		err = c.right(account)
	}
	if err != nil {
		return err
	}
	c.db.writes.Add(1)
	return c.db.b.Delete(ctx, c.table, account, id, rev, forbidden)
}
