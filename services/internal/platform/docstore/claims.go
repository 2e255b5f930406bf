package docstore

import (
	"context"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// voids are the holder's modes that free a claim: its key is gone, or it is a tombstone.
const voids = Gone | ring.Erased

// claimHash hides a claimed value behind a hash keyed by the account's own key.
func (db *DB) claimHash(ctx context.Context, account int64, kind, value string) ([]byte, error) {
	k, err := db.hasher(ctx, account, "claim/"+kind)
	if err != nil {
		return nil, err
	}
	h := k.MAC([]byte(value))
	return h[:], nil
}

// Claim makes a value unique in an account: kind "email" and the folded address,
// say. *Taken, which is an ErrExists, when another subject holds it whose key
// still lives. Claiming again is harmless.
func (db *DB) Claim(ctx context.Context, account int64, kind, value string, subject int64) error {
	h, err := db.claimHash(ctx, account, kind, value)
	if err != nil {
		return err
	}
	db.writes.Add(1)
	return db.b.PutClaim(ctx, Claim{Account: account, Hash: h, Subject: subject, At: Millis(db.now())}, voids)
}

// MoveClaim gives a claim from one subject to another, in one compare-and-swap:
// ErrStale when from does not hold it. It also takes over a claim whose document
// was never written; the caller decides that.
func (db *DB) MoveClaim(ctx context.Context, account int64, kind, value string, from, to int64) error {
	h, err := db.claimHash(ctx, account, kind, value)
	if err != nil {
		return err
	}
	db.writes.Add(1)
	return db.b.MoveClaim(ctx, Claim{Account: account, Hash: h, Subject: to, At: Millis(db.now())}, from)
}

// Unclaim frees a value if the subject holds it, and is harmless otherwise.
func (db *DB) Unclaim(ctx context.Context, account int64, kind, value string, subject int64) error {
	h, err := db.claimHash(ctx, account, kind, value)
	if err != nil {
		return err
	}
	db.writes.Add(1)
	return db.b.DropClaim(ctx, account, h, subject)
}

// UnclaimAll frees everything a subject holds and returns how much it was. A
// sweep needs it: once the key is gone nobody knows the values any more.
func (db *DB) UnclaimAll(ctx context.Context, s ring.Subject) (int64, error) {
	db.writes.Add(1)
	return db.b.DropClaims(ctx, s)
}

// CountClaims returns how many claims a subject holds, void ones included.
func (db *DB) CountClaims(ctx context.Context, s ring.Subject) (int64, error) {
	db.reads.Add(1)
	return db.b.CountClaims(ctx, s)
}

// Claimant returns who holds a value and since when, ErrNotFound when nobody
// does whose key still lives.
func (db *DB) Claimant(ctx context.Context, account int64, kind, value string) (subject int64, at time.Time, err error) {
	h, err := db.claimHash(ctx, account, kind, value)
	if err != nil {
		return 0, time.Time{}, err
	}
	db.reads.Add(1)
	c, err := db.b.GetClaim(ctx, account, h, voids)
	if err != nil {
		return 0, time.Time{}, err
	}
	return c.Subject, FromMillis(c.At), nil
}
