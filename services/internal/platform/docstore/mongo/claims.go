package mongo

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

type storedClaim struct {
	ID      string `bson:"_id"`
	Account int64  `bson:"account"`
	Subject int64  `bson:"subject"`
	At      int64  `bson:"at"`
}

func claimID(account int64, hash []byte) string {
	return strconv.FormatInt(account, 10) + ":" + hex.EncodeToString(hash)
}

// claim reads a claim, void or not.
func (b *Backend) claim(ctx context.Context, id string) (c storedClaim, err error) {
	ctx, stop := b.reading(ctx)
	defer stop()
	err = b.claims.FindOne(ctx, idIs(id)).Decode(&c)
	return c, failure(ctx, err)
}

// void reports whether the holder's entry frees its claims. That never ends again.
func (b *Backend) void(ctx context.Context, c *storedClaim, void ring.Mode) (bool, error) {
	e, err := b.entry(ctx, b.ring, ring.Subject{Account: c.Account, ID: c.Subject})
	return e.Modes()&void != 0, err
}

// PutClaim inserts, or takes over from a holder whose claim is void by compare-and-swap on the holder.
func (b *Backend) PutClaim(ctx context.Context, cl docstore.Claim, void ring.Mode) error {
	c := storedClaim{ID: claimID(cl.Account, cl.Hash), Account: cl.Account, Subject: cl.Subject, At: cl.At}
	for {
		wctx, stop := b.writing(ctx)
		_, err := b.claims.InsertOne(wctx, c)
		err = failure(wctx, err)
		stop()
		if !errors.Is(err, docstore.ErrExists) {
			return err
		}
		held, err := b.claim(ctx, c.ID)
		if errors.Is(err, docstore.ErrNotFound) {
			continue
		}
		if err != nil || held.Subject == cl.Subject {
			return err
		}
		free, err := b.void(ctx, &held, void)
		if err != nil {
			return err
		}
		if !free {
			return &docstore.Taken{Subject: held.Subject}
		}
		if err := b.MoveClaim(ctx, cl, held.Subject); !errors.Is(err, docstore.ErrStale) {
			return err
		}
	}
}

// MoveClaim is a compare-and-swap on the holder.
func (b *Backend) MoveClaim(ctx context.Context, cl docstore.Claim, from int64) error {
	wctx, stop := b.writing(ctx)
	defer stop()
	r, err := b.claims.UpdateOne(wctx, bson.D{{Key: "_id", Value: claimID(cl.Account, cl.Hash)}, {Key: "subject", Value: from}},
		set(bson.D{{Key: "subject", Value: cl.Subject}, {Key: "at", Value: cl.At}}))
	if err == nil && r.MatchedCount == 0 {
		return docstore.ErrStale
	}
	return failure(wctx, err)
}

// GetClaim reads a claim whose holder lives.
func (b *Backend) GetClaim(ctx context.Context, account int64, hash []byte, void ring.Mode) (docstore.Claim, error) {
	c, err := b.claim(ctx, claimID(account, hash))
	if err != nil {
		return docstore.Claim{}, err
	}
	free, err := b.void(ctx, &c, void)
	if err == nil && free {
		err = docstore.ErrNotFound
	}
	return docstore.Claim{Account: account, Hash: hash, Subject: c.Subject, At: c.At}, err
}

// DropClaim removes a claim its holder gives up.
func (b *Backend) DropClaim(ctx context.Context, account int64, hash []byte, subject int64) error {
	wctx, stop := b.writing(ctx)
	defer stop()
	_, err := b.claims.DeleteOne(wctx, bson.D{{Key: "_id", Value: claimID(account, hash)}, {Key: "subject", Value: subject}})
	return failure(wctx, err)
}

func heldBy(s ring.Subject) bson.D {
	return bson.D{{Key: "account", Value: s.Account}, {Key: "subject", Value: s.ID}}
}

// DropClaims removes all claims of a subject.
func (b *Backend) DropClaims(ctx context.Context, s ring.Subject) (int64, error) {
	b.commits.Add(1)
	ctx, stop := b.reading(ctx)
	defer stop()
	r, err := b.claims.DeleteMany(ctx, heldBy(s))
	if err != nil {
		return 0, failure(ctx, err)
	}
	return r.DeletedCount, nil
}

// CountClaims counts the claims of a subject.
func (b *Backend) CountClaims(ctx context.Context, s ring.Subject) (int64, error) {
	ctx, stop := b.reading(ctx)
	defer stop()
	n, err := b.claims.CountDocuments(ctx, heldBy(s))
	return n, failure(ctx, err)
}
