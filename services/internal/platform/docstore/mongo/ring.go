package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// storedFence is a fence of an entry.
type storedFence struct {
	Mode  int64  `bson:"mode"`
	Saga  string `bson:"saga"`
	Seq   int64  `bson:"seq"`
	Epoch int32  `bson:"epoch"`
	Stage int32  `bson:"stage"`
}

// storedEntry is a ring entry: one document, changed by compare-and-swap on its version.
type storedEntry struct {
	ID      string        `bson:"_id"`
	Account int64         `bson:"account"`
	Subject int64         `bson:"subject"`
	Modes   int64         `bson:"modes"`
	Slot    int64         `bson:"slot"`
	Kid     bson.Binary   `bson:"kid"`
	Fences  []storedFence `bson:"fences"`
	Seq     int64         `bson:"seq"`
	Epoch   int32         `bson:"epoch"`
	Stage   int32         `bson:"stage"`
	Dying   bool          `bson:"dying"`
	Version int64         `bson:"version"`
}

func newStoredEntry(e *docstore.Entry) storedEntry {
	s := storedEntry{ID: docID(e.Subject.Account, e.Subject.ID), Account: e.Subject.Account, Subject: e.Subject.ID,
		Modes: int64(e.Modes()), Slot: docstore.NoSlot, Kid: bson.Binary{Data: []byte{}}, Fences: []storedFence{},
		Seq: e.Highest.Sequence, Epoch: e.Highest.Epoch, Stage: e.Highest.Stage, Dying: e.Dying, Version: e.Version + 1}
	if e.Slot != docstore.NoSlot && !e.Destroyed {
		s.Slot, s.Kid = e.Slot, kidValue(e.Kid)
	}
	for _, f := range e.Fences {
		s.Fences = append(s.Fences, storedFence{Mode: int64(f.Mode), Saga: f.Saga, Seq: f.Token.Sequence, Epoch: f.Token.Epoch, Stage: f.Token.Stage})
	}
	return s
}

func (s *storedEntry) entry() docstore.Entry {
	e := docstore.Entry{Slot: s.Slot, Dying: s.Dying, Version: s.Version}
	e.Subject = ring.Subject{Account: s.Account, ID: s.Subject}
	e.Destroyed = ring.Mode(s.Modes)&docstore.Gone != 0
	e.Highest = ring.Token{Sequence: s.Seq, Epoch: s.Epoch, Stage: s.Stage}
	copy(e.Kid[:], s.Kid.Data)
	for _, f := range s.Fences {
		e.Fences = append(e.Fences, ring.Fence{Mode: ring.Mode(f.Mode), Saga: f.Saga, Token: ring.Token{Sequence: f.Seq, Epoch: f.Epoch, Stage: f.Stage}})
	}
	return e
}

func idIs(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// Entry reads an entry as a majority has it.
func (b *Backend) Entry(ctx context.Context, s ring.Subject) (docstore.Entry, error) {
	e, err := b.entry(ctx, b.ring, s)
	if err == nil && e.Version == 0 {
		return docstore.Entry{}, docstore.ErrNotFound
	}
	return e, err
}

// entry reads an entry with a collection's read concern; an absent one has version 0 and no slot.
func (b *Backend) entry(ctx context.Context, c *driver.Collection, s ring.Subject) (docstore.Entry, error) {
	ctx, stop := b.reading(ctx)
	defer stop()
	var st storedEntry
	err := c.FindOne(ctx, idIs(docID(s.Account, s.ID))).Decode(&st)
	if errors.Is(err, driver.ErrNoDocuments) {
		return docstore.Entry{Entry: ring.Entry{Subject: s}, Slot: docstore.NoSlot}, nil
	}
	if err != nil {
		return docstore.Entry{}, failure(ctx, err)
	}
	return st.entry(), nil
}

// owners reads what reads must know of the owners of a page, in one call.
func (b *Backend) owners(ctx context.Context, rows []docstore.Found) (map[ring.Subject]docstore.Entry, error) {
	out := make(map[ring.Subject]docstore.Entry)
	var ids []string
	for i := range rows {
		s := ring.Subject{Account: rows[i].Account, ID: rows[i].Owner}
		if _, known := out[s]; !known {
			out[s] = docstore.Entry{Entry: ring.Entry{Subject: s}, Slot: docstore.NoSlot}
			ids = append(ids, docID(s.Account, s.ID))
		}
	}
	if len(ids) == 0 {
		return out, nil
	}
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}
	if len(ids) == 1 {
		filter = idIs(ids[0])
	}
	cur, err := b.ring.Find(ctx, filter, options.Find().SetProjection(bson.D{{Key: "fences.saga", Value: 0}}))
	if err != nil {
		return nil, failure(ctx, err)
	}
	var all []storedEntry
	if err := cur.All(ctx, &all); err != nil {
		return nil, failure(ctx, err)
	}
	for i := range all {
		e := all[i].entry()
		out[e.Subject] = e
	}
	return out, nil
}

// PutEntry writes an entry by compare-and-swap. The slot of a destroyed one
// becomes void after that; a crash between leaves that to the patrol.
func (b *Backend) PutEntry(ctx context.Context, e docstore.Entry) error {
	wctx, stop := b.writing(ctx)
	defer stop()
	st := newStoredEntry(&e)
	if e.Version == 0 {
		_, err := b.ring.InsertOne(wctx, st)
		if err = failure(ctx, err); errors.Is(err, docstore.ErrExists) {
			return docstore.ErrStale
		} else if err != nil {
			return err
		}
	} else {
		r, err := b.ring.ReplaceOne(wctx, bson.D{{Key: "_id", Value: st.ID}, {Key: "version", Value: e.Version}}, st)
		if err != nil {
			return failure(ctx, err)
		}
		if r.MatchedCount == 0 {
			return docstore.ErrStale
		}
	}
	if e.Modes() != 0 {
		b.noteFence(e.Subject)
	}
	if e.Destroyed && e.Slot != docstore.NoSlot {
		return b.voidSlot(ctx, e.Slot, e.Kid)
	}
	return nil
}

// mostNoted bounds what is remembered of fences; what is forgotten waits once more.
const mostNoted = 1 << 14

func (b *Backend) noteFence(s ring.Subject) {
	b.fenceMu.Lock()
	defer b.fenceMu.Unlock()
	if len(b.fenced) >= mostNoted {
		for old := range b.fenced {
			delete(b.fenced, old)
			break
		}
	}
	b.fenced[s] = b.age()
}

// Settle waits until every write that did not see the last change of a subject's
// fences has landed or never will: one grace period after it. A change that
// another process made, or this one before it was started again, counts from now.
func (b *Backend) Settle(ctx context.Context, s ring.Subject) error {
	b.fenceMu.Lock()
	at, known := b.fenced[s]
	if !known {
		at = b.age()
	}
	b.fenceMu.Unlock()
	left := at + b.o.Grace - b.age()
	if left <= 0 {
		return nil
	}
	if err := b.o.Wait(ctx, left); err != nil {
		return err
	}
	b.fenceMu.Lock()
	defer b.fenceMu.Unlock()
	if b.fenced[s] == at || !known {
		b.fenced[s] = at - b.o.Grace // settled, whatever the clock says
	}
	return nil
}
