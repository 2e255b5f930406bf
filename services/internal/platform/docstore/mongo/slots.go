package mongo

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// The states of a slot. A reserved or free one belongs to the process in holder
// while that lives.
const (
	slotReserved = "reserved"
	slotFree     = "free"
	slotGiven    = "given"
	slotVoid     = "void"
)

// aliveFor is how long after its last sign a process counts as living. A process
// that is taken for dead loses slots it has not given away, nothing else.
const aliveFor = time.Hour

// mostFree is how many left-over slots a process takes at once.
const mostFree = 4096

// storedSlot is a slot of the keys; the key itself lies elsewhere.
type storedSlot struct {
	ID      string      `bson:"_id"`
	Index   int64       `bson:"idx"`
	Account int64       `bson:"account"`
	State   string      `bson:"state"`
	Kid     bson.Binary `bson:"kid"`
	Subject int64       `bson:"subject"`
	Holder  string      `bson:"holder"`
	// Batch names the call that took the slot last.
	Batch string `bson:"batch"`
}

func slotID(index int64) string { return strconv.FormatInt(index, 10) }

// Beat says that this process lives.
func (b *Backend) Beat(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, b.o.WriteLimit)
	defer stop()
	_, err := b.processes.UpdateOne(ctx, idIs(b.process), set(bson.D{{Key: "at", Value: b.o.Now().UnixMilli()}}), options.UpdateOne().SetUpsert(true))
	return failure(ctx, err)
}

// living returns a filter for slots that no living process holds.
func (b *Backend) orphaned(ctx context.Context) (bson.E, error) {
	cur, err := b.processes.Find(ctx, bson.D{{Key: "at", Value: bson.D{{Key: "$gt", Value: b.o.Now().Add(-aliveFor).UnixMilli()}}}})
	if err != nil {
		return bson.E{}, failure(ctx, err)
	}
	var all []struct {
		ID string `bson:"_id"`
	}
	if err := cur.All(ctx, &all); err != nil {
		return bson.E{}, failure(ctx, err)
	}
	living := bson.A{b.process}
	for _, p := range all {
		living = append(living, p.ID)
	}
	return bson.E{Key: "holder", Value: bson.D{{Key: "$nin", Value: living}}}, nil
}

// take changes at most n slots that the filter finds, each by itself, and returns those it got.
func (b *Backend) take(ctx context.Context, filter, change bson.D, n int) ([]storedSlot, error) {
	if n <= 0 {
		return nil, nil
	}
	cur, err := b.slots.Find(ctx, filter, options.Find().SetLimit(int64(n)).SetSort(keys("idx")))
	if err != nil {
		return nil, failure(ctx, err)
	}
	var seen []storedSlot
	if err := cur.All(ctx, &seen); err != nil || len(seen) == 0 {
		return nil, failure(ctx, err)
	}
	ids := bson.A{}
	for _, s := range seen {
		ids = append(ids, s.ID)
	}
	batch := rand.Text()
	b.commits.Add(1)
	still := append(bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, filter...)
	if _, err := b.slots.UpdateMany(ctx, still, set(append(bson.D{{Key: "batch", Value: batch}, {Key: "holder", Value: b.process}}, change...))); err != nil {
		return nil, failure(ctx, err)
	}
	if cur, err = b.slots.Find(ctx, bson.D{{Key: "batch", Value: batch}}); err != nil {
		return nil, failure(ctx, err)
	}
	var got []storedSlot
	err = cur.All(ctx, &got)
	return got, failure(ctx, err)
}

// ReserveSlots takes what dead processes left of the account, then void slots, then new ones.
func (b *Backend) ReserveSlots(ctx context.Context, account int64, n int) ([]int64, error) {
	ctx, stop := b.reading(ctx)
	defer stop()
	orphaned, err := b.orphaned(ctx)
	if err != nil {
		return nil, err
	}
	left, err := b.take(ctx, bson.D{{Key: "account", Value: account}, {Key: "state", Value: slotReserved}, orphaned}, nil, n)
	if err != nil {
		return nil, err
	}
	void, err := b.take(ctx, bson.D{{Key: "state", Value: slotVoid}},
		bson.D{{Key: "state", Value: slotReserved}, {Key: "account", Value: account}}, n-len(left))
	if err != nil {
		return nil, err
	}
	out := make([]int64, 0, n)
	for _, s := range append(left, void...) {
		out = append(out, s.Index)
	}
	if len(out) == n {
		return out, nil
	}
	first, err := b.lease(ctx, "slots", int64(n-len(out)))
	if err != nil {
		return nil, err
	}
	var fresh []any
	for i := first - 1; len(out) < n; i++ {
		out = append(out, i)
		fresh = append(fresh, storedSlot{ID: slotID(i), Index: i, Account: account, State: slotReserved, Kid: bson.Binary{Data: []byte{}}, Holder: b.process})
	}
	b.commits.Add(1)
	_, err = b.slots.InsertMany(ctx, fresh)
	return out, failure(ctx, err)
}

// OfferSlots declares slots filled; they stay with this process.
func (b *Backend) OfferSlots(ctx context.Context, slots []keyring.Slot) error {
	ctx, stop := b.reading(ctx)
	defer stop()
	var models []driver.WriteModel
	for _, s := range slots {
		models = append(models, driver.NewUpdateOneModel().
			SetFilter(bson.D{{Key: "_id", Value: slotID(s.Index)}, {Key: "state", Value: slotReserved}, {Key: "holder", Value: b.process}}).
			SetUpdate(set(bson.D{{Key: "state", Value: slotFree}, {Key: "kid", Value: kidValue(s.ID)}, {Key: "account", Value: s.Account}})))
	}
	b.commits.Add(1)
	_, err := b.slots.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	return failure(ctx, err)
}

// FreeSlots gives this process the filled slots of an account that no living one holds.
func (b *Backend) FreeSlots(ctx context.Context, account int64) ([]keyring.Slot, error) {
	ctx, stop := b.reading(ctx)
	defer stop()
	orphaned, err := b.orphaned(ctx)
	if err != nil {
		return nil, err
	}
	got, err := b.take(ctx, bson.D{{Key: "account", Value: account}, {Key: "state", Value: slotFree}, orphaned}, nil, mostFree)
	out := make([]keyring.Slot, 0, len(got))
	for _, s := range got {
		k := keyring.Slot{Index: s.Index, Account: s.Account}
		copy(k.ID[:], s.Kid.Data)
		out = append(out, k)
	}
	return out, err
}

// AssignKey takes the slot, then writes the entry; whoever of two writes the
// entry first has given the key, and the other one's slot becomes free again.
func (b *Backend) AssignKey(ctx context.Context, s ring.Subject, slot keyring.Slot) (docstore.Entry, error) {
	taken := false
	for {
		e, err := b.entry(ctx, b.ring, s)
		if err != nil {
			return e, err
		}
		if e.Slot != docstore.NoSlot || e.Modes()&docstore.Gone != 0 {
			mine := e.Slot == slot.Index && e.Kid == slot.ID
			if taken && !mine {
				err = b.returnSlot(ctx, s, slot)
			}
			if err == nil && e.Modes()&docstore.Gone != 0 {
				err = docstore.ErrFenced
			}
			return e, err
		}
		if !taken {
			if err := b.takeSlot(ctx, s, slot); err != nil {
				return e, err
			}
			taken = true
		}
		e.Slot, e.Kid, e.HasKey = slot.Index, slot.ID, true
		err = b.putKey(ctx, e)
		if err == nil {
			e.Version++
		}
		if !errors.Is(err, docstore.ErrStale) {
			return e, err
		}
	}
}

// putKey writes an entry that got a key. It is no change of fences.
func (b *Backend) putKey(ctx context.Context, e docstore.Entry) error {
	wctx, stop := b.writing(ctx)
	defer stop()
	st := newStoredEntry(&e)
	if e.Version == 0 {
		_, err := b.ring.InsertOne(wctx, st)
		if err = failure(ctx, err); errors.Is(err, docstore.ErrExists) {
			return docstore.ErrStale
		}
		return err
	}
	r, err := b.ring.UpdateOne(wctx, bson.D{{Key: "_id", Value: st.ID}, {Key: "version", Value: e.Version}},
		set(bson.D{{Key: "slot", Value: st.Slot}, {Key: "kid", Value: st.Kid}, {Key: "version", Value: st.Version}}))
	if err == nil && r.MatchedCount == 0 {
		return docstore.ErrStale
	}
	return failure(ctx, err)
}

// takeSlot marks a free slot of this process as a subject's. A repeat finds it so.
func (b *Backend) takeSlot(ctx context.Context, s ring.Subject, slot keyring.Slot) error {
	wctx, stop := b.writing(ctx)
	defer stop()
	r, err := b.slots.UpdateOne(wctx, bson.D{{Key: "_id", Value: slotID(slot.Index)}, {Key: "state", Value: slotFree},
		{Key: "kid", Value: kidValue(slot.ID)}, {Key: "holder", Value: b.process}},
		set(bson.D{{Key: "state", Value: slotGiven}, {Key: "subject", Value: s.ID}, {Key: "account", Value: s.Account}}))
	if err == nil && r.MatchedCount == 0 {
		return docstore.ErrSlotTaken
	}
	return failure(ctx, err)
}

// returnSlot frees a slot that was taken and not used.
func (b *Backend) returnSlot(ctx context.Context, s ring.Subject, slot keyring.Slot) error {
	wctx, stop := b.writing(ctx)
	defer stop()
	_, err := b.slots.UpdateOne(wctx, bson.D{{Key: "_id", Value: slotID(slot.Index)}, {Key: "state", Value: slotGiven},
		{Key: "kid", Value: kidValue(slot.ID)}, {Key: "subject", Value: s.ID}, {Key: "account", Value: s.Account}},
		set(bson.D{{Key: "state", Value: slotFree}, {Key: "subject", Value: int64(0)}, {Key: "holder", Value: b.process}}))
	return failure(ctx, err)
}

// voidSlot makes the slot of a destroyed key ready for another one.
func (b *Backend) voidSlot(ctx context.Context, index int64, kid keyring.KeyID) error {
	wctx, stop := b.writing(ctx)
	defer stop()
	_, err := b.slots.UpdateOne(wctx, bson.D{{Key: "_id", Value: slotID(index)}, {Key: "kid", Value: kidValue(kid)}}, voided)
	return failure(ctx, err)
}

var voided = set(bson.D{{Key: "state", Value: slotVoid}, {Key: "kid", Value: bson.Binary{Data: []byte{}}}, {Key: "subject", Value: int64(0)}})

// Lease moves a sequence forward.
func (b *Backend) Lease(ctx context.Context, account int64, name string, n int64) (int64, error) {
	return b.lease(ctx, strconv.FormatInt(account, 10)+":"+name, n)
}

func (b *Backend) lease(ctx context.Context, id string, n int64) (int64, error) {
	wctx, stop := b.writing(ctx)
	defer stop()
	var after struct {
		Last int64 `bson:"last"`
	}
	var err error
	for range 2 { // two first ones at once: one of them meets the other's document
		err = b.numbers.FindOneAndUpdate(wctx, idIs(id), bson.D{{Key: "$inc", Value: bson.D{{Key: "last", Value: n}}}},
			options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&after)
		if !driver.IsDuplicateKeyError(err) {
			break
		}
	}
	return after.Last - n + 1, failure(ctx, err)
}
