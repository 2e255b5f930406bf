package mongokeys

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// rotatePage is how many records are wrapped anew at once.
const rotatePage = 500

// Rotate brings every living key to the master's current epoch, under new
// wrapping keys of the accounts, and reads each back. First it forbids records
// of older epochs and waits until none is under way. Processes that know only
// the old master key go on reading, and fill nothing until they have read the master key
// file again. It may be repeated and interrupted; several processes may do it at once.
func (k *Keys) Rotate(ctx context.Context) error {
	st, err := k.stamp(ctx)
	if err != nil {
		return unanswered(err)
	}
	epoch := k.o.Master.Epoch()
	if st.Epoch >= int64(epoch) {
		return nil
	}
	_, err = k.c.UpdateOne(ctx, bson.D{{Key: "_id", Value: stampID}, {Key: "floor", Value: bson.D{{Key: "$lt", Value: int64(epoch)}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "floor", Value: int64(epoch)}}}})
	if err != nil {
		return unanswered(err)
	}
	if k.o.Settle != nil {
		if err := k.o.Settle(ctx); err != nil {
			return err
		}
	}
	for more := true; more; {
		if more, err = k.rotatePage(ctx, epoch); err != nil {
			return fmt.Errorf("the keys of %s were not rotated: %w", k.o.Service, err)
		}
	}
	return k.finish(ctx, epoch)
}

// rotatePage wraps a page of older records anew, and says whether there may be more.
func (k *Keys) rotatePage(ctx context.Context, epoch uint32) (bool, error) {
	cur, err := k.c.Find(ctx, bson.D{{Key: "living", Value: true}, {Key: "epoch", Value: bson.D{{Key: "$lt", Value: int64(epoch)}}}}, options.Find().SetLimit(rotatePage))
	if err != nil {
		return false, unanswered(err)
	}
	var page []stored
	if err := cur.All(ctx, &page); err != nil {
		return false, unanswered(err)
	}
	for i := range page {
		if err := k.rotateOne(ctx, &page[i], epoch); err != nil {
			return false, fmt.Errorf("slot %d: %w", page[i].Slot, err)
		}
	}
	return len(page) > 0, nil
}

func (k *Keys) rotateOne(ctx context.Context, st *stored, epoch uint32) error {
	from, err := k.wrap(ctx, wrapPlace{st.Account, uint32(st.Epoch)}, false)
	if err != nil {
		return err
	}
	to, err := k.wrap(ctx, wrapPlace{st.Account, epoch}, true)
	if err != nil {
		return err
	}
	record, err := k.vault.Rewrap(from, to, st.Slot, st.Record.Data, epoch)
	if err != nil {
		return err
	}
	was, err := k.vault.Key(from, st.Slot, st.Record.Data)
	if err != nil {
		return err
	}
	// A key that is destroyed meanwhile has another id, and stays destroyed.
	r, err := k.c.UpdateOne(ctx, bson.D{{Key: "_id", Value: st.ID}, {Key: "kid", Value: st.Kid}, {Key: "epoch", Value: st.Epoch}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "epoch", Value: int64(epoch)}, {Key: "record", Value: bson.Binary{Data: record}}}}})
	if err != nil || r.MatchedCount == 0 {
		return unanswered(err)
	}
	is, err := k.fetch(ctx, st.Account, st.Slot, was.ID())
	if errors.Is(err, keyring.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	a, b := was.MAC([]byte("rotate")), is.MAC([]byte("rotate"))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return keyring.ErrCorrupt
	}
	return nil
}

// finish records the epoch and drops the wrapping keys of those before.
func (k *Keys) finish(ctx context.Context, epoch uint32) error {
	check, err := k.vault.Stamp(k.o.Installation, epoch)
	if err != nil {
		return err
	}
	_, err = k.c.UpdateOne(ctx, bson.D{{Key: "_id", Value: stampID}, {Key: "epoch_done", Value: bson.D{{Key: "$lt", Value: int64(epoch)}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "epoch_done", Value: int64(epoch)}, {Key: "check", Value: bson.Binary{Data: check}}}}})
	if err != nil {
		return unanswered(err)
	}
	old := bson.D{{Key: "wrap_epoch", Value: bson.D{{Key: "$lt", Value: int64(epoch)}}}}
	if _, err := k.c.UpdateMany(ctx, old, bson.D{{Key: "$set", Value: bson.D{{Key: "record", Value: bson.Binary{Data: []byte{}}}}}}); err != nil {
		return unanswered(err)
	}
	_, err = k.c.DeleteMany(ctx, old)
	k.mu.Lock()
	defer k.mu.Unlock()
	for p := range k.wraps {
		if p.epoch < epoch {
			delete(k.wraps, p)
		}
	}
	return unanswered(err)
}

// Epoch returns the epoch below which no living key lies.
func (k *Keys) Epoch(ctx context.Context) (uint32, error) {
	st, err := k.stamp(ctx)
	return uint32(st.Epoch), unanswered(err)
}
