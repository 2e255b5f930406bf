package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// PutClaim takes a claim in one statement that also sees whether its holder still lives.
func (b *backend) PutClaim(ctx context.Context, cl docstore.Claim, void ring.Mode) error {
	return b.write(ctx, false, func(c *sqlite.Conn) error {
		n, err := change(c, `INSERT INTO claims (account, hash, subject, at) VALUES (?1,?2,?3,?4)
			ON CONFLICT (account, hash) DO UPDATE SET subject=excluded.subject, at=excluded.at
			WHERE claims.subject<>?3 AND EXISTS(SELECT 1 FROM ring r WHERE r.account=?1 AND r.subject=claims.subject AND r.modes & ?5 <> 0)`,
			cl.Account, cl.Hash, cl.Subject, cl.At, int64(void))
		if err != nil || n > 0 {
			return err
		}
		holder, err := queryInt(c, "SELECT subject FROM claims WHERE account=? AND hash=?", cl.Account, cl.Hash)
		if err == nil && holder != cl.Subject {
			err = &docstore.Taken{Subject: holder}
		}
		return err
	})
}

// MoveClaim is a compare-and-swap on the holder.
func (b *backend) MoveClaim(ctx context.Context, cl docstore.Claim, from int64) error {
	return b.write(ctx, false, func(c *sqlite.Conn) error {
		n, err := change(c, "UPDATE claims SET subject=?, at=? WHERE account=? AND hash=? AND subject=?", cl.Subject, cl.At, cl.Account, cl.Hash, from)
		if err == nil && n == 0 {
			err = docstore.ErrStale
		}
		return err
	})
}

// GetClaim reads a claim whose holder lives.
func (b *backend) GetClaim(ctx context.Context, account int64, hash []byte, void ring.Mode) (cl docstore.Claim, err error) {
	found := false
	err = b.read(ctx, false, func(c *sqlite.Conn) error {
		return each(c, `SELECT c.subject, c.at FROM claims c LEFT JOIN ring r ON r.account=c.account AND r.subject=c.subject
			WHERE c.account=+? AND c.hash=+? AND ifnull(r.modes, 0) & ? = 0`, func(s *sqlite.Stmt) error {
			found = true
			cl = docstore.Claim{Account: account, Hash: hash, Subject: s.ColumnInt64(0), At: s.ColumnInt64(1)}
			return nil
		}, account, hash, int64(void))
	})
	if err == nil && !found {
		err = docstore.ErrNotFound
	}
	return cl, err
}

// DropClaim removes a claim its holder gives up.
func (b *backend) DropClaim(ctx context.Context, account int64, hash []byte, subject int64) error {
	return b.write(ctx, false, func(c *sqlite.Conn) error {
		_, err := change(c, "DELETE FROM claims WHERE account=? AND hash=? AND subject=?", account, hash, subject)
		return err
	})
}

// DropClaims removes all claims of a subject.
func (b *backend) DropClaims(ctx context.Context, s ring.Subject) (n int64, err error) {
	err = b.write(ctx, false, func(c *sqlite.Conn) error {
		k, err := change(c, "DELETE FROM claims WHERE account=? AND subject=?", s.Account, s.ID)
		n = int64(k)
		return err
	})
	return n, err
}

// CountClaims counts the claims of a subject.
func (b *backend) CountClaims(ctx context.Context, s ring.Subject) (n int64, err error) {
	err = b.read(ctx, false, func(c *sqlite.Conn) error {
		n, err = queryInt(c, "SELECT count(*) FROM claims WHERE account=? AND subject=?", s.Account, s.ID)
		return err
	})
	return n, err
}
