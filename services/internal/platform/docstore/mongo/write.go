package mongo

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// admit checks a guard against the owner's entry. It writes nothing.
func admit(e *docstore.Entry, g *docstore.Guard) error {
	has := e.Slot != docstore.NoSlot
	switch {
	case e.Modes()&g.Forbidden != 0:
		return docstore.ErrFenced
	case !g.NeedKey:
		return nil
	case e.Modes()&docstore.Gone != 0:
		return docstore.ErrFenced
	case has && e.Kid != g.Kid, !has && g.Assign == nil:
		return docstore.ErrOtherKey
	}
	return nil
}

// mostLooks bounds how often a write looks at the ring again because it was too slow.
const mostLooks = 5

// guarded runs write between two looks at the ring: the first not older than
// maxAge when write is sent, the second after it, linearizable. look returns what
// refuses the write. When a fence came between, undo takes back what can be
// taken back, and the answer is that of the second look.
func (b *Backend) guarded(ctx context.Context, look func(ctx context.Context, c *driver.Collection) error, write, undo func(ctx context.Context) error) error {
	for try := 0; ; try++ {
		at := b.age()
		if err := look(ctx, b.ring); err != nil {
			return err
		}
		if b.age()-at <= b.maxAge {
			break
		}
		if try == mostLooks {
			return docstore.ErrUnavailable
		}
	}
	wctx, stop := b.writing(ctx)
	err := write(wctx)
	stop()
	if err != nil {
		return err
	}
	late := look(ctx, b.strict)
	if late == nil || undo == nil {
		return late
	}
	// also when the caller has left: what was written past a fence should not stay
	uctx, stop := context.WithTimeout(context.WithoutCancel(ctx), b.o.WriteLimit)
	defer stop()
	if err := undo(uctx); err != nil {
		return err
	}
	return late
}

// Insert writes a document between two looks at its owner's entry. The first
// document of an owner gives the key first; when it is refused after that, by
// somebody who was faster with the same id, the owner has a key and no document.
func (b *Backend) Insert(ctx context.Context, dt *docstore.Table, w *docstore.Write) error {
	t := b.table(dt)
	s := ring.Subject{Account: w.Account, ID: w.Owner}
	first := func(ctx context.Context, c *driver.Collection) error { return b.admitOwner(ctx, c, t, s, w, true) }
	id := docID(w.Account, w.ID)
	return b.guarded(ctx, first,
		func(ctx context.Context) error {
			_, err := t.c.InsertOne(ctx, append(idIs(id), t.fields(w, w.Rev, true)...))
			return failure(ctx, err)
		},
		func(ctx context.Context) error {
			b.commits.Add(1)
			_, err := t.c.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "account", Value: w.Account}, {Key: "rev", Value: w.Rev}, {Key: "kid", Value: kidValue(w.Row.Kid)}})
			return failure(ctx, err)
		})
}

// admitOwner looks at the new owner's entry and gives it the key the write brings
// along if it has none.
func (b *Backend) admitOwner(ctx context.Context, c *driver.Collection, t *table, s ring.Subject, w *docstore.Write, fresh bool) error {
	e, err := b.entry(ctx, c, s)
	if err == nil {
		err = admit(&e, &w.Guard)
	}
	if err != nil || !w.NeedKey || e.Slot != docstore.NoSlot {
		return err
	}
	// a refused first document should leave no entry behind
	if err := b.vacant(ctx, t, w, fresh); err != nil {
		return err
	}
	if e, err = b.AssignKey(ctx, s, *w.Assign); err != nil {
		return err
	}
	return admit(&e, &w.Guard)
}

// vacant says whether the id and the unique keys of a document are free now.
func (b *Backend) vacant(ctx context.Context, t *table, w *docstore.Write, fresh bool) error {
	var or bson.A
	id := docID(w.Account, w.ID)
	if fresh {
		or = append(or, bson.D{{Key: "_id", Value: id}})
	}
	for _, u := range t.uniques() {
		or = append(or, bson.D{{Key: "u_" + u.Name, Value: t.unique(u, &w.Row)}})
	}
	if len(or) == 0 {
		return nil
	}
	filter := bson.D{{Key: "account", Value: w.Account}, {Key: "$or", Value: or}}
	if !fresh {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$ne", Value: id}}})
	}
	err := t.c.FindOne(ctx, filter, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	switch {
	case errors.Is(err, driver.ErrNoDocuments):
		return nil
	case err != nil:
		return failure(ctx, err)
	}
	return docstore.ErrExists
}

// head is what a write must know of a stored document.
type head struct {
	owner, rev int64
	// unique are its keys in the unique indexes, by field.
	unique map[string]string
}

func (t *table) head(ctx context.Context, account, id, rev int64) (h head, err error) {
	show := bson.D{{Key: "owner", Value: 1}, {Key: "rev", Value: 1}}
	for _, u := range t.uniques() {
		show = append(show, bson.E{Key: "u_" + u.Name, Value: 1})
	}
	raw, err := t.c.FindOne(ctx, t.byID(account, id), options.FindOne().SetProjection(show)).Raw()
	if err != nil {
		return h, failure(ctx, err)
	}
	h = head{owner: intOf(raw, "owner"), rev: intOf(raw, "rev"), unique: map[string]string{}}
	for _, u := range t.uniques() {
		h.unique[u.Name], _ = raw.Lookup("u_" + u.Name).StringValueOK()
	}
	if rev != 0 && h.rev != rev {
		err = docstore.ErrStale
	}
	return h, err
}

// uniques are the unique indexes.
func (t *table) uniques() []*docstore.TableIndex {
	var out []*docstore.TableIndex
	for i := range t.Indexes {
		if t.Indexes[i].Unique {
			out = append(out, &t.Indexes[i])
		}
	}
	return out
}

// rekeyed reports whether a write changes a key in a unique index.
func (t *table) rekeyed(h *head, w *docstore.Write) bool {
	return slices.ContainsFunc(t.uniques(), func(u *docstore.TableIndex) bool { return h.unique[u.Name] != t.unique(u, &w.Row) })
}

func (t *table) byID(account, id int64) bson.D {
	return bson.D{{Key: "_id", Value: docID(account, id)}, {Key: "account", Value: account}}
}

// Update replaces a document by compare-and-swap on revision and owner, between
// two looks at the entries of its old and its new owner. It cannot be undone:
// when a fence came between, the answer is ErrFenced and the document may be the new one.
func (b *Backend) Update(ctx context.Context, dt *docstore.Table, w *docstore.Write) error {
	t := b.table(dt)
	h, err := t.head(ctx, w.Account, w.ID, 0)
	if err != nil {
		return err
	}
	rekeyed := t.rekeyed(&h, w)
	look := func(ctx context.Context, c *driver.Collection) error {
		old, err := b.entry(ctx, c, ring.Subject{Account: w.Account, ID: h.owner})
		switch {
		case err != nil:
			return err
		case old.Modes()&w.Forbidden != 0:
			return docstore.ErrFenced
		case h.rev != w.Rev:
			return docstore.ErrStale
		}
		if rekeyed && c == b.ring { // the index says so too, but not before a key is given
			if err := b.vacant(ctx, t, w, false); err != nil {
				return err
			}
		}
		if h.owner == w.Owner && !w.NeedKey {
			return nil
		}
		return b.admitOwner(ctx, c, t, ring.Subject{Account: w.Account, ID: w.Owner}, w, false)
	}
	return b.guarded(ctx, look, func(ctx context.Context) error {
		filter := append(t.byID(w.Account, w.ID), bson.E{Key: "rev", Value: w.Rev}, bson.E{Key: "owner", Value: h.owner})
		r, err := t.c.UpdateOne(ctx, filter, set(t.fields(w, w.Rev+1, false)))
		if err == nil && r.MatchedCount == 0 {
			if _, err := t.head(ctx, w.Account, w.ID, w.Rev); err != nil {
				return err
			}
			return docstore.ErrStale
		}
		return failure(ctx, err)
	}, nil)
}

// Delete removes one document. A fence that comes at the same moment comes after it.
func (b *Backend) Delete(ctx context.Context, dt *docstore.Table, account, id, rev int64, forbidden ring.Mode) error {
	t := b.table(dt)
	h, err := t.head(ctx, account, id, 0)
	if err != nil {
		return err
	}
	e, err := b.entry(ctx, b.ring, ring.Subject{Account: account, ID: h.owner})
	switch {
	case err != nil:
		return err
	case e.Modes()&forbidden != 0:
		return docstore.ErrFenced
	case rev != 0 && h.rev != rev:
		return docstore.ErrStale
	}
	wctx, stop := b.writing(ctx)
	defer stop()
	r, err := t.c.DeleteOne(wctx, append(t.byID(account, id), bson.E{Key: "rev", Value: h.rev}))
	if err == nil && r.DeletedCount == 0 {
		if rev == 0 { // somebody changed it in between: any revision will do
			stop()
			return b.Delete(ctx, dt, account, id, rev, forbidden)
		}
		if _, err := t.head(wctx, account, id, rev); err != nil {
			return err
		}
		return docstore.ErrStale
	}
	return failure(wctx, err)
}

// some finds at most f.Limit documents for a write of many, each once.
func (b *Backend) some(ctx context.Context, t *table, f *docstore.Find) (filter bson.D, more bool, err error) {
	look := *f
	look.Bodies = false
	hits, err := b.page(ctx, t, &look, false)
	if err != nil || len(hits.Rows) == 0 {
		return nil, false, err
	}
	ids := make([]string, 0, len(hits.Rows))
	for i := range hits.Rows {
		ids = append(ids, docID(hits.Rows[i].Account, hits.Rows[i].ID))
	}
	slices.Sort(ids) // a list may find one twice
	filter = bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: slices.Compact(ids)}}}}
	q := t.query(f)
	if base := q.base(); len(base) > 0 {
		// the filter again: what changed since it was found is not meant any more
		filter = append(filter, bson.E{Key: "$and", Value: bson.A{base}})
	}
	return filter, hits.Last != nil, nil
}

// DeleteWhere removes what a query finds, a page of it.
func (b *Backend) DeleteWhere(ctx context.Context, dt *docstore.Table, f *docstore.Find) (int, bool, error) {
	t := b.table(dt)
	filter, more, err := b.some(ctx, t, f)
	if err != nil || filter == nil {
		return 0, false, err
	}
	b.commits.Add(1)
	ctx, stop := b.reading(ctx)
	defer stop()
	r, err := t.c.DeleteMany(ctx, filter)
	if err != nil {
		return 0, false, failure(ctx, err)
	}
	return int(r.DeletedCount), more, nil
}

// UpdateWhere sets columns of what a query finds, a page of it.
func (b *Backend) UpdateWhere(ctx context.Context, dt *docstore.Table, f *docstore.Find, assign []docstore.Assign) (int, bool, error) {
	t := b.table(dt)
	filter, more, err := b.some(ctx, t, f)
	if err != nil || filter == nil {
		return 0, false, err
	}
	var d bson.D
	for _, a := range assign {
		d = append(d, bson.E{Key: t.field(a.Column), Value: bsonValue(a.Value)})
	}
	b.commits.Add(1)
	ctx, stop := b.reading(ctx)
	defer stop()
	r, err := t.c.UpdateMany(ctx, filter, bson.D{{Key: "$set", Value: d}, {Key: "$inc", Value: bson.D{{Key: "rev", Value: int64(1)}}}})
	if err != nil {
		return 0, false, failure(ctx, err)
	}
	return int(r.MatchedCount), more, nil
}
