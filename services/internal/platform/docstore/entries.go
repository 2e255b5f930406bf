package docstore

import (
	"context"
	"errors"
	"slices"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Entry returns what this service keeps of a subject: a zero entry and
// ErrNotFound when it never met it.
func (db *DB) Entry(ctx context.Context, s ring.Subject) (ring.Entry, error) {
	db.reads.Add(1)
	e, err := db.b.Entry(ctx, s)
	e.HasKey = err == nil && e.Slot != NoSlot // the zero entry's slot is not NoSlot
	return e.Entry, err
}

// Fence adds a fence, once per saga and mode, and remembers its token. It makes
// the entry of a subject never met, so that what comes later is refused too.
// ErrStale when the token is lower than one seen before. Once the key is
// destroyed only the saga that did it may fence on, with Erasing or Erased; others get ErrFenced.
// It returns when no write can get past the fence any more, also where the fence stood already.
func (db *DB) Fence(ctx context.Context, s ring.Subject, f ring.Fence) error {
	err := db.change(ctx, s, func(e *Entry) (bool, error) {
		if f.Token.Compare(e.Highest) < 0 {
			return false, ErrStale
		}
		if e.Destroyed || e.Dying {
			if f.Mode&^(ring.Erasing|ring.Erased) != 0 || !erasedBy(e.Entry, f.Saga) {
				return false, ErrFenced
			}
		}
		for i, old := range e.Fences {
			if old.Saga == f.Saga && old.Mode == f.Mode {
				if old.Token == f.Token && e.Highest == f.Token {
					return false, nil
				}
				e.Fences[i].Token, e.Highest = f.Token, f.Token
				return true, nil
			}
		}
		e.Fences, e.Highest = append(e.Fences, f), f.Token
		return true, nil
	})
	if err != nil {
		return err
	}
	return db.calm(ctx, s)
}

// Unfence removes a saga's fences, whatever their mode, and remembers the token,
// so that a late fence of that saga is refused. ErrStale on a lower token,
// ErrFenced once the key is destroyed. It is harmless where that saga has no fence.
func (db *DB) Unfence(ctx context.Context, s ring.Subject, saga string, t ring.Token) error {
	return db.change(ctx, s, func(e *Entry) (bool, error) {
		switch {
		case t.Compare(e.Highest) < 0:
			return false, ErrStale
		case e.Destroyed || e.Dying:
			return false, ErrFenced
		}
		before := len(e.Fences)
		e.Fences = slices.DeleteFunc(e.Fences, func(f ring.Fence) bool { return f.Saga == saga })
		changed := len(e.Fences) != before || e.Highest != t || e.Version == 0
		e.Highest = t
		return changed, nil
	})
}

// Destroy destroys the subject's key for good: first in the key file, then in
// the entry, whose slot becomes free only with that. It needs an Erasing fence
// of the same saga (else ErrFenced) and no lower token (else ErrStale). A repeat,
// also after a crash at any point, is harmless and touches nobody else's key.
func (db *DB) Destroy(ctx context.Context, s ring.Subject, saga string, t ring.Token) error {
	err := db.change(ctx, s, func(e *Entry) (bool, error) {
		if t.Compare(e.Highest) < 0 {
			return false, ErrStale
		}
		if !erasedBy(e.Entry, saga) {
			return false, ErrFenced
		}
		if e.Destroyed {
			return false, nil
		}
		e.Highest = t
		if db.b.Shared() && !e.Dying {
			// another process could take the fence away between our look and
			// the key's end: from here on it cannot
			e.Dying = true
			if err := db.put(ctx, e); err != nil {
				return false, err
			}
		}
		if e.Slot != NoSlot {
			if err := db.keys.Destroy(ctx, e.Slot, e.Kid); err != nil {
				return false, unavailable(err)
			}
		}
		e.Destroyed = true
		return true, nil
	})
	if err == nil && s.ID == 0 {
		db.forget(s.Account)
	}
	return err
}

// erasedBy reports whether the saga has an Erasing fence in the entry.
func erasedBy(e ring.Entry, saga string) bool {
	return slices.ContainsFunc(e.Fences, func(f ring.Fence) bool { return f.Saga == saga && f.Mode.Has(ring.Erasing) })
}

// change reads an entry, lets f alter it and writes it back, again when somebody
// else was faster. f answers false to leave it.
func (db *DB) change(ctx context.Context, s ring.Subject, f func(*Entry) (bool, error)) error {
	mu := db.stripe(s)
	mu.Lock()
	defer mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		db.reads.Add(1)
		e, err := db.b.Entry(ctx, s)
		switch {
		case errors.Is(err, ErrNotFound):
			e = Entry{Entry: ring.Entry{Subject: s}, Slot: NoSlot}
		case err != nil:
			return err
		}
		write, err := f(&e)
		if err == nil && write {
			err = db.put(ctx, &e)
		}
		if !errors.Is(err, errRaced) {
			return err
		}
	}
}

// errRaced is a lost compare-and-swap on an entry; change tries again.
var errRaced = errors.New("entry changed meanwhile")

func (db *DB) put(ctx context.Context, e *Entry) error {
	db.writes.Add(1)
	err := db.b.PutEntry(ctx, *e)
	if errors.Is(err, ErrStale) {
		return errRaced
	}
	if err == nil {
		e.Version++
	}
	return err
}
