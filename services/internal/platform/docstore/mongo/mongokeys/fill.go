package mongokeys

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// errBehind means that a rotation began which this process does not know of.
var errBehind = errors.New("the master key was rotated: start this process with the newest master key file")

// Fill writes fresh random keys into slots that are free or void. A slot that
// holds a key of this account keeps it; one of another account gives
// keyring.ErrOccupied before anything is written.
func (k *Keys) Fill(ctx context.Context, account int64, indexes []int64) ([]keyring.Slot, error) {
	slots, err := k.fill(ctx, account, indexes)
	if errors.Is(err, errBehind) && k.o.Master.Reload() == nil {
		slots, err = k.fill(ctx, account, indexes)
	}
	return slots, err
}

func (k *Keys) fill(ctx context.Context, account int64, indexes []int64) ([]keyring.Slot, error) {
	epoch := k.o.Master.Epoch()
	if err := k.current(ctx, epoch); err != nil {
		return nil, err
	}
	w, err := k.wrap(ctx, wrapPlace{account, epoch}, true)
	if err != nil {
		return nil, err
	}
	there, err := k.there(ctx, indexes)
	if err != nil {
		return nil, err
	}
	slots := make([]keyring.Slot, 0, len(indexes))
	var models []driver.WriteModel
	for _, index := range indexes {
		old, known := there[index]
		if known && old.Living && old.Account != account {
			return nil, keyring.ErrOccupied
		}
		if known && old.Living && old.Epoch >= int64(epoch) {
			s := keyring.Slot{Index: index, Account: account}
			copy(s.ID[:], old.Kid.Data)
			slots = append(slots, s)
			continue
		}
		id, record := k.vault.NewKey(w, account, index, epoch)
		doc := stored{ID: slotID(index), Slot: index, Account: account, Kid: bson.Binary{Data: id[:]}, Epoch: int64(epoch), Living: true, Record: bson.Binary{Data: record}}
		if known {
			models = append(models, driver.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: doc.ID}, {Key: "kid", Value: old.Kid}}).SetReplacement(doc))
		} else {
			models = append(models, driver.NewInsertOneModel().SetDocument(doc))
		}
		slots = append(slots, keyring.Slot{Index: index, ID: id, Account: account})
	}
	if len(models) > 0 {
		r, err := k.c.BulkWrite(ctx, models)
		if err != nil {
			return nil, unanswered(err)
		}
		if r.InsertedCount+r.MatchedCount != int64(len(models)) {
			return nil, errors.New("another process filled the same slots")
		}
	}
	// A rotation that began meanwhile may have looked for old records already.
	return slots, k.current(ctx, epoch)
}

// current fails when records of an epoch may not be written any more.
func (k *Keys) current(ctx context.Context, epoch uint32) error {
	st, err := k.stamp(ctx)
	if err != nil {
		return unanswered(err)
	}
	if st.Floor > int64(epoch) {
		return errBehind
	}
	return nil
}

func (k *Keys) there(ctx context.Context, indexes []int64) (map[int64]stored, error) {
	ids := bson.A{}
	for _, i := range indexes {
		ids = append(ids, slotID(i))
	}
	cur, err := k.c.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return nil, unanswered(err)
	}
	var all []stored
	if err := cur.All(ctx, &all); err != nil {
		return nil, unanswered(err)
	}
	out := make(map[int64]stored, len(all))
	for _, s := range all {
		out[s.Slot] = s
	}
	return out, nil
}
