package sqlite

import (
	"context"

	"github.com/fxamacker/cbor/v2"
	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// storedFence is a fence as it lies in the column.
type storedFence struct {
	_     struct{} `cbor:",toarray"`
	Mode  uint8
	Saga  string
	Seq   int64
	Epoch int32
	Stage int32
}

func encodeFences(fences []ring.Fence) ([]byte, error) {
	if len(fences) == 0 {
		return nil, nil
	}
	out := make([]storedFence, len(fences))
	for i, f := range fences {
		out[i] = storedFence{Mode: uint8(f.Mode), Saga: f.Saga, Seq: f.Token.Sequence, Epoch: f.Token.Epoch, Stage: f.Token.Stage}
	}
	return cbor.Marshal(out)
}

func decodeFences(data []byte) ([]ring.Fence, error) {
	if data == nil {
		return nil, nil
	}
	var in []storedFence
	if err := cbor.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	out := make([]ring.Fence, len(in))
	for i, f := range in {
		out[i] = ring.Fence{Mode: ring.Mode(f.Mode), Saga: f.Saga, Token: ring.Token{Sequence: f.Seq, Epoch: f.Epoch, Stage: f.Stage}}
	}
	return out, nil
}

// Entry reads a ring entry.
func (b *backend) Entry(ctx context.Context, s ring.Subject) (e docstore.Entry, err error) {
	err = b.read(ctx, false, func(c *sqlite.Conn) error {
		e, err = entryOf(c, s)
		return err
	})
	return e, err
}

func entryOf(c *sqlite.Conn, s ring.Subject) (docstore.Entry, error) {
	e := docstore.Entry{Entry: ring.Entry{Subject: s}, Slot: docstore.NoSlot}
	err := each(c, "SELECT version, modes, slot, kid, seq, epoch, stage, dying, fences FROM ring WHERE account=? AND subject=?",
		func(r *sqlite.Stmt) (err error) {
			e.Version = r.ColumnInt64(0)
			e.Destroyed = ring.Mode(r.ColumnInt64(1))&docstore.Gone != 0
			if r.ColumnType(2) != sqlite.TypeNull {
				e.Slot, e.Kid = r.ColumnInt64(2), columnKey(r, 3)
			}
			e.Highest = ring.Token{Sequence: r.ColumnInt64(4), Epoch: r.ColumnInt32(5), Stage: r.ColumnInt32(6)}
			e.Dying = r.ColumnBool(7)
			e.Fences, err = decodeFences(columnBytes(r, 8))
			return err
		}, s.Account, s.ID)
	if err == nil && e.Version == 0 {
		return docstore.Entry{}, docstore.ErrNotFound
	}
	return e, err
}

// PutEntry writes an entry by compare-and-swap on its version; a destroyed
// entry gives its slot back in the same transaction.
func (b *backend) PutEntry(ctx context.Context, e docstore.Entry) error {
	fences, err := encodeFences(e.Fences)
	if err != nil {
		return err
	}
	var slot, kid any
	if e.Slot != docstore.NoSlot && !e.Destroyed {
		slot, kid = e.Slot, e.Kid
	}
	dying := int64(0)
	if e.Dying {
		dying = 1
	}
	void := e.Destroyed && e.Slot != docstore.NoSlot
	return b.write(ctx, void, func(c *sqlite.Conn) error {
		n, err := change(c, `INSERT INTO ring (account, subject, version, modes, slot, kid, seq, epoch, stage, dying, fences)
			SELECT ?1,?2,?3+1,?4,?5,?6,?7,?8,?9,?10,?11 WHERE ?3=0 OR EXISTS(SELECT 1 FROM ring WHERE account=?1 AND subject=?2)
			ON CONFLICT (account, subject) DO UPDATE SET version=excluded.version, modes=excluded.modes, slot=excluded.slot,
			kid=excluded.kid, seq=excluded.seq, epoch=excluded.epoch, stage=excluded.stage, dying=excluded.dying, fences=excluded.fences
			WHERE version=?3`, e.Subject.Account, e.Subject.ID, e.Version, int64(e.Modes()), slot, kid,
			e.Highest.Sequence, int64(e.Highest.Epoch), int64(e.Highest.Stage), dying, fences)
		if err != nil {
			return err
		}
		if n == 0 {
			return docstore.ErrStale
		}
		if !void {
			return nil
		}
		_, err = change(c, "UPDATE slots SET state=0, kid=NULL WHERE idx=? AND kid=?", e.Slot, e.Kid)
		return err
	})
}

// AssignKey gives a subject a key before its first document.
func (b *backend) AssignKey(ctx context.Context, s ring.Subject, slot keyring.Slot) (e docstore.Entry, err error) {
	err = b.write(ctx, true, func(c *sqlite.Conn) error {
		o, err := ownerOf(c, s.Account, s.ID)
		switch {
		case err != nil:
			return err
		case o.modes&docstore.Gone != 0:
			return docstore.ErrFenced
		case !o.hasKey:
			if err = slotFree(c, &slot); err == nil {
				err = assign(c, s.Account, s.ID, &slot)
			}
		}
		if err == nil {
			e, err = entryOf(c, s)
		}
		return err
	})
	return e, err
}

// ReserveSlots takes what a crash left of the account's last filling, then void slots, then new ones.
func (b *backend) ReserveSlots(ctx context.Context, account int64, n int) (out []int64, err error) {
	err = b.write(ctx, true, func(c *sqlite.Conn) error {
		out = out[:0]
		take := func(s *sqlite.Stmt) error {
			out = append(out, s.ColumnInt64(0))
			return nil
		}
		err := each(c, "SELECT idx FROM slots WHERE state=4 AND account=? LIMIT ?", take, account, n)
		if err == nil {
			err = each(c, "SELECT idx FROM slots WHERE state=0 ORDER BY idx LIMIT ?", take, n-len(out))
		}
		if err != nil {
			return err
		}
		next, err := queryInt(c, "SELECT ifnull(max(idx)+1, 0) FROM slots")
		if err != nil {
			return err
		}
		for len(out) < n {
			out = append(out, next)
			next++
		}
		for _, idx := range out {
			if _, err := change(c, "INSERT INTO slots (idx, account, state) VALUES (?,?,1) ON CONFLICT (idx) DO UPDATE SET account=excluded.account, state=1", idx, account); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// OfferSlots declares slots filled.
func (b *backend) OfferSlots(ctx context.Context, slots []keyring.Slot) error {
	return b.write(ctx, true, func(c *sqlite.Conn) error {
		for _, s := range slots {
			if _, err := change(c, "UPDATE slots SET state=2, kid=?, account=? WHERE idx=? AND state=1", s.ID, s.Account, s.Index); err != nil {
				return err
			}
		}
		return nil
	})
}

// FreeSlots lists the filled slots of an account.
func (b *backend) FreeSlots(ctx context.Context, account int64) (out []keyring.Slot, err error) {
	err = b.read(ctx, false, func(c *sqlite.Conn) error {
		return each(c, "SELECT idx, kid FROM slots WHERE state=2 AND account=? ORDER BY idx", func(s *sqlite.Stmt) error {
			out = append(out, keyring.Slot{Index: s.ColumnInt64(0), ID: columnKey(s, 1), Account: account})
			return nil
		}, account)
	})
	return out, err
}

// Lease moves a sequence forward.
func (b *backend) Lease(ctx context.Context, account int64, name string, n int64) (first int64, err error) {
	err = b.write(ctx, false, func(c *sqlite.Conn) error {
		return each(c, "INSERT INTO sequences (account, name, next) VALUES (?1,?2,1+?3) ON CONFLICT (account, name) DO UPDATE SET next=next+?3 RETURNING next-?3",
			func(s *sqlite.Stmt) error { first = s.ColumnInt64(0); return nil }, account, name, n)
	})
	return first, err
}
