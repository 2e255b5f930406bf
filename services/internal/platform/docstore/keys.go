package docstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// The labels of a document's two sealed parts; they are bound into the seal, so
// that one part never opens as the other.
const (
	sealedPart byte = 's'
	bodyPart   byte = 'b'
)

// maxTries bounds how often a write is sealed again because the owner's key changed below it.
const maxTries = 8

// unavailable brings an error of the key file under the port's errors.
func unavailable(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrGone):
		return ErrFenced
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("%w: key file: %w", ErrUnavailable, err)
}

// mask returns the owner's modes that refuse a purpose. Where the key is gone
// only a sweep goes on: it needs none.
func mask(p ring.Purpose) (ring.Mode, error) {
	m, known := ring.Forbidden(p)
	if !known {
		return 0, ErrFenced
	}
	if p != ring.Sweep {
		m |= Gone
	}
	return m, nil
}

// ownerKey is the key a write seals with: the owner's, or a free one the write assigns.
type ownerKey struct {
	key    *keyring.Key
	kid    keyring.KeyID
	assign *keyring.Slot
}

// keyFor finds the owner's key for a write. The answer is a proposal: the
// backend checks fence and key again in the write itself.
func (db *DB) keyFor(ctx context.Context, s ring.Subject, forbidden ring.Mode) (ownerKey, error) {
	db.reads.Add(1)
	e, err := db.b.Entry(ctx, s)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return ownerKey{}, err
	}
	if e.Modes()&(forbidden|Gone) != 0 {
		return ownerKey{}, ErrFenced
	}
	if err == nil && e.Slot != NoSlot {
		key, err := db.keys.Key(s.Account, e.Slot, e.Kid)
		return ownerKey{key: key, kid: e.Kid}, unavailable(err)
	}
	slot, err := db.takeSlot(ctx, s.Account)
	if err != nil {
		return ownerKey{}, err
	}
	key, err := db.keys.Key(s.Account, slot.Index, slot.ID)
	if errors.Is(err, keyring.ErrGone) {
		// not given back: a slot that does not open is of no use to the next one either
		return ownerKey{}, ErrSlotTaken
	}
	if err != nil {
		return ownerKey{}, unavailable(err)
	}
	return ownerKey{key: key, kid: slot.ID, assign: &slot}, nil
}

// settle gives a proposed slot back if the write certainly did not take it.
// After an unknown outcome it stays aside until the next start.
func (db *DB) settle(account int64, slot *keyring.Slot, err error) {
	if slot == nil || err == nil {
		return
	}
	for _, refusal := range []error{ErrOtherKey, ErrFenced, ErrExists, ErrStale, ErrNotFound, ErrTooLarge} {
		if errors.Is(err, refusal) {
			db.giveBack(account, *slot)
			return
		}
	}
}

// tries calls f again while the owner's key changes below it.
func tries(f func() error) error {
	for range maxTries {
		err := f()
		if !errors.Is(err, ErrOtherKey) && !errors.Is(err, ErrSlotTaken) {
			return err
		}
	}
	return fmt.Errorf("%w: the owner's key keeps changing", ErrUnavailable)
}

// additional is what a sealed part is bound to.
func additional(table string, account, id int64, kid keyring.KeyID, version int64, part byte) []byte {
	b := make([]byte, 0, 64+len(table))
	b = append(b, part)
	b = binary.BigEndian.AppendUint64(b, uint64(account))
	b = binary.BigEndian.AppendUint64(b, uint64(id))
	b = append(b, kid[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(version))
	return append(b, table...)
}

// seal encrypts a part; an absent part stays absent.
func (db *DB) seal(k *keyring.Key, plain, bound []byte) []byte {
	if plain == nil {
		return nil
	}
	db.sealed.Add(1)
	return k.Seal(nil, plain, bound)
}

// open decrypts a part. What does not open under the key it names was altered.
func (db *DB) open(k *keyring.Key, sealed, bound []byte) ([]byte, error) {
	if sealed == nil {
		return nil, nil
	}
	db.opened.Add(1)
	plain, err := k.Open(nil, sealed, bound)
	if err != nil {
		return nil, fmt.Errorf("%w: a document does not open under its owner's key", ErrUnavailable)
	}
	return plain, nil
}

// hasherKey names a key derived from an account's own key.
type hasherKey struct {
	account int64
	label   string
}

// hasher returns the key for keyed hashes of one use in one account, derived
// from the account's own key, which is made at first need.
func (db *DB) hasher(ctx context.Context, account int64, label string) (*keyring.Key, error) {
	if k, ok := db.hashers.Load(hasherKey{account, label}); ok {
		return k.(*keyring.Key), nil
	}
	k, err := db.accountKey(ctx, account)
	if err != nil {
		return nil, err
	}
	d := k.Derive(label)
	db.hashers.Store(hasherKey{account, label}, d)
	return d, nil
}

// accountKey returns the key of an account's own data, owner 0.
func (db *DB) accountKey(ctx context.Context, account int64) (*keyring.Key, error) {
	s := ring.Subject{Account: account}
	db.reads.Add(1)
	e, err := db.b.Entry(ctx, s)
	if errors.Is(err, ErrNotFound) || err == nil && e.Slot == NoSlot && !e.Destroyed {
		err = tries(func() error {
			e, err = db.assign(ctx, s)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	if e.Destroyed {
		return nil, ErrFenced
	}
	k, err := db.keys.Key(account, e.Slot, e.Kid)
	return k, unavailable(err)
}

// assign gives a subject a key before its first document.
func (db *DB) assign(ctx context.Context, s ring.Subject) (Entry, error) {
	slot, err := db.takeSlot(ctx, s.Account)
	if err != nil {
		return Entry{}, err
	}
	db.writes.Add(1)
	e, err := db.b.AssignKey(ctx, s, slot)
	if err == nil && e.Kid != slot.ID {
		db.giveBack(s.Account, slot)
	}
	db.settle(s.Account, &slot, err)
	return e, err
}

// forget drops what was derived from an account's key.
func (db *DB) forget(account int64) {
	db.hashers.Range(func(k, _ any) bool {
		if k.(hasherKey).account == account {
			db.hashers.Delete(k)
		}
		return true
	})
}
